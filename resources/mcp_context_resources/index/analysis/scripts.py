"""Which characters are written without spaces between words, and which stand on the one before them."""

from __future__ import annotations

import unicodedata
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
