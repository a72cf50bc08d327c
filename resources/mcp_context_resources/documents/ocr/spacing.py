"""Words of a line put together: the recogniser sets Japanese words apart, too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# CJK punctuation, kana, ideographs with their extensions and compatibility forms, full-width forms.
_CJK: Final = (
    "\u2e80-\u2fdf\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uffef"
    "\U00020000-\U0003347f"
)
_NEEDLESS: Final = re.compile(f"(?<=[{_CJK}]) +| +(?=[{_CJK}])")


def joined(words: Iterable[str]) -> str:
    """Join words with spaces, but none beside a Japanese character: there the recogniser sets them at random."""
    return _NEEDLESS.sub("", " ".join(" ".join(word.split()) for word in words).strip())
