"""Whether a JSON schema is one that a grammar can be made of, safely.

llama.cpp crashes on grammars that grow without bound, so size is limited before any grammar is built.
"""

from __future__ import annotations

import json
from typing import Any, Final

from mcp_context_resources.errors import InvalidInputError

MAX_GRAMMAR_CHARS: Final = 16_384
_MAX_SCHEMA_BYTES: Final = 32_768
_MAX_DEPTH: Final = 64
_MAX_REPEATS: Final = 1_000
_MAX_ENUM: Final = 500
_COUNTS: Final = ("maxLength", "minLength", "maxItems", "minItems")


def check_json_schema(schema: dict[str, Any]) -> None:
    """Raise `InvalidInputError` unless `schema` is a valid JSON Schema (2020-12) within the limits."""
    import jsonschema

    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("json_schema holds what JSON can't say, or nests too deep.", "Correct it.") from error
    if len(text) > _MAX_SCHEMA_BYTES:
        raise InvalidInputError(f"The JSON schema is longer than {_MAX_SCHEMA_BYTES:,} bytes.", "Simplify it.")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except RecursionError as error:
        raise InvalidInputError("A pattern in json_schema nests too deep.", "Simplify it.") from error
    except jsonschema.SchemaError as error:
        raise InvalidInputError(f"json_schema is not a valid JSON Schema: {error.message}", "Correct it.") from error
    _check_limits(schema)


def validation_problem(value: object, schema: dict[str, Any]) -> str | None:
    """Return what is wrong with `value` under `schema`, or None when nothing is."""
    import jsonschema
    import referencing.exceptions

    try:
        error = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(value)), None)
    except (RecursionError, referencing.exceptions.Unresolvable) as problem:
        return f"the schema can't be applied ({type(problem).__name__})"
    return None if error is None else f"{error.json_path}: {error.message}"


def _check_limits(schema: dict[str, Any]) -> None:
    stack: list[tuple[object, int]] = [(schema, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > _MAX_DEPTH:
            raise InvalidInputError(f"The JSON schema nests deeper than {_MAX_DEPTH} levels.", "Flatten it.")
        if isinstance(node, dict):
            _check_node(node)
            stack.extend((child, depth + 1) for child in node.values())
        elif isinstance(node, list):
            stack.extend((child, depth + 1) for child in node)


def _check_node(node: dict[str, Any]) -> None:
    for key in _COUNTS:
        count = node.get(key)
        if isinstance(count, int | float) and count > _MAX_REPEATS:
            raise InvalidInputError(f"{key} is {count:,}; at most {_MAX_REPEATS:,} is allowed.", "Lower it.")
    choices = node.get("enum")
    if isinstance(choices, list) and len(choices) > _MAX_ENUM:
        raise InvalidInputError(f"enum has {len(choices):,} values; at most {_MAX_ENUM} are allowed.", "Use fewer.")
    if isinstance(node.get("$dynamicRef"), str):
        raise InvalidInputError("json_schema uses $dynamicRef.", "Use $ref.")
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        raise InvalidInputError("json_schema refers to another document.", "Put definitions under $defs.")
