"""Fragments in which PDFium hands out a page's text, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.pdf import calls

if TYPE_CHECKING:
    import pypdfium2

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.frame import Frame

_LINE_END: Final = "\r\n"
HYPHEN: Final = "\ufffe"
"""What PDFium puts in the place of a hyphen at a line's end, joining the next line to it."""

_UPRIGHT: Final = 1.8
_NOWHERE: Final = (0.0, 0.0, 0.0, 0.0)


@dataclass(slots=True)
class Fragment:
    """Text that PDFium found on one line: characters `first` to `first + count` of its list of the page.

    `text` is as PDFium gives it, without blanks at its ends; one whose word goes on in the next fragment ends in
    `HYPHEN`. `size` is the height of its first character from ascender to descender, in points. `vertical` text runs
    downwards. `places` are PDFium's numbers of its characters where they don't follow each other.
    """

    text: str
    first: int
    count: int
    box: Box
    size: float
    vertical: bool = False
    places: list[int] | None = None

    def part(self, start: int, end: int, box: Box, size: float = 0.0) -> Fragment:
        """Return characters `start` to `end` of the text as a fragment of their own, which stands in `box`."""
        text = self.text[start:end]
        start += len(text) - len(text.lstrip())
        places = self.places and self.places[start:end]
        bare = text.strip()
        first, last = self.index(start), self.index(start + max(len(bare.rstrip(HYPHEN)), 1) - 1)
        return Fragment(bare, first, last - first + 1, box, size or self.size, self.vertical, places)

    def index(self, place: int) -> int:
        """Return PDFium's number of a character of the text."""
        return self.first + place if self.places is None else self.places[min(place, len(self.places) - 1)]


class PageCharacters:
    """What PDFium tells of the characters of one page."""

    def __init__(self, content: pypdfium2.PdfTextPage, frame: Frame) -> None:
        self.address = calls.address_of(content.raw)
        self._content = content
        self._frame = frame
        self._upright = frame.upright
        self._found = calls.Rectangle()

    def fragments(self) -> list[Fragment]:
        """Return the fragments of the page in PDFium's order; blank ones are left out."""
        text = self._content.get_text_range()
        # Of most pages every character has a text, so that places in the text are PDFium's numbers.
        units = _utf16_places(text)
        alike = units is None and self._content.count_chars() == len(text)
        found = []
        position = 0
        for line in text.split(_LINE_END):
            for piece in line.split(HYPHEN) if HYPHEN in line else (line,):
                start = position
                position += len(piece) + 1
                bare = piece.strip()
                if not bare:
                    continue
                if len(bare) < len(piece):
                    start += piece.index(bare[0])
                end = start + len(bare)
                if text[end : end + 1] == HYPHEN:
                    bare += HYPHEN
                if alike:
                    found.append(self._fragment(bare, start, end - 1))
                    continue
                places = [
                    calls.char_index(self.address, units[place] if units else place) for place in range(start, end)
                ]
                if 0 <= places[0] <= places[-1]:
                    found.append(self._fragment(bare, places[0], places[-1]))
                    if places[-1] - places[0] != end - 1 - start:
                        found[-1].places = places
            position += len(_LINE_END) - 1
        return found

    def boxes(self, first: int, count: int) -> list[Box]:
        """Return the boxes of characters `first` to `first + count`, from ascender to descender."""
        return [self._frame.box(*self._place(index)) for index in range(first, first + count)]

    def _fragment(self, text: str, first: int, last: int) -> Fragment:
        left, bottom, right, top = self._place(first)
        upright = self._upright
        size, across = (top - bottom, right - left) if upright else (right - left, top - bottom)
        if last > first:
            end_left, end_bottom, end_right, end_top = self._place(last)
            if end_right > end_left:
                left, right = min(left, end_left), max(right, end_right)
                bottom, top = min(bottom, end_bottom), max(top, end_top)
        box = self._frame.box(left, bottom, right, top)
        height = box.bottom - box.top
        vertical = height > _UPRIGHT * size and last > first and box.width < _UPRIGHT * max(across, size)
        return Fragment(text, first, last - first + 1, box, (across if vertical else size) or height, vertical)

    def _place(self, index: int) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top of a character in the PDF's user space."""
        if not calls.loose_box(self.address, index, self._found.address):
            return _NOWHERE
        found = self._found.value
        return found.left, found.bottom, found.right, found.top


def _utf16_places(text: str) -> list[int] | None:
    """Return where each character of a text begins in UTF-16, as PDFium counts; None where that makes no difference."""
    if not text or max(text) <= "\uffff":
        return None
    places = []
    position = 0
    for character in text:
        places.append(position)
        position += 2 if character > "\uffff" else 1
    return places
