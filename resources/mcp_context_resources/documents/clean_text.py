"""Text as a reader sees it: line ends made one, invisible and control characters removed."""

from __future__ import annotations

import re
from typing import Final

# A hyphenated line end as PDFium reports it: U+0002 in place of the hyphen.
_SOFT_HYPHEN: Final = re.compile("[\x02\u00ad]\r?\n?")
_LINE_ENDS: Final = re.compile("\r\n?|\u2028|\u2029")
# Controls, zero-width and bidirectional marks, tag characters, non-characters: they can hide text from people.
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f]"
)
_TRAILING: Final = re.compile(r"[ \t\u3000]+\n")
# The dots between a heading and its page number in a table of contents.
_DOT_LEADERS: Final = re.compile(r"(?:[.．・‥…][ \u3000]?){5,}")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    r"""Return `text` with `\\n` line ends, hyphenation joined and no invisible characters; dot leaders are one `…`."""
    text = _SOFT_HYPHEN.sub("", text)
    text = _LINE_ENDS.sub("\n", text)
    text = _INVISIBLE.sub("", _SURROGATES.sub("\ufffd", text))
    return _TRAILING.sub("\n", _DOT_LEADERS.sub("… ", text)).strip("\n")
