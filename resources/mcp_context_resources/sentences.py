"""Text cut into sentences, in Japanese and in languages with spaces, each with its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SENTENCE_CHARS: Final = 500
"""A longer sentence is cut at a comma, a space or, failing these, anywhere."""

# Ends of sentences: Japanese ones anywhere, a full stop only before a space and what can begin a sentence.
_END: Final = re.compile(
    r"(?<![。！？｡])[。！？｡]++(?:[」』）)\"”]++(?![とをがはもにへ、])|(?![」』）)\"”]))"
    r"|(?<![.!?])[.!?]++[\"”')\]]*+(?=\s++[\"“'(\[]*+[^\sa-z])"
    r"|\n[ \t]*\n\s*"
    r"|(?<=[:：])\n"
    r"|\n(?=[ \t]*(?:[-*•・●○■□◆]|\d{1,3}\.\s|\(\d{1,3}\)|[①-⑳])\s*\S)"
)
_ABBREVIATED: Final = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|St|No|vs|cf|Figs?|pp?|ca|al|Co|Jr|Inc|Ltd|Vol|Art|Sec|Eq|approx|e\.g|i\.e|etc)$"
)
_NUMBER: Final = re.compile(r"\s*\(?\d{1,3}")
_LINE_END: Final = re.compile(r"\n")
_SOFT: Final = re.compile(r"[、，,;；]\s*|\s+")
_WIDE: Final = r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]"
_JOIN_WIDE: Final = re.compile(rf"(?<={_WIDE})[ \t]*\n[ \t]*(?={_WIDE})")
_UNSEEN: Final = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
_SPACE: Final = re.compile(r"\s+")


def sentences(text: str, *, lines: bool = False) -> Iterator[tuple[int, int]]:
    """Yield where each sentence of a text begins and ends, white space around it left out.

    With `lines` each line is one: rows of a table.
    """
    start = 0
    for match in (_LINE_END if lines else _END).finditer(text):
        before = text[max(start, match.start() - 12) : match.start()]
        if match[0].startswith(".") and (_ABBREVIATED.search(before) or _NUMBER.fullmatch(before)):
            continue
        yield from _trimmed(text, start, match.end())
        start = match.end()
    yield from _trimmed(text, start, len(text))


def flat(text: str) -> str:
    """Write a sentence on one line, as it is read: lines of Japanese joined without a space, nothing unseen in it."""
    return _SPACE.sub(" ", _JOIN_WIDE.sub("", _UNSEEN.sub("", text))).strip()


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > MAX_SENTENCE_CHARS:
        cut = start + MAX_SENTENCE_CHARS
        soft = [match.end() for match in _SOFT.finditer(text, start + MAX_SENTENCE_CHARS // 2, cut)]
        middle = soft[-1] if soft else cut
        yield from _trimmed(text, start, middle)
        start = middle
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end
