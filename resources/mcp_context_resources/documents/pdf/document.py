"""Document: a PDF as an open document."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pypdfium2
from typing_extensions import override

from mcp_context_resources.documents.clean_text import clean_text
from mcp_context_resources.documents.pdf import scans, structure
from mcp_context_resources.documents.pdf.content import PlacedText, place_text
from mcp_context_resources.documents.pdf.hidden import TINY_POINTS
from mcp_context_resources.documents.pdf.opening import PdfFile, quiet, reason_of
from mcp_context_resources.documents.pdf.page_tables import PageTables
from mcp_context_resources.documents.pdf.pages import PdfPages
from mcp_context_resources.documents.pdf.rendering import rendered
from mcp_context_resources.documents.pdf.running_heads import NEAREST, NEXT_NEAREST, edges, part_running
from mcp_context_resources.documents.pdf.scans import RecognisedText
from mcp_context_resources.documents.reading.open_document import OpenDocument, PageText
from mcp_context_resources.documents.spec import Hidden
from mcp_context_resources.errors import ContextError, UnreadableSourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.content import PageContent
    from mcp_context_resources.documents.pdf.lines import Line
    from mcp_context_resources.documents.pdf.running_heads import Edge
    from mcp_context_resources.documents.reading.open_document import Rendered, Renderer
    from mcp_context_resources.documents.spec import DocumentFile, DocumentTable, OutlineEntry
    from mcp_context_resources.workers.job import Job

_KEPT_TEXTS: Final = 400
_PDFIUM: Final = "pdfium"
_PYPDF: Final = "pypdf"
_SCAN_LAYER: Final = "the text layer of a scan"
_LOST_COLUMNS: Final = (
    "vertical text in a font that is not in the file can't be read; it can with a Japanese font on this machine"
)


def open_pdf(_job: Job, file: DocumentFile) -> OpenDocument:
    """Open a PDF; raises as `PdfDocument`."""
    return PdfDocument(file)


class PdfDocument(OpenDocument):
    """An open PDF; see `OpenDocument`."""

    def __init__(self, file: DocumentFile) -> None:
        """Open it.

        Raises `UnreadableSourceError` and `PasswordRequiredError`.
        """
        self._file = PdfFile(file)
        self.total = self._file.total
        self.title = self._file.title
        self.notes: list[str] = []
        self._pages = PdfPages(self._file.pdfium) if self._file.pdfium is not None else None
        self._tables = PageTables(self._file.pdfium) if self._file.pdfium is not None else None
        self._outline: list[OutlineEntry] | None = None
        self._texts: OrderedDict[int, tuple[PageText, PlacedText | RecognisedText]] = OrderedDict()

    def renderer(self) -> Renderer:
        """Return what draws its pages; it raises `UnreadableSourceError` for what PDFium can't read."""
        return self._draw

    @override
    def label(self, index: int) -> str:
        return self._file.label(index)

    @override
    def text(self, job: Job, index: int) -> PageText:
        return self._placed(job, index)[0]

    @override
    def markdown(self, job: Job, index: int) -> PageText:
        from mcp_context_resources.documents.pdf import markdown

        page = self.text(job, index)
        if page.engine != _PDFIUM or self._pages is None or self._file.pdfium is None:
            return page
        content = self._pages.content(index)
        _, body, _ = self._parted(index, content)
        headings = {entry.title: entry.level for entry in self.outline() if entry.page == index + 1}
        around = [other.lines for near in self._near(index, NEAREST) if (other := self._neighbour(near)) is not None]
        tables = self._tables.on_page(index) if self._tables is not None else []
        shown = self._file.pdfium[index]
        try:
            text = markdown.of_page(shown, body, around, headings, tables, vertical=content.vertical)
        finally:
            shown.close()
        return PageText(text, page.engine, page.header, page.footer, page.hidden)

    @override
    def tables(self, job: Job, index: int) -> list[DocumentTable]:
        return self._tables.beginning_on(job, index, self.label(index)) if self._tables is not None else []

    @override
    def missing(self, index: int) -> str:
        content = self._neighbour(index)
        return scans.SCAN if content is not None and content.pictured else ""

    @override
    def outline(self) -> list[OutlineEntry]:
        if self._outline is None:
            self._outline = structure.outline(self._file)
        return self._outline

    @override
    def properties(self, job: Job) -> tuple[dict[str, Any], list[str]]:
        return structure.properties(job, self._file, self._layer)

    @override
    def boxes(self, index: int, start: int, end: int) -> list[Box]:
        kept = self._texts.get(index)
        if kept is None or self._pages is None:
            return []
        placed = kept[1]
        if isinstance(placed, RecognisedText):
            return placed.boxes(start, end)
        return self._pages.boxes(index, placed.pieces(start, end))

    @override
    def close(self) -> None:
        self._file.close()

    def _draw(self, index: int, region: Box | None, marks: Sequence[Box], dpi: float, max_bytes: int) -> Rendered:
        if self._file.pdfium is None:
            raise UnreadableSourceError(
                f"Pages of {self._file.name!r} can't be drawn: the file is damaged, only its text can be had.",
                'Read it with view "text".',
            )
        try:
            return rendered(self._file, index, region, marks, dpi=dpi, max_bytes=max_bytes)
        except pypdfium2.PdfiumError as error:
            raise UnreadableSourceError(
                f"Page {index + 1} of {self._file.name!r} can't be drawn: {reason_of(error)}.", "Try the other pages."
            ) from error

    def _layer(self, job: Job, index: int) -> PageText:
        """Return the text of a page as it is in the file: of a picture none."""
        if self._pages is not None and (content := self._pages.content(index)).pictured:
            hidden = tuple(Hidden(found.text, found.reason) for found in content.hidden)
            return PageText("", _PDFIUM, hidden=hidden, problem=scans.SCAN)
        return self.text(job, index)

    def _placed(self, job: Job, index: int) -> tuple[PageText, PlacedText | RecognisedText]:
        if index in self._texts:
            self._texts.move_to_end(index)
            return self._texts[index]
        try:
            found = self._by_pdfium(job, index)
        except (ContextError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - any failure of one library is the other's turn
            found = self._by_pypdf(index, error)
        self._texts[index] = found
        if len(self._texts) > _KEPT_TEXTS:
            self._texts.popitem(last=False)
        return found

    def _by_pdfium(self, job: Job, index: int) -> tuple[PageText, PlacedText | RecognisedText]:
        if self._pages is None or self._file.pdfium is None:
            raise LookupError
        content = self._pages.content(index)
        hidden = tuple(Hidden(found.text, found.reason) for found in content.hidden)
        problem = ""
        if content.lost_columns != "none":
            if content.lost_columns == "plain" and (content.vertical or not content.lines):
                columns = _vertical_columns(self._file, index)
                return PageText(columns, _PYPDF), PlacedText(columns)
            problem = _LOST_COLUMNS
        if content.pictured:
            page, recognised = scans.recognised(job, self._file.file, self._file.pdfium, index)
            if page.text or not content.lines:
                return replace(page, hidden=hidden), recognised
            problem = page.problem
        heads, body, feet = self._parted(index, content)
        placed = place_text(body, vertical=content.vertical)
        engine = _SCAN_LAYER if content.scan_layer else _PDFIUM
        text = PageText(placed.text, engine, _in_one(heads), _in_one(feet), hidden, problem=problem)
        return text, placed

    def _parted(self, index: int, content: PageContent) -> tuple[list[Line], list[Line], list[Line]]:
        """Part a page's lines into heads, body and feet, by comparison with the pages around it."""
        groups = (self._edges(self._near(index, steps)) for steps in (NEAREST, NEXT_NEAREST))
        return part_running(content.lines, content.height, groups)

    def _edges(self, indexes: list[int]) -> list[Edge]:
        """Return what stands at the edges of pages; of those that can be read."""
        found: list[Edge] = []
        for near in indexes:
            if (other := self._neighbour(near)) is not None:
                if other.edges is None:
                    other.edges = edges(other.lines, other.height)
                found += other.edges
        return found

    def _neighbour(self, index: int) -> PageContent | None:
        """Return what is on a page, None for a broken one: it must not cost the page beside it."""
        if self._pages is None:
            return None
        try:
            return self._pages.content(index)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - libraries raise many kinds on broken pages
            return None

    def _near(self, index: int, steps: tuple[int, ...]) -> list[int]:
        return [index + step for step in steps if 0 <= index + step < self.total]

    def _by_pypdf(self, index: int, error: Exception) -> tuple[PageText, PlacedText]:
        try:
            with quiet():
                pages = self._file.reader().pages
                if len(pages) != self.total:  # the two count otherwise, and would name different pages
                    raise LookupError
                text = clean_text(pages[index].extract_text())
        except MemoryError:
            raise
        except Exception as second:
            first = second if isinstance(error, LookupError) else error
            raise UnreadableSourceError(f"it can't be read: {reason_of(first)}", "Try the other pages.") from second
        return PageText(text, _PYPDF), PlacedText(text)


def _in_one(lines: list[Line]) -> str:
    return " | ".join(line.text for line in lines)


def _vertical_columns(file: PdfFile, index: int) -> str:
    """Return by pypdf the text of a vertical page whose font is nowhere, which PDFium leaves out: a line a column.

    From right to left, without what is off the page or too small to see. Raises whatever pypdf raises.
    """
    with quiet():
        page = file.reader().pages[index]
        box = page.mediabox
        columns: dict[float, list[tuple[float, str]]] = {}

        def place(text: str, outer: list[float], inner: list[float], _font: Any, size: float | None) -> None:
            across = inner[4] * outer[0] + inner[5] * outer[2] + outer[4]
            up = inner[4] * outer[1] + inner[5] * outer[3] + outer[5]
            scale = abs(inner[0] * outer[0] + inner[1] * outer[2]) + abs(inner[0] * outer[1] + inner[1] * outer[3])
            seen = box.left < across < box.right and box.bottom < up < box.top
            if text.strip() and seen and scale * (size or 1.0) >= TINY_POINTS:
                columns.setdefault(round(across, 1), []).append((-up, text.strip()))

        page.extract_text(visitor_text=place)
    leftward = [columns[across] for across in sorted(columns, reverse=True)]
    downward = (sorted(column, key=lambda part: part[0]) for column in leftward)
    return clean_text("\n".join("".join(text for _, text in column) for column in downward))
