"""Word documents: python-docx opens the package; what is shown of it is read here in document order."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.converted import Converted
from mcp_context_resources.documents.markup.conversion_errors import check, library
from mcp_context_resources.documents.markup.rich_text import Rich, escaped, plain, rich
from mcp_context_resources.documents.markup.section_builder import SectionBuilder
from mcp_context_resources.documents.office.archive import parsed
from mcp_context_resources.documents.office.package import cleared
from mcp_context_resources.documents.office.word_numbering import Numbering
from mcp_context_resources.documents.office.word_runs import RunReader, note_mark
from mcp_context_resources.documents.office.word_styles import Styles, W, numbering, outline_level, switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_KINDS: Final = {"footnote": "footnotes", "endnote": "endnotes", "comment": "comments"}
_PARTS: Final = ("styles", "numbering", *_KINDS.values())
_WRAPPERS: Final = frozenset({f"{W}ins", f"{W}moveTo", f"{W}customXml", f"{W}smartTag"})
_MAX_CELLS: Final = 500_000
_LONGEST_MARGIN: Final = 2_000


def convert(job: Job, file: DocumentFile) -> Converted:
    """Read a Word document: headings by style or outline level, numbers as shown, notes at the end of their section.

    Tracked insertions are shown, deletions are not; hidden text is left out; notes say so.

    Raises `UnreadableSourceError`, `PasswordRequiredError`, `DeadlineExceededError`, `ContextError` where python-docx
    isn't installed.
    """
    docx = library("docx", file.path)
    document = docx.Document(cleared(job, file.path, "docx"))
    reader = _WordConverter(job, file.path, document)
    reader.body(document.element.body)
    margins = reader.margins()
    properties = core_properties(document.core_properties) | margins
    sections = reader.builder.sections()
    title = properties.pop("title", "") or next((section.label for section in sections if section.level == 1), "")
    return Converted(title, properties, sections, [*reader.notes(), *reader.builder.notes])


def core_properties(core: Any) -> dict[str, Any]:
    """Return what an office file says of itself, as JSON values; what it leaves open is left out."""
    found: dict[str, Any] = {}
    names = "title author subject keywords comments category language last_modified_by created modified revision"
    for name in names.split():
        try:
            value = getattr(core, name)
        except (ValueError, TypeError, AttributeError, OverflowError):
            continue  # a date or number that is none
        if isinstance(value, dt.datetime):
            value = value.isoformat()
        if value not in (None, "", 0):
            found[name] = value[:2_000] if isinstance(value, str) else value
    return found


class _WordConverter:
    """Walks one document."""

    def __init__(self, job: Job, path: str, document: Any) -> None:
        self.builder = SectionBuilder(job)
        self._job, self._path, self._document = job, path, document
        parts = {relation.reltype.rpartition("/")[2]: relation for relation in _inner(document.part)}
        self._parts = {kind: self._root(parts[kind].target_part) for kind in _PARTS if kind in parts}
        self._styles = Styles(self._parts.get("styles"))
        self._numbering = Numbering(self._parts.get("numbering"))
        self._runs = RunReader(self._styles, _targets(document.part))
        self._note_texts = {kind: self._texts(kind) for kind in _KINDS}
        self._done = 0

    def body(self, body: Any) -> None:
        total = len(body)
        for number, element in enumerate(_blocks(body)):
            check(self._job)
            if element.tag == f"{W}p":
                self._paragraph(element)
            else:
                self._table(element)
            if not number % 200:
                self._job.progress(number, total)

    def margins(self) -> dict[str, list[str]]:
        """Return the differing texts of headers and footers."""
        found: dict[str, dict[str, None]] = {"headers": {}, "footers": {}}
        for relation in _inner(self._document.part):
            kind = relation.reltype.rpartition("/")[2] + "s"
            root = self._root(relation.target_part) if kind in found else None
            if root is not None:
                lines = (self._text(paragraph) for paragraph in root.iter(f"{W}p"))
                if text := "\n".join(filter(None, lines))[:_LONGEST_MARGIN]:
                    found[kind][text] = None
        return {kind: list(texts)[:20] for kind, texts in found.items() if texts}

    def notes(self) -> list[str]:
        found = self._runs.found
        notes = []
        if found.inserted or found.deleted:
            notes.append(
                f"It has tracked changes: {found.inserted:,} insertions are shown, {found.deleted:,} deletions are not."
            )
        if found.hidden:
            notes.append(f"Hidden text left out: {found.hidden:,} characters.")
        if found.white:
            notes.append(f"{found.white:,} characters are white and may be invisible on the page.")
        if found.images:
            notes.append(f"{found.images:,} images were left out; their descriptions are kept.")
        return notes

    def _paragraph(self, paragraph: Any) -> None:
        properties = paragraph.find(f"{W}pPr")
        if _is_deleted(properties):
            self._runs.found.deleted += 1
        style = self._styles.get(_style_name(properties) or self._styles.default)
        own_level = outline_level(properties)
        level = (style.level if own_level is None else own_level) or 0
        content = rich(self._runs.runs(paragraph, bold_is_plain=bool(level)))
        marker, depth = self._number(properties, style) if content.text.strip() else ("", 0)
        if level:
            self.builder.heading(level, _led(marker, content) if marker != "-" else content)
        elif style.code:
            self.builder.code(content.text)
        elif marker:
            self.builder.item(marker, content, depth=depth)
        else:
            self.builder.paragraph(content)
        self._attached()

    def _number(self, properties: Any, style: Any) -> tuple[str, int]:
        number, depth = numbering(properties)
        number = style.number if number is None else number
        depth = (style.depth if depth is None else depth) or 0
        if number is None or number == "0":
            return "", 0
        found = self._numbering.next(number, depth)
        return found if found is not None else ("-", depth)

    def _attached(self) -> None:
        """Add what the last paragraph pointed at: text boxes right away, notes at the end of the section."""
        found = self._runs.found
        boxes, found.boxes = found.boxes, []
        for box in boxes:
            for element in _blocks(box):
                check(self._job)
                if element.tag == f"{W}p":
                    self._paragraph(element)
                else:
                    self._table(element)
        references, found.footnotes = found.footnotes, []
        for kind, identifier in references:
            text = self._note_texts[kind].pop(identifier, "")
            if text:
                self.builder.footnote(note_mark(kind, identifier), plain(text))

    def _table(self, table: Any) -> None:
        rows: list[list[str]] = []
        filled = 0
        for row in _through(table, f"{W}tr"):
            check(self._job)
            if row.find(f"{W}trPr/{W}del") is not None:
                self._runs.found.deleted += 1
                continue
            line: list[str] = [""] * _skipped(row)
            for cell in _through(row, f"{W}tc"):
                text = self._cell(cell)
                properties = cell.find(f"{W}tcPr")
                merge = properties.find(f"{W}vMerge") if properties is not None else None
                if merge is not None and merge.get(f"{W}val") != "restart" and rows:
                    text = rows[-1][len(line)] if len(line) < len(rows[-1]) else ""
                line += [text] * _span(properties)
            filled += len(line)
            if filled > _MAX_CELLS:
                break
            rows.append(line)
        self.builder.table(rows)
        self._attached()

    def _cell(self, cell: Any) -> str:
        paragraphs = (paragraph for paragraph in cell.iter(f"{W}p") if not _in_box(paragraph, cell))
        lines = [self._text(paragraph, numbered=True) for paragraph in paragraphs]
        return "\n".join(filter(None, lines))

    def _text(self, paragraph: Any, *, numbered: bool = False) -> str:
        text = "".join(run.text for run in self._runs.runs(paragraph)).strip()
        if not (numbered and text):
            return text
        properties = paragraph.find(f"{W}pPr")
        marker, _ = self._number(properties, self._styles.get(_style_name(properties) or self._styles.default))
        return f"{marker} {text}" if marker else text

    def _texts(self, kind: str) -> dict[str, str]:
        """Read the notes of a kind by identifier; of a comment also who wrote it."""
        root = self._parts.get(_KINDS[kind])
        texts = {}
        for note in root if root is not None else ():
            if note.get(f"{W}type") in ("separator", "continuationSeparator", "continuationNotice"):
                continue
            text = " ".join(filter(None, (self._text(paragraph) for paragraph in note.iter(f"{W}p"))))
            author = note.get(f"{W}author") or ""
            texts[note.get(f"{W}id") or ""] = f"{author}: {text}" if author and text else text
        self._runs.found.footnotes.clear()
        return texts

    def _root(self, part: Any) -> Any | None:
        element = getattr(part, "_element", None)
        if element is not None:
            return element
        if not str(part.partname).endswith(".xml") or not part.blob:
            return None
        return parsed(part.blob, self._path, str(part.partname))


def _inner(part: Any) -> Iterator[Any]:
    return (relation for relation in part.rels.values() if not relation.is_external)


def _targets(part: Any) -> dict[str, str]:
    return {identifier: str(relation.target_ref) for identifier, relation in part.rels.items() if relation.is_external}


def _blocks(parent: Any) -> Iterator[Any]:
    """Go through paragraphs and tables, inside content controls and tracked insertions too."""
    for child in parent:
        if child.tag in (f"{W}p", f"{W}tbl"):
            yield child
        elif child.tag == f"{W}sdt":
            content = child.find(f"{W}sdtContent")
            yield from _blocks(content if content is not None else ())
        elif child.tag in _WRAPPERS:
            yield from _blocks(child)


def _through(parent: Any, tag: str) -> Iterator[Any]:
    """Go through rows or cells, inside content controls too."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag == f"{W}sdt":
            content = child.find(f"{W}sdtContent")
            yield from _through(content if content is not None else (), tag)
        elif child.tag in _WRAPPERS:
            yield from _through(child, tag)


def _in_box(paragraph: Any, cell: Any) -> bool:
    for ancestor in paragraph.iterancestors():
        if ancestor is cell:
            return False
        if ancestor.tag == f"{W}txbxContent":
            return True
    return False


def _style_name(properties: Any) -> str:
    style = properties.find(f"{W}pStyle") if properties is not None else None
    return "" if style is None else style.get(f"{W}val") or ""


def _is_deleted(properties: Any) -> bool:
    return properties is not None and switch(properties.find(f"{W}rPr"), "del") is not None


def _skipped(row: Any) -> int:
    found = row.find(f"{W}trPr/{W}gridBefore")
    value = found.get(f"{W}val") if found is not None else ""
    return min(int(value[:4]), 100) if value and value.isdigit() else 0


def _span(properties: Any) -> int:
    found = properties.find(f"{W}gridSpan") if properties is not None else None
    value = found.get(f"{W}val") if found is not None else "1"
    return max(1, min(int(value[:4]), 1_000)) if value and value.isdigit() else 1


def _led(marker: str, content: Rich) -> Rich:
    return Rich(f"{marker} {content.text}", f"{escaped(marker)} {content.markdown}") if marker else content
