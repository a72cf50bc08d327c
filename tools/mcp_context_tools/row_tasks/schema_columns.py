"""From a JSON schema to columns: one for each top-level property, of the type that holds its values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.json_schema import check_json_schema
from mcp_context_resources.tables.model_tables.spec import MapColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_PROPERTIES: Final = 50
_MAX_NAME_CHARS: Final = 100
_TYPES: Final = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
_LARGEST: Final = 1 << 63


def schema_columns(schema: Mapping[str, Any]) -> tuple[MapColumn, ...]:
    """Return the columns of a schema; lists of single values are lists in SQL, what is nested further JSON as text.

    Raises `InvalidInputError` for a schema that is invalid, no object's, or without properties.
    """
    check_json_schema(dict(schema))
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or not properties:
        raise InvalidInputError(
            "json_schema describes no object with properties.",
            'Write {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}.',
        )
    if len(properties) > MAX_PROPERTIES or any(len(name) > _MAX_NAME_CHARS or not name.strip() for name in properties):
        raise InvalidInputError(
            f"json_schema has {len(properties)} properties; {MAX_PROPERTIES} with names of up to {_MAX_NAME_CHARS}"
            " characters are allowed.",
            "Extract fewer values at a time.",
        )
    return tuple(MapColumn(name, _type(part)) for name, part in properties.items())


def unfit(values: Mapping[str, Any], columns: Iterable[MapColumn] = ()) -> str | None:
    """Tell which value is a number that SQL can't hold, None where all fit; `columns` are those the values are for."""
    types = {column.name: column.type for column in columns}
    for name, value in values.items():
        whole = types.get(name, "").startswith("BIGINT")
        for number in value if isinstance(value, list) else [value]:
            too_large = isinstance(number, int | float if whole else int) and abs(number) >= _LARGEST
            if too_large or (isinstance(number, float) and not math.isfinite(number)):
                return f"{name} is too large a number."
    return None


def _type(part: Any) -> str:
    if not isinstance(part, dict):
        return "VARCHAR"
    if (scalar := _scalar(part)) is not None:
        return scalar
    items = part.get("items")
    if _kinds(part) == {"array"} and isinstance(items, dict) and (scalar := _scalar(items)) is not None:
        return f"{scalar}[]"
    return "VARCHAR"


def _scalar(part: Mapping[str, Any]) -> str | None:
    kinds = _kinds(part)
    if kinds == {"integer", "number"}:
        return "DOUBLE"
    return _TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None


def _kinds(part: Mapping[str, Any]) -> set[str]:
    """Return the types a value may have, null aside."""
    named = part.get("type")
    if named is None and isinstance(part.get("enum"), list):
        named = ["string" if isinstance(value, str) else "other" for value in part["enum"] if value is not None]
    kinds = {named} if isinstance(named, str) else set(named or ())
    return kinds - {"null"}
