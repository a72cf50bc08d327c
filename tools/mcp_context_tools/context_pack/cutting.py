"""Cutting text where nothing is torn: half of an address, number or key would not be known for what it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mcp_context_tools.tool import PrivateValues

_WHOLE: Final = 200
_BEYOND: Final = 20
# A blank between two figures stands within a telephone or card number.
_BREAK: Final = re.compile(r"(?<![0-9０-９])\s+|\s+(?![0-9０-９\s])|(?<=[。、！？｡､」』】）〕》・])")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？｡])")
_WIDE: Final = re.compile(r"(?<=[\u3041-\u30ff\u3400-\u9fff])(?=[\u3041-\u30ff\u3400-\u9fff])")


def cut_whole(text: str, most: int, private: PrivateValues | None = None) -> str:
    """Cut a text to at most `most` characters: at the end of a sentence in its last quarter, else of a word.

    A run without a blank or Japanese punctuation stays whole or goes whole if it is shorter than 200 characters; a
    longer one is cut between two Japanese letters, and anywhere only if it has none. May leave nothing, and may be
    longer by the rest of a `private` value.
    """
    if len(text) <= most:
        return text
    end = whole_before(text, max(0, most))
    if private is not None and end:
        end = private.whole(text, 0, end)[1]
    return text[:end].rstrip()


def whole_before(text: str, at: int) -> int:
    """Return the last place up to `at` where a text can be cut so that nothing is torn, 0 if there is none."""
    if at >= len(text):
        return len(text)
    start = max(0, at - _WHOLE)
    for pattern, first in ((_SENTENCE_END, max(start, at - at // 4)), (_BREAK, start)):
        if places := _places(pattern, text, first, at):
            return places[-1]
    if start == 0:
        next_break = _BREAK.search(text, at)
        if (next_break.start() if next_break else len(text)) < _WHOLE:
            return 0
    wide = _places(_WIDE, text, start, at)
    return wide[-1] if wide else at


def _places(pattern: re.Pattern[str], text: str, first: int, last: int) -> list[int]:
    # What follows the last place decides too.
    found = pattern.finditer(text, first, last + _BEYOND)
    return [match.start() for match in found if 0 < match.start() <= last]
