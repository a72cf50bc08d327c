"""A JSON schema as a grammar in GBNF, the notation that llama.cpp reads.

The grammar takes nothing that the schema forbids as far as a grammar can tell; what it can't (`not`, `multipleOf`,
`uniqueItems`, conditions) is left to the validation of the answer. Each `$ref` becomes a rule, so definitions may
refer to themselves and to each other.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.json_schema import MAX_GRAMMAR_CHARS, validation_problem
from mcp_context_resources.models.llama.merged_schema import ANNOTATIONS, Merger
from mcp_context_resources.models.llama.number_rules import INTEGER, NUMBER, integers_between, numbers_between
from mcp_context_resources.models.pattern_rules import CHARACTER, literal, text_matching

if TYPE_CHECKING:
    from collections.abc import Callable

Schema = dict[str, Any]

_SHARED: Final = {
    "ws": '" "?',
    "char": CHARACTER,
    "string": r'"\"" char* "\""',
    "integer": INTEGER,
    "number": NUMBER,
    "boolean": '"true" | "false"',
    "null": '"null"',
    "object": '"{" ws (string ":" ws value ("," ws string ":" ws value)* ws)? "}"',
    "array": '"[" ws (value ("," ws value)* ws)? "]"',
    "value": "object | array | string | number | boolean | null",
}
_DATE: Final = '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [1-2] [0-9] | "3" [0-1])'
_TIME: Final = (
    '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})?'
    ' ("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])'
)
_FORMATS: Final = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'{_DATE} "T" {_TIME}',
    "uuid": '[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}',
}
_COMPOSED: Final = {"$ref", "allOf", "anyOf", "oneOf"}
_DEEPEST: Final = 60
_TYPES: Final = ("object", "array", "string", "number", "integer", "boolean", "null")
_TELLING: Final = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_LIMITS: Final = ("type", "const", "enum", "pattern", "minLength", "maxLength", *_TELLING["number"])


def schema_grammar(schema: Schema) -> str:
    """Write a valid JSON schema as a grammar whose rule `root` is the answer.

    Raises `InvalidInputError` for a schema that no value can follow, one that grows too large, and for patterns and
    references that no grammar can hold to.
    """
    rules = _Rules(schema)
    rules.add("root", rules.expression(schema))
    return rules.text()


class _Rules:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._merger = Merger(self._target)
        self._rules = dict(_SHARED)
        self._names: dict[str, str] = {}
        self._alike: list[str] = []
        self._depth = 0
        self._chars = 0

    def text(self) -> str:
        return "".join(f"{name} ::= {body}\n" for name, body in self._rules.items())

    def add(self, name: str, body: str) -> str:
        self._chars += len(name) + len(body)
        if self._chars > MAX_GRAMMAR_CHARS:
            raise InvalidInputError("The JSON schema makes too large a grammar.", "Use fewer properties or choices.")
        self._rules[name] = body
        return name

    def expression(self, schema: Schema | bool) -> str:
        """Return what matches a value that follows `schema`: alternatives, to be put in brackets."""
        if schema is True or (isinstance(schema, dict) and not schema.keys() - ANNOTATIONS):
            return "value"
        if schema is False:
            raise _impossible("a part of it is false")
        reference = schema.get("$ref")
        if reference is not None and not schema.keys() - ANNOTATIONS - {"$ref"}:
            return self._shared(reference, lambda: self.expression(self._target(reference)))
        if schema.keys() & _COMPOSED:
            flat = self._merger.flat(schema)
            return self._shared(json.dumps(flat, sort_keys=True), lambda: self._plain(flat))
        return self._plain(schema)

    def _shared(self, key: str, body: Callable[[], str]) -> str:
        """Return the rule of what may come again within itself."""
        if key in self._alike:
            raise InvalidInputError(f"{key[:200]} in the JSON schema is defined by itself.", "Correct it.")
        if key not in self._names:
            if self._depth > _DEEPEST:
                raise InvalidInputError("The definitions of the JSON schema nest too deep.", "Simplify it.")
            name = self._names[key] = self._new("")
            self._alike.append(key)
            self._depth += 1
            self.add(name, body())
            self._depth -= 1
            self._alike.pop()
        return self._names[key]

    def _plain(self, schema: Schema) -> str:
        """Return what matches a value that follows a schema without references."""
        for key in ("anyOf", "oneOf"):
            if key in schema:
                base = {name: value for name, value in schema.items() if name != key}
                return " | ".join(self._rule(self._merger.merged(base, other)) for other in schema[key])
        if "const" in schema or "enum" in schema:
            return self._choices(schema)
        kinds = _kinds(schema)
        if not kinds:
            return "value"
        return " | ".join(self._of_kind(kind, schema) for kind in kinds)

    def _rule(self, schema: Schema | bool) -> str:
        """Return the name of a rule for a schema, or what is short enough to stand by itself."""
        body = self.expression(schema)
        return body if body.isidentifier() or body in self._rules else self._new(body)

    def _new(self, body: str) -> str:
        return self.add(f"r{len(self._rules)}", body)

    def _target(self, reference: str) -> Schema | bool:
        target: Any = self._schema
        if reference != "#" and not reference.startswith("#/"):
            raise _unknown(reference)
        for part in reference[2:].split("/") if len(reference) > 1 else ():
            step = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and step.isdecimal() and int(step) < len(target):
                target = target[int(step)]
            elif isinstance(target, dict) and step in target:
                target = target[step]
            else:
                raise _unknown(reference)
        if not isinstance(target, dict | bool):
            raise _unknown(reference)
        return target

    def _choices(self, schema: Schema) -> str:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        limits = {key: value for key, value in schema.items() if key in _LIMITS}
        fitting = [value for value in values if validation_problem(value, limits) is None]
        if not fitting:
            raise _impossible("none of its choices fits the rest of it")
        return " | ".join(literal(json.dumps(value, ensure_ascii=False)) for value in fitting)

    def _of_kind(self, kind: str, schema: Schema) -> str:
        if kind in ("object", "array"):
            # Within brackets a definition may come again.
            alike, self._alike = self._alike, []
            found = self._object(schema) if kind == "object" else self._array(schema)
            self._alike = alike
            return found
        if kind == "string":
            return self._string(schema)
        if kind in ("integer", "number"):
            return _number(kind, schema)
        return kind

    def _string(self, schema: Schema) -> str:
        if "pattern" in schema:
            return text_matching(schema["pattern"])
        if schema.get("format") in _FORMATS:
            return f'"\\"" {_FORMATS[schema["format"]]} "\\""'
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
        if most is None and not least:
            return "string"
        return f'"\\"" char{_count(least, most, "Length")} "\\""'

    def _array(self, schema: Schema) -> str:
        first = [self._rule(item) for item in schema.get("prefixItems", ())]
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems")
        _count(least, most, "Items")
        if most is not None:
            first = first[: int(most)]
        items = schema.get("items", True)
        if items is False and least > len(first):
            raise _impossible("an array can't have as many items as it must")
        if items is False or (most is not None and len(first) >= most):
            return f'"[" ws {_listed(first)} ws "]"' if first else '"[]"'
        item = self._rule(items)
        more = f'("," ws {item})'
        if first:
            rest = f"{more}{_count(max(0, least - len(first)), None if most is None else most - len(first), 'Items')}"
            return f'"[" ws {_listed(first)} {rest} ws "]"'
        some = f"{item} {more}{_count(max(0, least - 1), None if most is None else most - 1, 'Items')} ws"
        return f'"[" ws {some} "]"' if least else f'"[" ws ({some})? "]"'

    def _object(self, schema: Schema) -> str:
        properties = dict(schema.get("properties", {}))
        required = schema.get("required", [])
        further = self._further(schema)
        for name in required:
            if properties.get(name) is False or (name not in properties and further == ""):
                raise _impossible(f"the property {name!r} is both required and forbidden")
            properties.setdefault(name, schema.get("additionalProperties", True))
        pairs = [
            (f'{literal(json.dumps(name, ensure_ascii=False))} ":" ws {self._rule(value)}', name in required)
            for name, value in properties.items()
            if value is not False
        ]
        least, most = int(schema.get("minProperties", 0)), schema.get("maxProperties")
        _count(least, most, "Properties")
        if most is not None and most <= len(pairs):
            further = ""
        if not pairs:
            if not further or most == 0:
                return '"{" ws "}"'
            some = f'{further} ("," ws {further}){_count(max(0, least - 1), most and most - 1, "Properties")} ws'
            return f'"{{" ws {some} "}}"' if least else f'"{{" ws ({some})? "}}"'
        # From the last to the first: what may follow a pair, and what may come first.
        rest = self._new(f'("," ws {further})*') if further else '""'
        start = f"{further} {rest}" if further else ""
        for body, needed in reversed(pairs):
            pair = self._new(body)
            start = f"{pair} {rest}" if needed or not start else self._new(f"{pair} {rest} | {start}")
            rest = self._new(f'"," ws {pair} {rest}' if needed else f'("," ws {pair})? {rest}')
        never_empty = any(needed for _, needed in pairs)
        return f'"{{" ws {start} ws "}}"' if never_empty else f'"{{" ws ({start} ws)? "}}"'

    def _further(self, schema: Schema) -> str:
        """Return what matches a property that has no schema of its own; empty where none is allowed."""
        allowed = schema.get("additionalProperties", "properties" not in schema)
        patterns = schema.get("patternProperties", {})
        if patterns and "additionalProperties" not in schema:
            pairs = [f'{text_matching(pattern)} ":" ws {self._rule(value)}' for pattern, value in patterns.items()]
            return self._new(" | ".join(pairs))
        if allowed is False:
            return ""
        names = schema.get("propertyNames", True)
        key = "string" if names is True else self._rule(self._merger.merged({"type": "string"}, names))
        return self._new(f'{key} ":" ws {self._rule(allowed)}')


def _kinds(schema: Schema) -> list[str]:
    """Return the types that a value may have; none where the schema doesn't tell."""
    kinds = schema.get("type")
    if kinds is None:
        return [kind for kind, keys in _TELLING.items() if any(key in schema for key in keys)]
    if kinds == []:
        raise _impossible("no type is left for it")
    return [kinds] if isinstance(kinds, str) else [kind for kind in _TYPES if kind in kinds]


