"""Closed JSON schemas: an object takes only the properties that are named, unless its schema says otherwise.

JSON Schema allows whatever it doesn't mention, and a small model that may add properties goes on adding them. A schema
also says of which type a value is, where its other keywords tell. What several schemas say of one value (`allOf`, or a
`$ref` or `anyOf` with keywords beside it) is closed as a whole: its parts stay open to each other's properties.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

_ANNOTATIONS: Final = frozenset(
    "title description default examples deprecated readOnly writeOnly contentMediaType contentEncoding".split()
    + "$comment $defs definitions $anchor".split()
)
_LEFT_OUT: Final = frozenset({"$schema", "$id", "x-guidance"})
_CHOICES: Final = ("allOf", "anyOf", "oneOf")
_TELLING: Final = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_TYPED: Final = frozenset({"type", "const", "enum"})
_LOWER: Final = ("minimum", "exclusiveMinimum")
_UPPER: Final = ("maximum", "exclusiveMaximum")
_FARTHEST: Final = 10**18
_EXACT: Final = 2**53
_DEEPEST: Final = 60
_MOST: Final = 20_000


def closed_schema(schema: Schema) -> Schema:
    """Return a schema that takes fewer values and none that `schema` doesn't take.

    Raises `InvalidInputError` for references to what isn't there, and for definitions that go round in circles or put
    too much together.
    """
    return _Document({key: value for key, value in schema.items() if key not in _LEFT_OUT}).closed()


@dataclass
class _Traits:
    """What the parts of a schema say together."""

    names: dict[str, None] = field(default_factory=dict)
    patterns: dict[str, None] = field(default_factory=dict)
    required: dict[str, None] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    typed: bool = False
    tells_names: bool = False
    tells_further: bool = False

    def add(self, schema: Schema) -> None:
        self.names |= dict.fromkeys(schema.get("properties", ()))
        self.patterns |= dict.fromkeys(schema.get("patternProperties", ()))
        self.required |= dict.fromkeys(schema.get("required", ()))
        self.kinds |= {kind for kind, keys in _TELLING.items() if any(key in schema for key in keys)}
        self.typed |= not schema.keys().isdisjoint(_TYPED)
        self.tells_names |= "properties" in schema or "patternProperties" in schema
        self.tells_further |= "additionalProperties" in schema


class _Document:
    def __init__(self, root: Schema) -> None:
        self._root = copy.deepcopy(root)
        self._work = 0

    def closed(self) -> Schema:
        """Close all that can be reached; what it needs to know is gathered before anything is changed."""
        wholes: dict[int, tuple[Schema, _Traits]] = {}
        parts: set[int] = set()
        seen: dict[tuple[int, bool], Schema] = {}
        waiting: list[tuple[Any, bool]] = [(self._root, False)]
        while waiting:
            schema, is_part = waiting.pop()
            if not isinstance(schema, dict) or (id(schema), is_part) in seen:
                continue
            seen[id(schema), is_part] = schema
            alike = self._alike(schema)
            is_composed = _is_composed(schema)
            if is_part:
                parts.add(id(schema))
            else:
                traits = _Traits()
                self._gather(schema, traits, [])
                if is_composed or not alike:
                    wholes[id(schema)] = schema, traits
            waiting += [(child, is_part or is_composed) for child in alike]
            waiting += [(child, False) for child in _within(schema)]
        for key, (schema, traits) in wholes.items():
            if key not in parts:
                _close(schema, traits)
        for schema in seen.values():
            _bound(schema)
        return self._root

    def _alike(self, schema: Schema) -> list[Schema | bool]:
        """Return the schemas that the same value follows, too."""
        found = [part for key in _CHOICES for part in schema.get(key, ())]
        return [self._target(schema["$ref"]), *found] if "$ref" in schema else found

    def _gather(self, schema: Schema, traits: _Traits, outer: list[int]) -> None:
        self._work += 1
        if id(schema) in outer:
            raise InvalidInputError(
                "A definition of the JSON schema is defined by itself: it goes round in circles.", "Correct it."
            )
        if self._work > _MOST or len(outer) > _DEEPEST:
            raise InvalidInputError(
                "The JSON schema puts too much together with $ref, allOf and anyOf.", "Simplify it."
            )
        traits.add(schema)
        for part in self._alike(schema):
            if isinstance(part, dict):
                self._gather(part, traits, [*outer, id(schema)])

    def _target(self, reference: str) -> Schema | bool:
        target: Any = self._root
        unknown = InvalidInputError(
            f"The JSON schema refers to {reference[:200]!r}, which isn't in it.", "Put definitions under $defs."
        )
        if reference != "#" and not reference.startswith("#/"):
            raise unknown
        for part in reference[2:].split("/") if len(reference) > 1 else ():
            step = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and step.isdecimal() and int(step) < len(target):
                target = target[int(step)]
            elif isinstance(target, dict) and step in target:
                target = target[step]
            else:
                raise unknown
        if not isinstance(target, dict | bool):
            raise unknown
        return target


def _is_composed(schema: Schema) -> bool:
    """Tell whether several schemas say together what a value is."""
    own = schema.keys() - _ANNOTATIONS
    return bool(own & {"$ref", *_CHOICES}) and (len(own) > 1 or len(schema.get("allOf", ())) > 1)


def _within(schema: Schema) -> list[Schema | bool]:
    """Return the schemas of what an object or array holds."""
    named = [child for key in ("properties", "patternProperties") for child in schema.get(key, {}).values()]
    others = (schema.get(key, True) for key in ("items", "additionalProperties"))
    return [*named, *schema.get("prefixItems", ()), *others]


def _bound(schema: Schema) -> None:
    """Leave out what llguidance can't count with safely.

    It crashes on bounds beyond 64 bits, which say nothing about any number that is written, and keeps all remainders
    of `multipleOf` apart, which takes for ever and is left to the validation.
    """
    schema.pop("multipleOf", None)
    if any(abs(number) > _EXACT for number in _numbers([schema.get("const"), schema.get("enum")])):
        raise InvalidInputError(
            "No model can be held to the JSON schema: it names a number that no reader of JSON takes exactly.",
            "Write it as a string.",
        )
    for keys, sign in (_LOWER, 1), (_UPPER, -1):
        for key in keys:
            bound = sign * schema.get(key, 0)
            if bound > _FARTHEST:
                raise InvalidInputError(
                    "No value can follow the JSON schema: its bounds are too far out.", "Correct it."
                )
            if bound < -_FARTHEST:
                del schema[key]


def _numbers(value: object) -> Iterator[int | float]:
    """Yield the numbers within a JSON value."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, int | float):
            yield value
        elif isinstance(value, list | dict):
            waiting += value.values() if isinstance(value, dict) else value


