"""Content of a page: its lines in reading order, and the text made of them, which knows where each character stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.clean_text import clean_line, clean_positions
from mcp_context_resources.documents.pdf.lines import GENERATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.pdf.hidden import LostColumns
    from mcp_context_resources.documents.pdf.lines import Line
    from mcp_context_resources.documents.pdf.running_heads import Edge

_PARAGRAPH_GAP: Final = 0.45
# Words with these beginnings keep their hyphen at a line's end.
_PREFIXES: Final = frozenset("non self pre post anti semi co multi cross well ex quasi pseudo inter sub".split())
_LAST_WORD: Final = re.compile(r"[^\W\d_]+$")
_FIRST_WORD: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class HiddenText:
    """Text of a page that a person doesn't see, and why."""

    text: str
    reason: str


@dataclass(slots=True)
class PageContent:
    """A page as it was taken apart: lines in reading order, hidden text, its size in points.

    `edges` is what its neighbours compare their running heads with, once someone asked for it.
    `scan_layer` tells that the text lies invisibly over a picture of the page, as text recognition leaves it;
    `pictured` that a picture covers most of the page and there is no text but at its edges. `lost_columns` tells
    whether there is vertical text that is not among the lines.
    """

    lines: list[Line]
    hidden: list[HiddenText]
    width: float
    height: float
    vertical: bool = False
    scan_layer: bool = False
    pictured: bool = False
    lost_columns: LostColumns = "none"
    edges: list[Edge] | None = None


@dataclass(slots=True)
class PlacedText:
    """Text made of lines; `starts[i]` is where the text of `lines[i]` begins in it."""

    text: str
    lines: list[Line] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def pieces(self, start: int, end: int) -> list[tuple[Line, list[tuple[int, int]]]]:
        """Tell which of PDFium's characters, as (first, count), make up the text from `start` to `end`, by line."""
        found = []
        for line, begin in zip(self.lines, self.starts, strict=True):
            runs: list[tuple[int, int]] = []
            position = begin
            for piece in line.pieces:
                length = len(clean_line(piece.text))
                low, high = max(start, position) - position, min(end, position + length) - position
                if low < high and piece.first != GENERATED:
                    places = clean_positions(piece.text)
                    first, last = piece.index(places[low]), piece.index(places[high - 1])
                    runs.append((first, last - first + 1))
                position += length
            if runs:
                found.append((line, runs))
        return found


def place_text(lines: Sequence[Line], *, vertical: bool = False) -> PlacedText:
    """Put lines together: words cut at a line's end made whole, a blank line where the page leaves one."""
    placed = PlacedText("")
    texts: list[str] = []
    length = 0
    gaps = [0.0, *(_gap(one, other, vertical=vertical) for one, other in pairwise(lines))]
    pitch = _usual_gap(gaps, lines)
    whole = ""
    before: Line | None = None
    for line, gap in zip(lines, gaps, strict=False):
        text = line.text
        if before is not None:
            if before.hyphenated:
                whole = whole or " ".join(other.text for other in lines)
                mark = "-" if _keeps_hyphen(texts[-1], text, whole) else ""
            else:
                mark = "\n\n" if gap > pitch + _PARAGRAPH_GAP * line.size else "\n"
            texts.append(mark)
            length += len(mark)
        placed.lines.append(line)
        placed.starts.append(length)
        texts.append(text)
        length += len(text)
        before = line
    placed.text = "".join(texts)
    return placed


def _gap(one: Line, other: Line, *, vertical: bool) -> float:
    """Return the space between two lines, negative where the second stands in another column."""
    return one.box.left - other.box.right if vertical else other.box.top - one.box.bottom


def _usual_gap(gaps: Sequence[float], lines: Sequence[Line]) -> float:
    """Return the space that lines of one paragraph leave between them, given that before each line."""
    usual = sorted(gap for gap, line in zip(gaps[1:], lines[1:], strict=True) if 0 <= gap < 1.5 * line.size)
    return usual[len(usual) // 3] if usual else 0.0


def _keeps_hyphen(before: str, after: str, whole: str) -> bool:
    """Tell whether a hyphen at a line's end belongs to the word."""
    left, right = _LAST_WORD.search(before), _FIRST_WORD.match(after)
    if left is None or right is None:
        return True
    if f"{left[0]}-{right[0]}".lower() in whole.lower():
        return True
    if re.search(rf"\b{left[0]}{right[0]}", whole, re.IGNORECASE):
        return False
    cut = before[: left.start()]
    if cut.endswith("-") or right[0][0].isupper():  # the second hyphen of a compound, or a name
        return True
    return left[0].lower() in _PREFIXES
