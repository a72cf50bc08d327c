"""Slides of PowerPoint presentations through python-pptx: one section a slide, speaker notes marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.converted import Converted
from mcp_context_resources.documents.markup.conversion_errors import check, library
from mcp_context_resources.documents.markup.rich_text import Rich, Run, plain, rich
from mcp_context_resources.documents.markup.section_builder import SectionBuilder
from mcp_context_resources.documents.office.archive import parsed
from mcp_context_resources.documents.office.package import cleared
from mcp_context_resources.documents.office.word import core_properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_DIAGRAM: Final = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_BODY_PLACES: Final = frozenset({"BODY", "OBJECT", "VERTICAL_BODY", "VERTICAL_OBJECT"})
_UNSAID: Final = frozenset({"DATE", "FOOTER", "SLIDE_NUMBER", "HEADER"})
_DEEPEST_GROUP: Final = 20
_MAX_CELLS: Final = 100_000


def convert(job: Job, file: DocumentFile) -> Converted:
    """Read a presentation: of each slide its title, text by levels, tables, charts' figures and speaker notes.

    Raises `UnreadableSourceError`, `PasswordRequiredError`, `DeadlineExceededError`, `ContextError` where python-pptx
    isn't installed.
    """
    pptx = library("pptx", file.path)
    presentation = pptx.Presentation(cleared(job, file.path, "pptx"))
    reader = _SlideConverter(job, file.path)
    total = len(presentation.slides)
    hidden_slides = []
    for number, slide in enumerate(presentation.slides, start=1):
        check(job)
        reader.slide(number, slide)
        if slide._element.get("show") in ("0", "false"):
            hidden_slides.append(str(number))
        job.progress(number, total)
    properties = core_properties(presentation.core_properties)
    properties |= {"slides": total, "slides_with_notes": reader.with_notes}
    notes = reader.notes()
    if hidden_slides:
        notes.append(f"Slides hidden in the show: {', '.join(hidden_slides[:50])}.")
    sections = reader.builder.sections()
    title = properties.pop("title", "")
    if title in ("", "PowerPoint Presentation", "PowerPoint プレゼンテーション"):
        title = reader.first_title
    return Converted(title, properties, sections, [*notes, *reader.builder.notes])


class _SlideConverter:
    """Reads slide after slide."""

    def __init__(self, job: Job, path: str) -> None:
        self.builder = SectionBuilder(job)
        self._job, self._path = job, path
        self.with_notes = self._images = self._hidden = self._charts = 0
        self.first_title = ""

    def slide(self, number: int, slide: Any) -> None:
        title = slide.shapes.title
        heading = rich(_runs(title.text_frame)) if title is not None and title.has_text_frame else Rich("", "")
        name = " ".join(heading.text.split())
        self.first_title = self.first_title or name
        self.builder.start(f"slide {number}: {name}" if name else f"slide {number}", 1)
        shown = " ".join(heading.markdown.split()) or f"Slide {number}"
        self.builder.paragraph(Rich(name or f"Slide {number}", f"# {shown}"))
        for shape in _shapes(slide.shapes, 0):
            check(self._job)
            if title is None or shape.shape_id != title.shape_id:
                self._shape(slide, shape)
        if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None:
            paragraphs = [content for content in map(_content, frame.paragraphs) if content.text.strip()]
            self.with_notes += bool(paragraphs)
            for index, content in enumerate(paragraphs):
                lead = plain("Speaker notes: ") if not index else Rich("", "")
                self.builder.paragraph(Rich(lead.text + content.text, lead.markdown + content.markdown), quote=1)

    def notes(self) -> list[str]:
        notes = []
        if self._hidden:
            notes.append(f"Hidden text left out: {self._hidden:,} characters in hidden shapes.")
        if self._charts:
            notes.append(f"{self._charts:,} charts were left out: they keep no figures that can be read here.")
        if self._images:
            notes.append(f"{self._images:,} images were left out; their descriptions are kept.")
        return notes

    def _shape(self, slide: Any, shape: Any) -> None:
        own = shape._element.xpath(".//p:cNvPr")[:1]
        if own and own[0].get("hidden") in ("1", "true"):
            self._hidden += sum(len(text.text or "") for text in shape._element.iter(f"{_A}t"))
            return
        if shape.has_text_frame:
            if not (shape.is_placeholder and shape.placeholder_format.type.name in _UNSAID):
                self._frame(shape)
        elif getattr(shape, "has_table", False) and shape.has_table:
            self._table(shape.table)
        elif getattr(shape, "has_chart", False) and shape.has_chart:
            try:
                self._charts += not self._chart(shape.chart)
            except (ValueError, TypeError, KeyError, AttributeError, IndexError):
                self._charts += 1  # of a kind that python-pptx doesn't know, or damaged
        else:
            self._picture(slide, shape, own[0].get("descr") if own else "")

    def _frame(self, shape: Any) -> None:
        bulleted = shape.is_placeholder and shape.placeholder_format.type.name in _BODY_PLACES
        for paragraph in shape.text_frame.paragraphs:
            content = _content(paragraph)
            if _has_bullet(paragraph, bulleted):
                self.builder.item("-", content, depth=paragraph.level)
            else:
                self.builder.paragraph(content, indent=paragraph.level)

    def _table(self, table: Any) -> None:
        rows: list[list[str]] = []
        filled = 0
        for row in table._tbl.tr_lst:
            check(self._job)
            line: list[str] = []
            for cell in row.tc_lst:
                text = "\n".join(
                    "".join(text.text or "" for text in paragraph.iter(f"{_A}t")) for paragraph in cell.iter(f"{_A}p")
                )
                if cell.get("hMerge") in ("1", "true") and line:
                    text = line[-1]
                elif cell.get("vMerge") in ("1", "true") and rows and len(line) < len(rows[-1]):
                    text = rows[-1][len(line)]
                line.append(text)
            filled += len(line)
            if filled > _MAX_CELLS:
                break
            rows.append(line)
        self.builder.table(rows)

    def _chart(self, chart: Any) -> bool:
        """Add a chart's title and the figures that the file keeps for it; tell whether there were any."""
        shown = False
        if chart.has_title and chart.chart_title.has_text_frame:
            self.builder.paragraph(plain(f"Chart: {chart.chart_title.text_frame.text}"))
        for plot in chart.plots:
            series = list(plot.series)[:200]
            rows = [["", *(str(one.name) for one in series)]]
            columns = [list(one.values) for one in series]
            for index, category in enumerate(list(plot.categories)[:5_000]):
                check(self._job)
                rows.append([str(category), *(_figure(column, index) for column in columns)])
            if len(rows) > 1:
                self.builder.table(rows)
                shown = True
        return shown

    def _picture(self, slide: Any, shape: Any, description: str | None) -> None:
        diagram = next(shape._element.iter(f"{_DIAGRAM}relIds"), None)
        if diagram is not None:
            self._diagram(slide, diagram.get(f"{_R}dm"))
        elif next(shape._element.iter(f"{_A}blip"), None) is not None:
            self._images += 1
            if description:
                self.builder.paragraph(plain(f"(image: {' '.join(description.split())[:500]})"))

    def _diagram(self, slide: Any, relation: str | None) -> None:
        if relation not in slide.part.rels:
            return
        part = slide.part.related_part(relation)
        for point in parsed(part.blob, self._path, str(part.partname)).iter(f"{_DIAGRAM}t"):
            text = " ".join("".join(text.text or "" for text in paragraph.iter(f"{_A}t")) for paragraph in point)
            self.builder.item("-", plain(text.strip()))


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes") and depth < _DEEPEST_GROUP:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _runs(frame: Any) -> list[Run]:
    return [run for paragraph in frame.paragraphs for run in (*_paragraph_runs(paragraph), Run(" "))]


