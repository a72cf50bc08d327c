"""How much of a page's text two readers have in common: words for Latin scripts, characters for CJK.

Both sides are made alike first: NFKC, no invisible characters, no hyphens inside words or at line ends (so that a word
divided at a line end equals the same word in one piece), no dot leaders.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Measure = Literal["words", "characters"]

# U+00AD, and what PDFium writes in its place.
_SOFT_HYPHEN: Final = re.compile("[\u00ad\x02\ufffe][ \t]*(?:\r?\n[ \t]*)?")
_HYPHEN: Final = re.compile(r"(?<=\w)[-\u2010\u2011](?:[ \t]*\r?\n\s*)?(?=\w)")
_DOT_LEADERS: Final = re.compile(r"(?:[.\u00b7\u30fb][ \t]?){3,}")
# Iteration marks, kana, ideographs with their extensions.
_CJK: Final = re.compile(
    "[\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003347f]"
)
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def normalised(text: str) -> str:
    """Return `text` without the differences that are none."""
    text = unicodedata.normalize("NFKC", _SOFT_HYPHEN.sub("", text))
    text = "".join(char for char in text if char.isspace() or unicodedata.category(char) not in _INVISIBLE)
    return _DOT_LEADERS.sub(" ", _HYPHEN.sub("", text))


def parts(text: str, measure: Measure) -> Counter[str]:
    """Count the words of a text, or its CJK characters."""
    text = normalised(text)
    return Counter(text.split() if measure == "words" else _CJK.findall(text))


def f1(pages: Iterable[tuple[str, str]], measure: Measure) -> float:
    """Return the F1 of pages (a reader's text, the reference), their counts summed; 1 where nothing is to be read."""
    common = total = 0
    for text, reference in pages:
        mine, other = parts(text, measure), parts(reference, measure)
        common += (mine & other).total()
        total += mine.total() + other.total()
    return 2 * common / total if total else 1.0
