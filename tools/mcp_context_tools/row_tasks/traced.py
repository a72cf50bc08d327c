"""Whether values a model gives for a text occur in it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SPACE: Final = re.compile(r"\s+")
_THOUSANDS: Final = re.compile(r"(?<=\d)[,'\u00a0\u202f ](?=\d{3}(?!\d))")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_DIGITS: Final = {digit: value for value, digit in enumerate("〇一二三四五六七八九")} | {"零": 0}
_UNITS: Final = {"十": 10, "百": 100, "千": 1000}
_MYRIADS: Final = {"万": 10**4, "億": 10**8, "兆": 10**12}
_JAPANESE: Final = "".join((*_DIGITS, *_UNITS, *_MYRIADS))
_JAPANESE_RUN: Final = re.compile(rf"[\d.{_JAPANESE}]+")
_JAPANESE_PART: Final = re.compile(rf"\d+(?:\.\d+)?|[{_JAPANESE}]")


def not_in_text(values: Mapping[str, Any], text: str, schema: Mapping[str, Any]) -> list[str]:
    """Name the properties with a string or number that the text doesn't have; those chosen from a list are left out.

    Width, case, white space and marks between thousands make no difference; numbers may be written in Japanese.
    """
    plain = _plain(text)
    even = _THOUSANDS.sub("", plain)
    numbers = {float(found) for found in _NUMBER.findall(even)}
    numbers |= {_japanese_number(run) for run in _JAPANESE_RUN.findall(even) if not run.isascii()}
    bare = _SPACE.sub("", plain)
    properties = schema.get("properties", {})
    return [
        name
        for name, value in values.items()
        if not all(_occurs(leaf, bare, numbers) for leaf in _leaves(value, [properties.get(name)]))
    ]


def _occurs(leaf: str | float, bare: str, numbers: set[float]) -> bool:
    if isinstance(leaf, str):
        return _SPACE.sub("", _plain(leaf)) in bare
    return abs(leaf) in numbers


def _japanese_number(run: str) -> float:
    """Return the number that digits with 十百千万億兆 stand for: 3万2千, 二十三, 1.5億, 二〇二六."""
    total = section = 0.0
    current: float | None = None
    for part in _JAPANESE_PART.findall(run):
        if part in _DIGITS:
            current = (current or 0.0) * 10 + _DIGITS[part]
        elif part in _UNITS:
            section += (1.0 if current is None else current) * _UNITS[part]
            current = None
        elif part in _MYRIADS:
            total += (section + (current or 0.0) or 1.0) * _MYRIADS[part]
            section, current = 0.0, None
        else:
            current = float(part)
    return round(total + section + (current or 0.0), 6)  # 1.1 × 10⁸ is a little more in binary


def _leaves(value: Any, parts: Sequence[Any]) -> Iterator[str | float]:
    """Yield the strings and numbers in a value but those that one of these parts of the schema lets choose."""
    parts = list(_alternatives(parts))
    if any(_is_chosen(part, value) for part in parts):
        return
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, [part.get("properties", {}).get(name) for part in parts])
    elif isinstance(value, list):
        items = [part.get("items") for part in parts]
        for place, item in enumerate(value):
            first = [part["prefixItems"][place] for part in parts if place < len(part.get("prefixItems", ()))]
            yield from _leaves(item, first or items)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value


def _alternatives(parts: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if isinstance(part, dict):
            yield part
            for key in ("anyOf", "oneOf", "allOf"):
                yield from _alternatives(part.get(key, ()))


def _is_chosen(part: Mapping[str, Any], value: Any) -> bool:
    return value in part.get("enum", ()) or ("const" in part and part["const"] == value)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