def _content(paragraph: Any) -> Rich:
    return rich(_paragraph_runs(paragraph))


def _paragraph_runs(paragraph: Any) -> Iterator[Run]:
    """Read runs, fields and line breaks in order."""
    for element in paragraph._p:
        if element.tag == f"{_A}br":
            yield Run("\n")
        elif element.tag in (f"{_A}r", f"{_A}fld"):
            text = element.find(f"{_A}t")
            properties = element.find(f"{_A}rPr")
            marks = ""
            if properties is not None and element.tag == f"{_A}r":
                marks = "**" * (properties.get("b") in ("1", "true")) + "*" * (properties.get("i") in ("1", "true"))
            yield Run((text.text or "") if text is not None else "", marks, _href(paragraph, properties))


def _href(paragraph: Any, properties: Any) -> str:
    link = properties.find(f"{_A}hlinkClick") if properties is not None else None
    identifier = link.get(f"{_R}id") if link is not None else None
    relation = paragraph.part.rels.get(identifier) if identifier else None
    return str(relation.target_ref) if relation is not None and relation.is_external else ""


def _has_bullet(paragraph: Any, bulleted: bool) -> bool:
    properties = paragraph._p.find(f"{_A}pPr")
    if properties is not None:
        if properties.find(f"{_A}buNone") is not None:
            return False
        if properties.find(f"{_A}buChar") is not None or properties.find(f"{_A}buAutoNum") is not None:
            return True
    return bulleted


def _figure(column: list[Any], index: int) -> str:
    value = column[index] if index < len(column) else None
    return "" if value is None else f"{value:.15g}" if isinstance(value, float) else str(value)
