"""Texts in JSON as expressions of GBNF: literally, or by a regular expression."""

from __future__ import annotations

import json
import re
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

CHARACTER: Final = (
    r'[^"\\\x00-\x1F\x7F\uD800-\uDFFF\U00110000-\U001FFFFF] | "\\" (["\\/bfnrt]'
    r' | "u" ([0-9a-cA-Ce-fE-F] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))'
)
"""A character within a JSON text; half a surrogate pair is none."""

_MAX_REPEATS: Final = 1_000
_MAX_NESTED: Final = 100
_MAX_CHOICES: Final = 1_000
_MAX_OPTIONAL: Final = 20
_MAX_PARTS: Final = 2_000
_LAST: Final = 0x10FFFF
_ESCAPED: Final = {ord(character): json.dumps(character)[1:-1] for character in '"\\\b\f\n\r\t'}
_UNWRITABLE: Final = ((0, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0x7F, 0x7F), (0xD800, 0xDFFF))
_LETTERS: Final = (
    (0xC0, 0xD6),
    (0xD8, 0xF6),
    (0xF8, 0x24F),
    (0x400, 0x481),
    (0x3005, 0x3005),
    (0x3041, 0x3096),
    (0x30A1, 0x30FA),
    (0x30FC, 0x30FC),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
)
_DIGIT: Final = ((0x30, 0x39),)
_WORD: Final = (*_DIGIT, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A), *_LETTERS)
_SPACE: Final = ((9, 10), (12, 13), (0x20, 0x20), (0x3000, 0x3000))
# Of what is no digit, word or space only what surely is none, so that nothing matches that must not.
_CATEGORIES: Final[dict[Any, tuple[tuple[int, int], ...]]] = {
    kinds.CATEGORY_DIGIT: _DIGIT,
    kinds.CATEGORY_WORD: _WORD,
    kinds.CATEGORY_SPACE: _SPACE,
    kinds.CATEGORY_NOT_DIGIT: ((0x20, 0x2F), (0x3A, 0x7E), *_LETTERS),
    kinds.CATEGORY_NOT_WORD: ((0x20, 0x2F), (0x3A, 0x40), (0x5B, 0x5E), (0x60, 0x60), (0x7B, 0x7E), (0x3001, 0x3002)),
    kinds.CATEGORY_NOT_SPACE: ((0x21, 0x7E), *_LETTERS),
}

Ranges = list[tuple[int, int]]


def literal(text: str) -> str:
    """Return what matches exactly this text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'


def text_matching(pattern: str) -> str:
    """Return what matches a JSON text that a regular expression is found in, quotation marks included.

    Raises `InvalidInputError` for a pattern that can't be held to, such as one that looks ahead.
    """
    try:
        parts = list(parser.parse(pattern))
        return _quoted(pattern, parts)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInputError(
            f"The pattern {pattern[:80]!r} is no regular expression, or nests too deep.", "Correct it."
        ) from error


def _quoted(pattern: str, parts: list[Any]) -> str:
    flags = kinds.AT_BEGINNING, kinds.AT_BEGINNING_STRING
    starts = bool(parts) and parts[0][0] is kinds.AT and parts[0][1] in flags
    ends = bool(parts) and parts[-1][0] is kinds.AT and parts[-1][1] in (kinds.AT_END, kinds.AT_END_STRING)
    inner = parts[int(starts) : len(parts) - int(ends)]
    before, after = "" if starts else "char* ", "" if ends else " char*"
    return f'"\\"" {before}{_Expression(pattern).sequence(inner)}{after} "\\""'


class _Expression:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._parts = 0
        self._varying = self._choices = 0
        self._handlers: dict[Any, Callable[[Any], str]] = {
            kinds.LITERAL: lambda code: _class([(code, code)]),
            kinds.NOT_LITERAL: lambda code: _class(_without([(code, code)])),
            kinds.ANY: lambda _: _class(_without([(10, 10)])),
            kinds.IN: self._set,
            kinds.BRANCH: self._branch,
            kinds.SUBPATTERN: self._group,
            kinds.MAX_REPEAT: self._repeated,
            kinds.MIN_REPEAT: self._repeated,
        }

    def sequence(self, parts: Any) -> str:
        return " ".join(self._part(kind, value) for kind, value in parts) or '""'

    def _part(self, kind: Any, value: Any) -> str:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise self._refused("is too long")
        handler = self._handlers.get(kind)
        if handler is None:
            raise self._refused("looks around or back, or has ^ or $ in its middle, which no grammar can hold to")
        return handler(value)

    def _group(self, value: Any) -> str:
        _, add, remove, inner = value
        if add or remove:
            raise self._refused("sets flags")
        return f"({self.sequence(inner)})"

    def _branch(self, value: Any) -> str:
        return "(" + " | ".join(self.sequence(branch) for branch in value[1]) + ")"

    def _repeated(self, value: Any) -> str:
        least, most, inner = value
        if least > _MAX_REPEATS or (most is not kinds.MAXREPEAT and most > _MAX_REPEATS):
            raise self._refused(f"repeats more than {_MAX_REPEATS:,} times")
        counted = max(1, least if most is kinds.MAXREPEAT else most)
        before, self._varying = self._varying, 0
        expression = self.sequence(inner)
        # Where what repeats varies itself, a text can be read in many ways, and llama.cpp follows all of them.
        if self._varying and self._varying * counted > _MAX_NESTED:
            raise self._refused("repeats what repeats, too often")
        own = max(counted, _MAX_CHOICES // _MAX_OPTIONAL) if least != most else 0
        self._choices += own
        if self._choices > _MAX_CHOICES:
            raise self._refused("leaves too much open")
        self._varying = max(before, self._varying * counted, own)
        if most == 0:
            return '""'
        return f"({expression}){{{least},{'' if most is kinds.MAXREPEAT else most}}}"

    def _set(self, members: Any) -> str:
        ranges: Ranges = []
        negated = False
        for kind, value in members:
            if kind is kinds.NEGATE:
                negated = True
            elif kind is kinds.LITERAL:
                ranges.append((value, value))
            elif kind is kinds.RANGE:
                ranges.append(value)
            else:
                ranges += _CATEGORIES[value]
        return _class(_without(ranges) if negated else ranges)

    def _refused(self, why: str) -> InvalidInputError:
        return InvalidInputError(f"The pattern {self._pattern[:80]!r} {why}.", "Use a simpler pattern.")


def _without(ranges: Ranges) -> Ranges:
    """Return all characters but these."""
    found: Ranges = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return [*found, (start, _LAST)] if start <= _LAST else found


def _class(ranges: Ranges) -> str:
    """Return what matches one character of a JSON text, escaped where JSON wants that."""
    allowed = _without([*_without(ranges), *_UNWRITABLE])
    found = ["[" + "".join(_span(low, high) for low, high in allowed) + "]"] if allowed else []
    found += [literal(text) for code, text in _ESCAPED.items() if any(low <= code <= high for low, high in ranges)]
    if not found:
        raise InvalidInputError("A pattern asks for a character that can't be written.", "Use a simpler pattern.")
    return found[0] if len(found) == 1 else "(" + " | ".join(found) + ")"


def _span(low: int, high: int) -> str:
    return _code(low) if low == high else f"{_code(low)}-{_code(high)}"


def _code(code: int) -> str:
    character = chr(code)
    return character if character.isascii() and character.isalnum() else f"\\U{code:08X}"