def _number(kind: str, schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    is_above = above is not None and (low is None or above >= low)
    is_below = below is not None and (high is None or below <= high)
    low, high = above if is_above else low, below if is_below else high
    if kind == "integer":
        least = None if low is None else math.floor(low) + 1 if is_above else math.ceil(low)
        most = None if high is None else math.ceil(high) - 1 if is_below else math.floor(high)
        found = integers_between(least, most)
    else:
        found = numbers_between(low, high, above=is_above, below=is_below)
        if not found and low is not None and high is not None and low < high:
            return "number"  # within one integer: left to the validation
    if not found:
        raise _impossible("no number lies between its bounds")
    return found


def _count(least: int, most: float | None, what: str) -> str:
    """Return how often something is repeated, as GBNF writes it."""
    if most is not None and most < least:
        raise _impossible(f"min{what} is greater than max{what}")
    return f"{{{least},{'' if most is None else int(most)}}}"


def _listed(items: list[str]) -> str:
    return ' "," ws '.join(items)


def _impossible(why: str) -> InvalidInputError:
    return InvalidInputError(f"No value can follow the JSON schema: {why}.", "Correct it.")


def _unknown(reference: str) -> InvalidInputError:
    return InvalidInputError(
        f"The JSON schema refers to {reference[:200]!r}, which isn't in it.", "Put definitions under $defs."
    )
