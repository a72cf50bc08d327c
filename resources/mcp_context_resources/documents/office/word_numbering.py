"""Numbering in Word: the numbers shown before list items and headings, which its files hold only as rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_LEVELS: Final = 9
_PLACE: Final = re.compile(r"%([1-9])")
_ROMAN: Final = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
                 (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_AIUEO: Final = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
_IROHA: Final = "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセスン"
_KANJI_DIGITS: Final = "〇一二三四五六七八九"
_HIGHEST_ROMAN: Final = 3_999


class _Level(NamedTuple):
    format: str
    text: str
    start: int


class Number(NamedTuple):
    """What stands before a paragraph: its text (`-` for a bullet, empty for nothing) and how deep it is, from 0."""

    marker: str
    depth: int


@dataclass(slots=True)
class _Rules:
    levels: dict[int, _Level]
    counters: list[int]
    overrides: dict[int, int]


class Numbering:
    """Counts along with a document; ask for every numbered paragraph once and in order."""

    def __init__(self, part: Any | None) -> None:
        self._rules: dict[str, _Rules] = {}
        if part is None:
            return
        shared: dict[str, tuple[dict[int, _Level], list[int]]] = {}
        for abstract in part.iterfind(f"{_W}abstractNum"):
            levels = {int(level.get(f"{_W}ilvl") or 0): _level(level) for level in abstract.iterfind(f"{_W}lvl")}
            shared[abstract.get(f"{_W}abstractNumId") or ""] = (levels, [0] * _LEVELS)
        for number in part.iterfind(f"{_W}num"):
            levels, counters = shared.get(_value(number, "abstractNumId") or "", ({}, [0] * _LEVELS))
            overrides, levels = {}, dict(levels)
            for override in number.iterfind(f"{_W}lvlOverride"):
                at = int(override.get(f"{_W}ilvl") or 0)
                own = override.find(f"{_W}lvl")
                if own is not None:
                    levels[at] = _level(own)
                start = _value(override, "startOverride")
                if start and start.isdigit():
                    overrides[at] = int(start[:9])
            self._rules[number.get(f"{_W}numId") or ""] = _Rules(levels, counters, overrides)

    def next(self, number: str, depth: int) -> Number | None:
        """Count one more paragraph of a list at a level from 0; None when it has no number."""
        rules = self._rules.get(number)
        if rules is None or not 0 <= depth < _LEVELS:
            return None
        level = rules.levels.get(depth, _Level("decimal", f"%{depth + 1}.", 1))
        if depth in rules.overrides:
            rules.counters[depth] = rules.overrides.pop(depth) - 1
        elif rules.counters[depth] == 0:
            rules.counters[depth] = level.start - 1
        rules.counters[depth] += 1
        for deeper in range(depth + 1, _LEVELS):
            rules.counters[deeper] = 0
        if level.format == "bullet":
            return Number("-", depth)

        def shown(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            other = rules.levels.get(at, level)
            return numeral(rules.counters[at] or other.start, other.format)

        return Number("" if level.format == "none" else _PLACE.sub(shown, level.text).strip(), depth)


def numeral(number: int, form: str) -> str:
    """Write a number the way a Word number format does; decimal for formats not known here."""
    if form.startswith(("aiueo", "iroha")):
        letters = _AIUEO if form.startswith("aiueo") else _IROHA
        return letters[(number - 1) % len(letters)]
    for start, written in _WRITTEN.items():
        if form.startswith(start):
            return written(number)
    return str(number)


def _roman(number: int) -> str:
    letters = ""
    if number > _HIGHEST_ROMAN:
        return str(number)
    for value, sign in _ROMAN:
        letters += sign * (number // value)
        number %= value
    return letters


def _kanji(number: int) -> str:
    if not 0 < number < 10_000:
        return str(number)
    written = ""
    for value, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, value)
        if digit:
            written += ("" if digit == 1 and sign else _KANJI_DIGITS[digit]) + sign
    return written


def _letters(number: int) -> str:
    return chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 10)


def _full_width(number: int) -> str:
    return str(number).translate({ord("0") + digit: ord("０") + digit for digit in range(10)})


def _circled(number: int) -> str:
    return chr(ord("①") + number - 1) if 1 <= number <= 20 else str(number)


def _digits(number: int) -> str:
    return "".join(_KANJI_DIGITS[int(digit)] for digit in str(number) if digit.isdigit())


def _level(element: Any) -> _Level:
    start = _value(element, "start") or "1"
    return _Level(
        _value(element, "numFmt") or "decimal",
        (_value(element, "lvlText") or "")[:100],
        int(start[:9]) if start.isdigit() else 1,
    )


def _value(element: Any, child: str) -> str | None:
    found = element.find(f"{_W}{child}")
    value: str | None = None if found is None else found.get(f"{_W}val")
    return value


_WRITTEN: Final[dict[str, Callable[[int], str]]] = {
    "lowerRoman": _roman,
    "upperRoman": lambda number: _roman(number).upper(),
    "lowerLetter": _letters,
    "upperLetter": lambda number: _letters(number).upper(),
    "decimalZero": "{:02}".format,
    "decimalFullWidth": _full_width,
    "decimalEnclosedCircle": _circled,
    "ideographDigital": _digits,
    "japaneseDigitalTenThousand": _digits,
    "japaneseCounting": _kanji,
    "chineseCounting": _kanji,
    "taiwaneseCounting": _kanji,
}
