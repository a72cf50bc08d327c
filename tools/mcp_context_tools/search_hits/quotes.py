"""Quotes: the few words of a hit that show why it was found."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.documents.clean_text import INVISIBLE
from mcp_context_resources.sentences import flat, sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.index.spec import Hit
    from mcp_context_tools.tool import PrivateValues

QUOTE_CHARS: Final = 300
"""Most characters of a quote, its ellipses and marks not counted."""

_BEFORE: Final = 80
_MOST_MATCHES: Final = 12
_MOST_BETWEEN: Final = 8
_OPEN, _CLOSE = "\ue000", "\ue001"
_UNSEEN: Final = re.compile(f"[{INVISIBLE}\ud800-\udfff{_OPEN}{_CLOSE}]")
_BLANKS: Final = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Quote:
    """Characters `start` to `end` of a chunk on one line, and in it the words that match, each named once.

    `marked` is the same with each match in bold.
    """

    text: str
    marked: str
    matches: tuple[str, ...]
    start: int
    end: int


def visible(text: str) -> str:
    """Return text without characters that no reader sees."""
    return _UNSEEN.sub("", text)


def quote_of(hit: Hit, max_chars: int = QUOTE_CHARS, *, query: str = "", private: PrivateValues | None = None) -> Quote:
    """Quote a hit round the matches that say most, from the beginning of a sentence where that is near.

    Of `private` values none is cut in two, which may make a quote longer; no match is told that shows a part of one,
    and none is in bold, since a value with marks inside is not known again.
    """
    text = hit.chunk.text
    matched = matches_of(hit, query)
    first, last = _densest(text, matched, max_chars)
    start = _start(text, first, last, max_chars, lines=hit.chunk.kind != "text")
    end = start + max_chars
    if end < len(text):
        end = max(cut_text(text, start=start, max_chars=max_chars).end, min(last, end))
    end = min(end, len(text))
    if private is not None:
        start, end = private.whole(text, start, end)
        matched = [span for span in matched if not private.touched(text, *span)]
    pieces, at = [], start
    for begin, stop in matched:
        if at <= begin and stop <= end:
            pieces += [text[at:begin], _OPEN, text[begin:stop], _CLOSE]
            at = stop
    signed = flat("".join(piece if piece in (_OPEN, _CLOSE) else visible(piece) for piece in [*pieces, text[at:end]]))
    matches = tuple(dict.fromkeys(part.partition(_CLOSE)[0] for part in signed.split(_OPEN)[1:]))[:_MOST_MATCHES]
    before, after = "… " if text[:start].strip() else "", " …" if text[end:].strip() else ""
    signed = f"{before}{signed}{after}"
    plain = signed.replace(_OPEN, "").replace(_CLOSE, "")
    marked = plain if private is not None else signed.replace(_OPEN, "**").replace(_CLOSE, "**")
    return Quote(plain, marked, matches, start, end)


def matches_of(hit: Hit, query: str) -> list[tuple[int, int]]:
    """Return where words of a query stand in a hit; what follows each other there as in the query is one match."""
    text, asked = hit.chunk.text, _folded(query)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(hit.matched):
        if not 0 <= start < end <= len(text):
            continue
        begin = merged[-1][0] if merged else 0
        near = bool(merged) and start - merged[-1][1] <= _MOST_BETWEEN
        if merged and (start <= merged[-1][1] or (near and _folded(text[begin:end]) in asked)):
            merged[-1] = begin, max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _densest(text: str, matched: Sequence[tuple[int, int]], max_chars: int) -> tuple[int, int]:
    """Return from where to where the most different matches stand close together."""
    best, most = (0, 0), 0
    for place, (start, _) in enumerate(matched):
        near = [span for span in matched[place : place + 50] if span[1] - start <= max_chars - _BEFORE]
        different = len({text[begin:end].casefold() for begin, end in near})
        if different > most:
            best, most = (start, near[-1][1]), different
    return best


def _start(text: str, first: int, last: int, max_chars: int, *, lines: bool) -> int:
    """Return where a quote begins: with the sentence of its first match, or a little before that match."""
    if first == 0:
        return 0
    begins = max((start for start, _ in sentences(text, lines=lines) if start <= first), default=0)
    if last - begins <= max_chars * 3 // 4:
        return begins
    near = max(begins, first - _BEFORE)
    blank = _BLANKS.search(text, near, first)
    return blank.end() if blank else near
