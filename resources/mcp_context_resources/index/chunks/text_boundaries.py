"""Text boundaries: where text may be cut, how much of it fits, and where no character is torn apart."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# East Asian Wide and Fullwidth (UAX #11), the blocks whole: a tokenizer makes about twice as many tokens of them.
_WIDE: Final = re.compile(
    "[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3"
    "\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\U0001f300-\U0001faff\U00020000-\U0003fffd]+"
)
_JOINER: Final = "\u200d"
_SOFT: Final = ("\n", "。", ". ", "；", "; ", "、", "，", ", ", "\u3000", "\t", " ")
_MOST_BACK: Final = 64
_VOWEL_JAMO: Final = range(0x1160, 0x1200)
_JAMO: Final = range(0x1100, 0x1200)
_REGIONAL: Final = range(0x1F1E6, 0x1F200)
_EMOJI_MODIFIERS: Final = range(0x1F3FB, 0x1F400)
_TAGS: Final = range(0xE0020, 0xE0080)
_LOW_SURROGATES: Final = range(0xDC00, 0xE000)
_HANGUL: Final = range(0xAC00, 0xD7A4)
_EXTENDERS: Final = "\u200d\uff9e\uff9f"


def weight(text: str) -> int:
    """Tell how much a text weighs: a character 1, a wide one, such as a Japanese one, 2."""
    if text.isascii():
        return len(text)
    return len(text) + sum(map(len, _WIDE.findall(text)))


def is_boundary(text: str, at: int) -> bool:
    """Tell whether a text may be cut before character `at` without tearing a grapheme (UAX #29, simplified)."""
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before in "\r\n":
        return not (before == "\r" and after == "\n")
    if after < "\u0300" or after.isspace():
        return before != _JOINER or after.isspace()
    if before == _JOINER or _extends(after) or _is_jamo_pair(ord(before), ord(after)):
        return False
    if ord(after) in _REGIONAL and ord(before) in _REGIONAL:
        return _flags_before(text, at) % 2 == 0
    return True


def boundary_before(text: str, at: int, least: int) -> int:
    """Return the last place up to `at`, but behind `least`, where a text may be cut; `at` itself where none is near."""
    for place in range(at, max(least, at - _MOST_BACK), -1):
        if is_boundary(text, place):
            return place
    return at


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out white space at both ends of characters `start` to `end`; what is left may be nothing."""
    while start < end and text[start].isspace() and is_boundary(text, start + 1):
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def pieces(text: str, start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    """Cut characters `start` to `end` into pieces that weigh at most `most`, at marks or white space where it can."""
    start, end = trimmed(text, start, end)
    while start < end:
        cut = _fitting(text, start, end, most)
        if cut < end:
            floor = start + (cut - start) // 2
            found = (text.rfind(mark, floor, cut) + len(mark) for mark in _SOFT if text.rfind(mark, floor, cut) >= 0)
            cut = boundary_before(text, next(found, cut), start + 1)
        first, last = trimmed(text, start, cut)
        if first < last:
            yield first, last
        start, end = trimmed(text, cut, end)


def _fitting(text: str, start: int, end: int, most: int) -> int:
    """Return how far a piece from `start` on can reach."""
    cut, left = start, most
    while cut < end and left > 0:
        step = text[cut : min(end, cut + max(1, left // 2))]
        left -= weight(step)
        if left < 0 and cut > start:
            break
        cut += len(step)
    return cut


def _extends(character: str) -> bool:
    """Tell whether a character belongs to the one before it: accents, sound marks, what turns emoji into others."""
    code = ord(character)
    return (
        character in _EXTENDERS
        or unicodedata.category(character)[0] == "M"
        or code in _EMOJI_MODIFIERS
        or code in _TAGS
        or code in _LOW_SURROGATES
    )


def _is_jamo_pair(before: int, after: int) -> bool:
    return after in _VOWEL_JAMO and (before in _JAMO or before in _HANGUL)


def _flags_before(text: str, at: int) -> int:
    """Count the regional indicators right before a place: two of them make one flag."""
    count = 0
    while count < min(at, _MOST_BACK) and ord(text[at - 1 - count]) in _REGIONAL:
        count += 1
    return count
