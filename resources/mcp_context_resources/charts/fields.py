"""The fields a specification names, and the columns they mean."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.charts.walk import parts
from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.charts.data import ChartData

# The last three are of a repeat; lists under these names elsewhere hold no text.
_LISTS: Final = ("groupby", "fold", "flatten", "fields", "repeat", "row", "column", "layer")
_OF_TRANSFORMS: Final = ("lookup", "regression", "on", "loess", "density", "quantile", "impute", "stack", "extent")
_SEGMENT: Final = re.compile(r"[^.\[\]]+")
# What transforms call their results when `as` doesn't say.
_DEFAULT_NAMES: Final = ("key", "value", "density", "prob", "data")


def resolve_fields(vega_lite: dict[str, Any], data: ChartData) -> None:
    """Put keys in place of column names, in a specification of which this changes every field.

    Raises `InvalidInputError` for a field that is neither a column nor made by a transform.
    """
    keys = data.keys
    made = _made(vega_lite)
    roots = made | {column.key for column in data.columns if column.nested}
    for path, holder, place in _fields(vega_lite):
        name = holder[place]
        plain = re.sub(r"\\(.)", r"\1", name)
        segment = _SEGMENT.match(name)
        if name in keys or plain in keys:
            holder[place] = keys.get(name) or keys[plain]
        elif name != "*" and name not in made and "*" not in made and not (segment and segment[0] in roots):
            raise _unknown(path, name, [column.name for column in data.columns])


def _unknown(path: str, name: str, columns: list[str]) -> InvalidInputError:
    near = difflib.get_close_matches(name, columns, n=3, cutoff=0.5)
    near = near or [column for column in columns if column.casefold() == name.casefold()]
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return InvalidInputError(
        f"spec.{path}: the result has no column {name!r}.", f"{hint}Its columns are {', '.join(columns[:40])}."
    )


def _fields(vega_lite: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Go over the places of field names: the path, and a dict or list with the key or index of the name in it."""
    for path, key, value in list(parts(vega_lite)):
        if isinstance(value, list) and key in _LISTS:
            yield from _listed(path, value)
        for place, item in [(path, value)] if not isinstance(value, list) else _numbered(path, value):
            if isinstance(item, dict) and key != "data":
                words = ("field", *_OF_TRANSFORMS) if key == "transform" else ("field",)
                yield from ((f"{place}.{word}", item, word) for word in words if isinstance(item.get(word), str))


def _numbered(path: str, values: list[Any]) -> list[tuple[str, Any]]:
    return [(f"{path}[{index}]", value) for index, value in enumerate(values)]


def _listed(path: str, names: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    for index, name in enumerate(names):
        if isinstance(name, str):
            yield (f"{path}[{index}]", names, index)


def _made(vega_lite: dict[str, Any]) -> set[str]:
    """Collect the names that transforms and inline rows make; `*` stands for names known only from the data."""
    made: set[str] = set(_DEFAULT_NAMES)
    for path, key, value in parts(vega_lite):
        if key == "as":
            made |= {name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)}
        elif key == "values" and isinstance(value, list) and path.endswith("data.values"):
            made |= {str(name) for row in value if isinstance(row, dict) for name in row}
            made.add("data")
        elif key in {"pivot", "sphere", "graticule"}:
            made.add("*")
    return made
