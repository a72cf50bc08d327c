"""Pages of an open PDF, taken apart each once while it is remembered."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import pypdfium2
import pypdfium2.raw as pdfium

from mcp_context_resources.documents.clean_text import clean_text
from mcp_context_resources.documents.pdf import hidden, ruby
from mcp_context_resources.documents.pdf.columns import split_columns
from mcp_context_resources.documents.pdf.content import HiddenText, PageContent
from mcp_context_resources.documents.pdf.fragments import PageCharacters
from mcp_context_resources.documents.pdf.frame import Frame
from mcp_context_resources.documents.pdf.lines import is_vertical, joined_lines, line_of
from mcp_context_resources.documents.pdf.reading_order import in_reading_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.fragments import Fragment
    from mcp_context_resources.documents.pdf.hidden import Hidden
    from mcp_context_resources.documents.pdf.lines import Line

_KEPT_PAGES: Final = 400
_HIDDEN_CHARS: Final = 2_000
_MOST_OBJECTS: Final = 2_000
_COVERS: Final = 0.5
_EDGE: Final = 0.1


class PdfPages:
    """The pages of a PDF that PDFium can read, counted from 0."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self._document = document
        self._kept: OrderedDict[int, PageContent] = OrderedDict()

    def content(self, index: int) -> PageContent:
        """Return what is on a page; raises whatever PDFium raises."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        page = self._document[index]
        try:
            text = page.get_textpage()
            try:
                content = _take_apart(page, text)
            finally:
                text.close()
        finally:
            page.close()
        self._kept[index] = content
        if len(self._kept) > _KEPT_PAGES:
            self._kept.popitem(last=False)
        return content

    def boxes(self, index: int, pieces: Sequence[tuple[Line, Sequence[tuple[int, int]]]]) -> list[Box]:
        """Return a box for each line's characters, given as (first, count) in PDFium's numbers."""
        page = self._document[index]
        try:
            text = page.get_textpage()
            try:
                characters = PageCharacters(text, Frame.of(page))
                return [box for _, runs in pieces if (box := _around(characters, runs)) is not None]
            finally:
                text.close()
        finally:
            page.close()


def _around(characters: PageCharacters, runs: Sequence[tuple[int, int]]) -> Box | None:
    """Return the smallest box around the ends of runs of characters in one line."""
    found: Box | None = None
    for first, count in runs:
        for box in (*characters.boxes(first, 1), *characters.boxes(first + count - 1, 1)):
            if box.width > 0 and box.height > 0:
                found = box if found is None else found.union(box)
    return found


def _take_apart(page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage) -> PageContent:
    frame = Frame.of(page)
    characters = PageCharacters(text, frame)
    fragments, unseen, columns_lost = hidden.part_hidden(page, characters, characters.fragments(), frame)
    scan_layer, pictured = False, False
    if _only_at_edges(fragments, frame):
        pictured = _is_pictured(page, frame)
        if pictured and unseen and all(reason == hidden.NOT_DRAWN for _, reason in unseen):
            fragments, unseen, scan_layer = [*fragments, *(fragment for fragment, _ in unseen)], [], True
            pictured = False
    vertical = is_vertical(fragments)
    split = False
    if not vertical:
        fragments, split = split_columns(fragments, characters, frame.width)
    lines = _lines(fragments, characters, vertical=vertical)
    return PageContent(
        in_reading_order(lines, vertical=vertical, by_place=split),
        _hidden_texts(unseen),
        frame.width,
        frame.height,
        vertical,
        scan_layer,
        pictured,
        columns_lost,
    )


def _lines(fragments: Sequence[Fragment], characters: PageCharacters, *, vertical: bool) -> list[Line]:
    texts, readings = ruby.set_apart(fragments, vertical=vertical)
    lines = [line_of(fragment) for fragment in texts]
    if readings:
        by_base: dict[int, list[Fragment]] = {}
        for reading, base in readings:
            by_base.setdefault(base.first, []).append(reading)
        for line in lines:
            if own := by_base.get(line.pieces[0].first):
                ruby.insert(line, own, characters, vertical=vertical)
    return joined_lines(lines, vertical=vertical)


def _hidden_texts(unseen: Sequence[Hidden]) -> list[HiddenText]:
    """Gather hidden fragments by reason, in their order."""
    found: dict[str, str] = {}
    for fragment, reason in unseen:
        found[reason] = f"{found.get(reason, '')}\n{clean_text(fragment.text)}"[: _HIDDEN_CHARS + 1]
    return [HiddenText(text.strip(), reason) for reason, text in found.items() if text.strip()]


def _only_at_edges(fragments: Sequence[Fragment], frame: Frame) -> bool:
    """Tell whether a page has no text but a stamp or a number at its edge, as scans may have."""
    top, bottom = frame.height * _EDGE, frame.height * (1 - _EDGE)
    return all(fragment.box.bottom < top or fragment.box.top > bottom for fragment in fragments)


def _is_pictured(page: pypdfium2.PdfPage, frame: Frame) -> bool:
    """Tell whether pictures cover most of a page."""
    covered = 0.0
    for number, item in enumerate(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=4)):
        if number >= _MOST_OBJECTS:
            break
        box = frame.box(*item.get_bounds())
        wide = max(0.0, min(box.right, frame.width) - max(box.left, 0.0))
        covered += wide * max(0.0, min(box.bottom, frame.height) - max(box.top, 0.0))
    return covered >= _COVERS * frame.width * frame.height
