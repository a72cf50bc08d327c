"""Regular expressions in JSON schemas: which are taken, and how long Python's `re` may take to match them."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_STEPS: Final = 50_000_000
"""How many steps may be spent on one validation."""

_MAX_REPEATS: Final = 1_000
_MAX_PARTS: Final = 2_000
_SHORT_TEXT: Final = 50
_STARTS: Final = ((kinds.AT, kinds.AT_BEGINNING), (kinds.AT, kinds.AT_BEGINNING_STRING))
_ENDS: Final = ((kinds.AT, kinds.AT_END), (kinds.AT, kinds.AT_END_STRING))
_IN_CATEGORY: Final[dict[Any, Callable[[str], object]]] = {
    kinds.CATEGORY_DIGIT: re.compile(r"\d").match,
    kinds.CATEGORY_WORD: re.compile(r"\w").match,
    kinds.CATEGORY_SPACE: re.compile(r"\s").match,
    kinds.CATEGORY_NOT_DIGIT: re.compile(r"\D").match,
    kinds.CATEGORY_NOT_WORD: re.compile(r"\W").match,
    kinds.CATEGORY_NOT_SPACE: re.compile(r"\S").match,
}
_SIGNS: Final = (kinds.LITERAL, kinds.NOT_LITERAL, kinds.ANY, kinds.IN)
_REPEATS: Final = (kinds.MAX_REPEAT, kinds.MIN_REPEAT)
_FEW: Final = 20
_ENDLESS: Final = 1e15


def check_pattern(pattern: str) -> None:
    """Raise `InvalidInputError` for a pattern that looks around or back, or matches a short text in too many ways."""
    try:
        parsed = parser.parse(pattern)
        if parsed.state.flags & ~re.UNICODE:
            raise _refused(pattern, "sets flags")
        parts = list(parsed)
        starts = bool(parts) and parts[0] in _STARTS
        ends = bool(parts) and parts[-1] in _ENDS
        _check_parts(pattern, parts[int(starts) : len(parts) - int(ends)])
        if matching_steps(pattern, _SHORT_TEXT) > MAX_STEPS:
            raise _refused(pattern, "repeats what repeats, or leaves too much open: a text matches in too many ways")
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInputError(
            f"The pattern {pattern[:80]!r} is no regular expression, or nests too deep.", "Correct it."
        ) from error


def _check_parts(pattern: str, parts: list[Any]) -> None:
    waiting, seen = list(parts), 0
    while waiting:
        kind, value = waiting.pop()
        seen += 1
        if seen > _MAX_PARTS:
            raise _refused(pattern, "is too long")
        if kind is kinds.SUBPATTERN:
            if value[1] or value[2]:
                raise _refused(pattern, "sets flags")
            waiting += value[3]
        elif kind is kinds.BRANCH:
            waiting += (part for branch in value[1] for part in branch)
        elif kind in _REPEATS:
            least, most, inner = value
            if least > _MAX_REPEATS or (most is not kinds.MAXREPEAT and most > _MAX_REPEATS):
                raise _refused(pattern, f"repeats more than {_MAX_REPEATS:,} times")
            waiting += inner
        elif kind not in _SIGNS:
            raise _refused(pattern, "looks around or back, or has ^ or $ in its middle, which no grammar can hold to")


def _refused(pattern: str, why: str) -> InvalidInputError:
    return InvalidInputError(f"The pattern {pattern[:80]!r} {why}.", "Use a simpler pattern.")


@lru_cache(500)
def matching_steps(pattern: str, length: int) -> float:
    """Estimate how many steps Python's `re` takes at most to search a text of `length` characters; never too few.

    `pattern` is one that `check_pattern` takes. Where repeats overlap, each text can be read in many ways, and all of
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
        elif kind in _REPEATS and (found > 1 or not _is_separated([*parts[place + 1 : place + 2], (kind, value)])):
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
            repeats = [part for part in rest if part[0] in _REPEATS]
            plain = all(part[0] in _SIGNS for part in rest if part not in repeats)
            simple = all(len(part[1][2]) == 1 and part[1][2][0][0] in _SIGNS for part in repeats)
            signs = [part for part in rest if part not in repeats] + [part[1][2][0] for part in repeats if simple]
            if plain and simple and not any(_holds(sign, code) for sign in signs for code in codes):
                return True
    return False


def _varies(parts: list[Any]) -> bool:
    """Tell whether what parts match can have different lengths, or be read in different ways."""
    return any(
        (kind in _REPEATS and (value[0] != value[1] or _varies(list(value[2]))))
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