def _close(schema: Schema, traits: _Traits) -> None:
    if traits.kinds and not traits.typed:
        schema["type"] = sorted(traits.kinds)
    if "propertyNames" in schema and not traits.tells_names:
        _close_names(schema, schema["propertyNames"])
    elif traits.tells_names and not traits.tells_further:
        rest = dict(schema)
        schema.clear()  # what it names itself comes first
        schema["properties"] = dict.fromkeys((*traits.names, *traits.required), True) | rest.pop("properties", {})
        schema["patternProperties"] = dict.fromkeys(traits.patterns, True) | rest.pop("patternProperties", {})
        schema["additionalProperties"] = False
        schema |= rest
    if not traits.names.keys() <= traits.required.keys():  # llguidance counts further properties only
        least, _ = schema.pop("minProperties", 0), schema.pop("maxProperties", None)
        if least:
            schema["minProperties"] = 1


def _close_names(schema: Schema, names: Schema | bool) -> None:
    """Say in other words what `propertyNames` says of an object that names no property, as far as they reach."""
    value = schema.get("additionalProperties", True)
    if isinstance(names, bool) or value is False:
        return
    if "enum" in names:
        closed: Schema = {"properties": {name: value for name in names["enum"] if isinstance(name, str)}}
    elif "pattern" in names:
        closed = {"patternProperties": {names["pattern"]: value}}
    elif not names.keys().isdisjoint({"minLength", "maxLength"}):
        least, most = int(names.get("minLength", 0)), names.get("maxLength")
        length = f"{least},{'' if most is None else int(most)}"
        closed = {"patternProperties": {f"^[\\s\\S]{{{length}}}$": value}}
    else:
        return
    schema |= closed | {"additionalProperties": False}
