"""Texts in JSON as expressions of GBNF: literally, or by a regular expression."""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
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

_IN_CATEGORY: Final[dict[Any, Callable[[str], object]]] = {
    kinds.CATEGORY_DIGIT: re.compile(r"\d").match,
    kinds.CATEGORY_WORD: re.compile(r"\w").match,
    kinds.CATEGORY_SPACE: re.compile(r"\s").match,
    kinds.CATEGORY_NOT_DIGIT: re.compile(r"\D").match,
    kinds.CATEGORY_NOT_WORD: re.compile(r"\W").match,
    kinds.CATEGORY_NOT_SPACE: re.compile(r"\S").match,
}
_SIGNS: Final = (kinds.LITERAL, kinds.NOT_LITERAL, kinds.ANY, kinds.IN)
_FEW: Final = 20
_ENDLESS: Final = 1e15

Ranges = list[tuple[int, int]]


def literal(text: str) -> str:
    """Return what matches exactly this text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'


def text_matching(pattern: str) -> str:
    """Return what matches a JSON text that a regular expression is found in, quotation marks included.

    Raises `InvalidInputError` for a pattern that can't be held to, such as one that looks ahead.
    """
    try:
        parsed = parser.parse(pattern)
        if parsed.state.flags & ~re.UNICODE:
            raise InvalidInputError(f"The pattern {pattern[:80]!r} sets flags.", "Use a simpler pattern.")
        return _quoted(pattern, list(parsed))
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInputError(
            f"The pattern {pattern[:80]!r} is no regular expression, or nests too deep.", "Correct it."
        ) from error


@lru_cache(500)
def matching_steps(pattern: str, length: int) -> float:
    """Estimate how many steps Python's `re` takes at most to search a text of `length` characters; never too few.

    `pattern` is one that `text_matching` takes. Where repeats overlap, each text can be read in many ways, and all of
    them are tried when none fits.
    """
    parts = list(parser.parse(pattern))
    starts = bool(parts) and parts[0][0] is kinds.AT
    ways = _ways([part for part in parts if part[0] is not kinds.AT], length)
    return max(ways, length + 1) * (1 if starts else length + 1)


def _ways(parts: list[Any], length: int) -> float:
    """Count the ways in which a text may be read, beginning at one place."""
    found = 1.0
    for place, (kind, value) in enumerate(parts):
        if kind is kinds.SUBPATTERN:
            found *= _ways(list(value[3]), length)
        elif kind is kinds.BRANCH:
            branches = [list(branch) for branch in value[1]]
            ways = [_ways(branch, length) for branch in branches]
            found *= max(ways) if _differ_at_once(branches) else sum(ways)
        # As long as nothing before it varies, a repeat up to a sign it can't hold is read only once.
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT) and (
            found > 1 or not _is_separated([*parts[place + 1 : place + 2], (kind, value)])
        ):
            found *= _repeated_ways(value, length)
        if found > _ENDLESS:
            return math.inf
    return found


def _repeated_ways(value: Any, length: int) -> float:
    least, most, inner = value
    body = list(inner)
    while len(body) == 1 and body[0][0] is kinds.SUBPATTERN:
        body = list(body[0][1][3])
    times = min(int(most), max(length, int(least)))
    each = 1.0 if times > 1 and _is_separated(body) else _ways(body, length)
    if each > 1 and times * math.log(each) > math.log(_ENDLESS):
        return math.inf
    # Separated parts may still end anywhere within themselves, but only the last one does.
    counts = times - int(least) + 1 if each > 1 or not _varies(body) else length + 1
    return float(counts * each**times)


def _is_separated(body: list[Any]) -> bool:
    """Tell whether each turn of a repeat begins or ends with a sign found nowhere else in it, and varies only once."""
    for first, rest in ((body[:1], body[1:]), (body[-1:], body[:-1])):
        codes = _codes(first[0]) if first else None
        if codes and sum(map(_varies, ([part] for part in rest))) <= 1:
            repeats = [part for part in rest if part[0] in (kinds.MAX_REPEAT, kinds.MIN_REPEAT)]
            plain = all(part[0] in _SIGNS for part in rest if part not in repeats)
            simple = all(len(part[1][2]) == 1 and part[1][2][0][0] in _SIGNS for part in repeats)
            signs = [part for part in rest if part not in repeats] + [part[1][2][0] for part in repeats if simple]
            if plain and simple and not any(_holds(sign, code) for sign in signs for code in codes):
                return True
    return False


def _varies(parts: list[Any]) -> bool:
    """Tell whether what parts match can have different lengths, or be read in different ways."""
    return any(
        (kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT) and (value[0] != value[1] or _varies(list(value[2]))))
        or kind is kinds.BRANCH
        or (kind is kinds.SUBPATTERN and _varies(list(value[3])))
        for kind, value in parts
    )


def _differ_at_once(branches: list[list[Any]]) -> bool:
    """Tell whether the first character decides between branches."""
    taken: set[int] = set()
    for branch in branches:
        codes = _codes(branch[0]) if branch else None
        if not codes or codes & taken:
            return False
        taken |= codes
    return True


def _codes(part: Any) -> set[int] | None:
    """Return the few characters that a part stands for; None where they are many."""
    kind, value = part
    if kind is kinds.LITERAL:
        return {value}
    if kind is not kinds.IN or any(member[0] not in (kinds.LITERAL, kinds.RANGE) for member in value):
        return None
    ranges = [(member[1], member[1]) if member[0] is kinds.LITERAL else member[1] for member in value]
    if sum(high - low + 1 for low, high in ranges) > _FEW:
        return None
    return {code for low, high in ranges for code in range(low, high + 1)}


def _holds(part: Any, code: int) -> bool:
    """Tell whether a part that stands for one character may stand for this one."""
    kind, value = part
    if kind is kinds.LITERAL:
        return bool(value == code)
    if kind is kinds.IN and value[0][0] is not kinds.NEGATE:
        return any(_is_member(member, code) for member in value)
    if kind is kinds.IN:
        return not any(_is_member(member, code) for member in value[1:])
    return kind is kinds.ANY or bool(value != code)


def _is_member(member: Any, code: int) -> bool:
    kind, value = member
    if kind is kinds.RANGE:
        return bool(value[0] <= code <= value[1])
    if kind is kinds.LITERAL:
        return bool(value == code)
    return bool(_IN_CATEGORY[value](chr(code)))


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
