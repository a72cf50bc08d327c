"""JSON schemas: whether one is valid and within the limits, and whether a value follows it."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.patterns import MAX_STEPS, check_pattern, matching_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MAX_SCHEMA_BYTES: Final = 32_768
_MAX_DEPTH: Final = 64
_MAX_REPEATS: Final = 1_000
_MAX_ENUM: Final = 500
_COUNTS: Final = ("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties")
_AT_THE_TOP: Final = ("$id", "$schema", "$anchor", "$dynamicAnchor")
_KEYWORD_STEPS: Final = 2_000


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
    import referencing
    import referencing.exceptions

    # Another $schema would bring in a validator that counts no steps; without a registry, references are fetched.
    own = {key: child for key, child in schema.items() if key != "$schema"}
    steps = jsonschema.FormatChecker(())
    setattr(steps, _SPENT, 0)
    validator = _bounded_validator()(own, registry=referencing.Registry(), format_checker=steps)
    try:
        error = next(iter(validator.iter_errors(value)), None)
    except _TooManyStepsError:
        return "the schema can't be applied (it takes too many steps)"
    except (RecursionError, referencing.exceptions.Unresolvable) as problem:
        return f"the schema can't be applied ({type(problem).__name__})"
    return None if error is None else f"{error.json_path}: {error.message}"


class _TooManyStepsError(Exception):
    pass


_SPENT: Final = "spent_steps"


@cache
def _bounded_validator() -> Any:
    """Return a validator that gives up after `MAX_STEPS`; the count is kept on its format checker."""
    import jsonschema

    base = jsonschema.Draft202012Validator
    counted = {name: _counted(keyword) for name, keyword in base.VALIDATORS.items()}
    return jsonschema.validators.extend(base, counted)


def _counted(keyword: Callable[..., Any]) -> Callable[..., Any]:
    def check(validator: Any, value: Any, instance: Any, schema: dict[str, Any]) -> Any:
        spent = getattr(validator.format_checker, _SPENT) + _KEYWORD_STEPS
        if isinstance(instance, str) and isinstance(value, str) and value is schema.get("pattern"):
            spent += matching_steps(value, len(instance))
        elif isinstance(instance, dict):
            patterns = schema.get("patternProperties", ())
            spent += sum(matching_steps(pattern, len(key)) for pattern in patterns for key in instance)
        if spent > MAX_STEPS:
            raise _TooManyStepsError
        setattr(validator.format_checker, _SPENT, spent)
        return keyword(validator, value, instance, schema)

    return check


def _check_limits(schema: dict[str, Any]) -> None:
    stack: list[tuple[object, int]] = [(schema, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > _MAX_DEPTH:
            raise InvalidInputError(f"The JSON schema nests deeper than {_MAX_DEPTH} levels.", "Flatten it.")
        if isinstance(node, dict):
            _check_node(node, at_the_top=depth == 0)
            stack.extend((child, depth + 1) for child in node.values())
        elif isinstance(node, list):
            stack.extend((child, depth + 1) for child in node)


def _check_node(node: dict[str, Any], *, at_the_top: bool) -> None:
    for key in _COUNTS:
        count = node.get(key)
        if isinstance(count, int | float) and count > _MAX_REPEATS:
            raise InvalidInputError(f"{key} is {count:,}; at most {_MAX_REPEATS:,} is allowed.", "Lower it.")
    choices = node.get("enum")
    if isinstance(choices, list) and len(choices) > _MAX_ENUM:
        raise InvalidInputError(f"enum has {len(choices):,} values; at most {_MAX_ENUM} are allowed.", "Use fewer.")
    _check_patterns(node)
    for key in () if at_the_top else _AT_THE_TOP:
        if isinstance(node.get(key), str):
            raise InvalidInputError(
                f"json_schema has {key} below its top level.", "Leave it out; refer to definitions as #/$defs/name."
            )
    if isinstance(node.get("$dynamicRef"), str):
        raise InvalidInputError("json_schema uses $dynamicRef.", "Use $ref.")
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        raise InvalidInputError("json_schema refers to another document.", "Put definitions under $defs.")


def _check_patterns(node: dict[str, Any]) -> None:
    """Refuse patterns anywhere that would take for ever to match: what is under `not` is matched, too."""
    by_name = node.get("patternProperties")
    patterns: Iterable[object] = [node.get("pattern"), *(by_name if isinstance(by_name, dict) else ())]
    for pattern in patterns:
        if isinstance(pattern, str):
            check_pattern(pattern)
