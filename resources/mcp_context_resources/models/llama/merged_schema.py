"""Several JSON schemas that must all be followed, as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

Schema = dict[str, Any]

ANNOTATIONS: Final = frozenset(
    "title description default examples deprecated readOnly writeOnly contentMediaType contentEncoding".split()
    + "$comment $defs definitions $schema $id $anchor".split()
)
"""Keywords that forbid nothing by themselves."""

_MOST: Final = 2_000
_DEEPEST: Final = 64
_GREATER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_LESSER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


class Merger:
    """Puts schemas together; `target` returns what a `$ref` refers to.

    Raises `InvalidInputError` for references that go round in circles, and when there is too much to put together.
    """

    def __init__(self, target: Callable[[str], Schema | bool]) -> None:
        self._target = target
        self._work = 0

    def flat(self, schema: Schema, depth: int = 0) -> Schema:
        """Return the schema with its `allOf`, and a `$ref` that has company, put together with the rest of it."""
        self._work += 1
        if self._work > _MOST or depth > _DEEPEST:
            raise InvalidInputError(
                "The JSON schema puts too much together with $ref and allOf, or goes round in circles.", "Simplify it."
            )
        rest = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"} | ANNOTATIONS}
        parts: list[Schema | bool] = list(schema.get("allOf", ()))
        if "$ref" in schema:
            parts.insert(0, self._target(schema["$ref"]))
        for part in parts:
            merged = self.merged(rest, self.flat(part, depth + 1) if isinstance(part, dict) else part, depth + 1)
            if merged is False:
                raise InvalidInputError("No value can follow the JSON schema: a part of it is false.", "Correct it.")
            rest = {} if merged is True else merged
        return rest

    def merged(self, one: Schema | bool, other: Schema | bool, depth: int = 0) -> Schema | bool:
        """Return a schema that only values follow which follow both."""
        if one is False or other is False:
            return False
        if one is True or one == {}:
            return other
        if other is True or not other.keys() - ANNOTATIONS:
            return one
        one, other = self.flat(one, depth), self.flat(other, depth)
        result = one | {
            key: self._both(key, one[key], value, depth) if one.get(key, value) != value else value
            for key, value in other.items()
        }
        if "properties" in result:
            result["properties"] = {
                name: value
                for name, value in result["properties"].items()
                if _allows(one, name) and _allows(other, name)
            }
        return result

    def _both(self, key: str, one: Any, other: Any, depth: int) -> Any:
        both: Any = one  # what isn't known here is left to the validation
        if key in _GREATER:
            both = max(one, other)
        elif key in _LESSER:
            both = min(one, other)
        elif key == "required":
            both = list(dict.fromkeys([*one, *other]))
        elif key == "type":
            both = _types(one, other)
        elif key == "enum":
            both = [value for value in one if value in other]
        elif key == "properties":
            both = one | {
                name: self.merged(one[name], value, depth + 1) if name in one else value
                for name, value in other.items()
            }
        elif key in {"items", "additionalProperties", "propertyNames"}:
            both = self.merged(one, other, depth + 1)
        elif key in {"anyOf", "oneOf"}:
            both = [self.merged(first, second, depth + 1) for first in one for second in other]
        return both


def _types(one: str | list[str], other: str | list[str]) -> list[str]:
    wanted, allowed = ([kinds] if isinstance(kinds, str) else kinds for kinds in (one, other))
    found = [kind for kind in wanted if kind in allowed]
    if "integer" not in found and {"integer", "number"} <= {*wanted, *allowed}:
        found.append("integer")
    return found


def _allows(schema: Schema, name: str) -> bool:
    return schema.get("additionalProperties") is not False or name in schema.get("properties", {})
