"""Numbers between two bounds, as expressions of GBNF."""

from __future__ import annotations

import math
from typing import Final

DIGITS: Final = 15
"""Most digits before the point: all integers of so many are exact in every reader of JSON."""

FRACTION: Final = '("." [0-9]{1,15})?'
_EXPONENT: Final = "([eE] [-+]? [0-9]{1,2})?"
_WHOLE: Final = f"([0-9] | [1-9] [0-9]{{1,{DIGITS - 1}}})"
INTEGER: Final = f'"-"? {_WHOLE}'
NUMBER: Final = f'"-"? {_WHOLE} {FRACTION} {_EXPONENT}'


def integers_between(least: int | None, most: int | None) -> str:
    """Return what matches the integers from `least` to `most`, None being no bound; empty when there are none."""
    if least is None and most is None:
        return INTEGER
    far = 10**DIGITS - 1
    low = max(-far, min(-far if least is None else least, far + 1))
    high = min(far, max(far if most is None else most, -far - 1))
    found = []
    if low < 0 and low <= high:
        found += [f'"-" {positive}' for positive in _positive(max(1, -high), -low)]
    if high >= 0:
        found += _positive(max(0, low), high)
    return " | ".join(found)


def numbers_between(least: float | None, most: float | None, *, above: bool = False, below: bool = False) -> str:
    """Return what matches numbers from `least` to `most`; above and below them where it says so.

    Where a bound is no integer, those between it and the next integer are left out. Empty when that leaves none.
    """
    if least is None and most is None:
        return NUMBER
    found = []
    if most is None or most >= 0:
        bounded = least is not None and least >= 0
        found += _sizes(least or 0 if bounded else 0, most, above=above and bounded, below=below)
    if least is None or least < 0:
        bounded = most is not None and most <= 0
        size = None if least is None else -least
        found += [
            f'"-" ({some})'
            for some in _sizes(-(most or 0) if bounded else 0, size, above=below and bounded, below=above)
        ]
    return " | ".join(found)


def _sizes(low: float, high: float | None, *, above: bool, below: bool) -> list[str]:
    """Return what matches numbers without a sign between two that aren't negative."""
    first, last = math.ceil(low), 10**DIGITS if high is None else min(math.floor(high), 10**DIGITS)
    found = []
    if above and first == low and first < last:
        found.append(f'"{first}." [0-9]{{0,14}} [1-9]')
    if above and first == low:
        first += 1
    if first < last:  # a number with a fraction lies before the next integer
        found.append(f"({integers_between(first, last - 1)}) {FRACTION}")
    if first <= last < 10**DIGITS and not (below and last == high):
        found.append(integers_between(last, last))
    return found


def _positive(low: int, high: int) -> list[str]:
    """Return what matches the integers from `low` to `high`, neither negative, shorter ones first."""
    found = []
    while low <= high:
        last = min(high, 10 ** len(str(low)) - 1)
        found += _same_length(str(low), str(last))
        low = last + 1
    return found


def _same_length(low: str, high: str) -> list[str]:
    """Return what matches the integers between two that have as many digits."""
    if not low:
        return [""]
    rest = len(low) - 1
    if low[0] == high[0]:
        return [f'"{low[0]}" {tail}'.strip() for tail in _same_length(low[1:], high[1:])]
    found = []
    first, last = int(low[0]), int(high[0])
    if low[1:].strip("0"):
        found += [f'"{low[0]}" {tail}'.strip() for tail in _same_length(low[1:], "9" * rest)]
        first += 1
    whole = not high[1:].strip("9")
    if not whole:
        last -= 1
    if first <= last:
        found.append(f"[{first}-{last}]{f' [0-9]{{{rest}}}' if rest else ''}")
    if not whole:
        found += [f'"{high[0]}" {tail}'.strip() for tail in _same_length("0" * rest, high[1:])]
    return found
