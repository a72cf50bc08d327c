"""Lines as a reader sees them, put together from what PDFium gives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.clean_text import clean_line
from mcp_context_resources.documents.pdf.fragments import HYPHEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.fragments import Fragment

GENERATED: Final = -1
_SAME_LINE: Final = 0.5
_WORD_GAP: Final = 0.18
_LINE_GAP: Final = 1.2


@dataclass(slots=True)
class Piece:
    """Text as PDFium gives it, from its character `first` on; `GENERATED` where we put it in.

    `places` are PDFium's numbers of the characters where they don't follow each other.
    """

    text: str
    first: int
    places: list[int] | None = None

    def index(self, place: int) -> int:
        """Return PDFium's number of a character of the text."""
        return self.first + place if self.places is None else self.places[place]

    def part(self, start: int, end: int) -> Piece:
        """Return characters `start` to `end` as a piece of their own."""
        return Piece(self.text[start:end], self.index(start), self.places and self.places[start:end])


@dataclass(slots=True)
class Line:
    """A line of a page. `size` is the height of its characters in points; `hyphenated`: its last word goes on."""

    pieces: list[Piece]
    box: Box
    size: float
    vertical: bool = False
    hyphenated: bool = False
    _text: str | None = None

    @property
    def text(self) -> str:
        """The text as a reader sees it; to be asked for when the line is complete."""
        if self._text is None:
            self._text = "".join([clean_line(piece.text) for piece in self.pieces])
        return self._text

    @property
    def first(self) -> int:
        """PDFium's first character in it."""
        return next((piece.first for piece in self.pieces if piece.first != GENERATED), GENERATED)


def line_of(fragment: Fragment) -> Line:
    """Make a line of one fragment."""
    hyphenated = fragment.text.endswith(HYPHEN)
    text = fragment.text[:-1] if hyphenated else fragment.text
    return Line(
        [Piece(text, fragment.first, fragment.places)], fragment.box, fragment.size, fragment.vertical, hyphenated
    )


def is_vertical(fragments: Sequence[Fragment]) -> bool:
    """Tell whether most of a page's text runs downwards."""
    if not any(fragment.vertical for fragment in fragments):
        return False
    characters = Counter[bool]()
    for fragment in fragments:
        if fragment.count > 1:
            characters[fragment.vertical] += fragment.count
    return characters[True] > characters[False]


def joined_lines(lines: Sequence[Line], *, vertical: bool) -> list[Line]:
    """Join what PDFium cut although it stands in one line: each with the next where they are close together."""
    joined: list[Line] = []
    for line in lines:
        if joined and not joined[-1].hyphenated and (gap := _gap(joined[-1], line, vertical=vertical)) is not None:
            last = joined[-1]
            if gap > _WORD_GAP * min(last.size, line.size):
                last.pieces.append(Piece(" ", GENERATED))
            last.pieces += line.pieces
            last.box = last.box.union(line.box)
            last.size = max(last.size, line.size)
            last.vertical = last.vertical or line.vertical
            last.hyphenated = line.hyphenated
        else:
            joined.append(line)
    return joined


def _gap(one: Line, other: Line, *, vertical: bool) -> float | None:
    """Return how far behind `one` its line goes on with `other`; None where it doesn't."""
    a, b = one.box, other.box
    if vertical:
        gap, share = b.top - a.bottom, min(a.right, b.right) - max(a.left, b.left)
        thinner = min(a.width, b.width)
    else:
        gap, share = b.left - a.right, min(a.bottom, b.bottom) - max(a.top, b.top)
        thinner = min(a.height, b.height)
    size = max(one.size, other.size)
    close = -_WORD_GAP * size < gap < _LINE_GAP * size
    return max(gap, 0.0) if close and share > _SAME_LINE * thinner else None
