"""Folding: what is read alike is written alike, be it width, accents, dashes or broken lines; and the scripts."""

from __future__ import annotations

import re
import unicodedata
from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

KANA: Final = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
"""Hiragana and katakana, half-width ones included, as ranges of a character class."""

HAN: Final = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3105-\u312f\u31a0-\u31bf\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Chinese characters and what is written among them."""

_HANGUL: Final = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
_SOUTH_EAST_ASIAN: Final = "\u0e01-\u0e4e\u0e80-\u0eff\u1000-\u103f\u1780-\u17d3"

JAPANESE: Final = KANA + HAN
"""What a Japanese dictionary knows."""

SPACELESS: Final = JAPANESE + _HANGUL + _SOUTH_EAST_ASIAN
"""Scripts whose words are found by pairs of characters: Korean has spaces, but endings stick to its words."""


def _class_of_marks() -> str:
    """Make a character class of all marks that belong to the character before them."""
    marks = {
        code for code in (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0)) if unicodedata.category(chr(code))[0] == "M"
    }
    marks |= {*range(0x1160, 0x1200), 0xFF9E, 0xFF9F}  # Korean vowels and finals, half-width voicing marks
    ranges: list[list[int]] = []
    for code in sorted(marks):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


MARKS: Final = _class_of_marks()
"""Marks that stand on the character before them."""

_BROKEN: Final = rf"(?<=[{JAPANESE}])[ \t\u3000]*\r?\n[ \t\u3000]*(?=[{JAPANESE}])"
_BROKEN_LINE: Final = re.compile(_BROKEN)
# Plain characters, of which the last may carry no mark; or one character with its marks.
_CLUSTER: Final = re.compile(rf"[\x00-\x7f]+(?![{MARKS}])|.[{MARKS}]{{0,16}}", re.DOTALL)
_PLACED_CLUSTER: Final = re.compile(rf"(?P<broken>{_BROKEN})|{_CLUSTER.pattern}", re.DOTALL)
_ALREADY_FOLDED: Final = re.compile("[\x00-\x7f\u3001-\u301b\u301d-\u3020\u3041-\u3096\u30a1-\u30fe\u4e00-\u9fff]*")
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
_SAME: Final = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\u2043", "-"),
        **dict.fromkeys("\u2018\u2019\u201b\u2032\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        "\u301c": "~",
    }
)
_TO_HIRAGANA: Final = {code: code - 0x60 for code in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)}


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text and, of each of its characters, where in the original it starts and ends (None: nothing moved)."""

    text: str
    starts: array[int] | None = None
    ends: array[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original of the characters `start` to `end`, at least one."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> str:
    """Fold a text: NFKC, letters without accents, one kind of dash and quote, nothing invisible; case stays."""
    if text.isascii():
        return text
    text = _BROKEN_LINE.sub("", text)
    if _ALREADY_FOLDED.fullmatch(text):
        return text
    clusters: list[str] = _CLUSTER.findall(text)
    return "".join([cluster if cluster.isascii() else _fold_cluster(cluster) for cluster in clusters])


def fold_with_places(text: str) -> Folded:
    """Fold a text as `fold` does, and remember where everything stood."""
    if text.isascii():
        return Folded(text)
    if _ALREADY_FOLDED.fullmatch(text) and not _BROKEN_LINE.search(text):
        return Folded(text)
    starts, ends, parts = array("q"), array("q"), []
    for match in _PLACED_CLUSTER.finditer(text):
        start, end = match.span()
        if match.lastgroup:
            continue
        cluster = match.group()
        if cluster.isascii():
            starts.extend(range(start, end))
            ends.extend(range(start + 1, end + 1))
        else:
            cluster = _fold_cluster(cluster)
            starts.extend([start] * len(cluster))
            ends.extend([end] * len(cluster))
        parts.append(cluster)
    return Folded("".join(parts), starts, ends)


def to_hiragana(text: str) -> str:
    """Write katakana as hiragana; nothing changes its length."""
    return text if text.isascii() else text.translate(_TO_HIRAGANA)


@lru_cache(maxsize=65_536)
def _fold_cluster(cluster: str) -> str:
    composed = _INVISIBLE.sub("", unicodedata.normalize("NFKC", cluster))
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", composed))
    return unicodedata.normalize("NFC", bare).translate(_SAME)
