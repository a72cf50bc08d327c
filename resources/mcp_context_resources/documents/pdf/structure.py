"""Structure of a PDF, what it says of itself: outline, metadata, forms, annotations, attachments, fonts and rights."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.clean_text import clean_text, one_line
from mcp_context_resources.documents.page_range import format_page_range
from mcp_context_resources.documents.pdf.opening import quiet, reason_of
from mcp_context_resources.documents.spec import OutlineEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pypdf

    from mcp_context_resources.documents.pdf.opening import PdfFile
    from mcp_context_resources.documents.reading.open_document import PageText
    from mcp_context_resources.workers.job import Job

_MOST_ENTRIES: Final = 20_000
_MOST_DEPTH: Final = 15
_TITLE_CHARS: Final = 300
_MOST_FIELDS: Final = 10_000
_MOST_NOTES: Final = 200
_MOST_ATTACHMENTS: Final = 500
_LOOKED_AT: Final = 40
_VALUE_CHARS: Final = 500
_MOST_FONTS: Final = 60

_RIGHTS: Final = {
    "PRINT": "print",
    "MODIFY": "modify",
    "EXTRACT": "copy text",
    "ADD_OR_MODIFY": "annotate",
    "FILL_FORM_FIELDS": "fill in forms",
    "EXTRACT_TEXT_AND_GRAPHICS": "extract for accessibility",
    "ASSEMBLE_DOC": "assemble",
    "PRINT_TO_REPRESENTATION": "print in full quality",
}
_METADATA: Final = ("author", "subject", "keywords", "creator", "producer")
_FIELD_TYPES: Final = {"/Tx": "text", "/Btn": "button", "/Ch": "choice", "/Sig": "signature"}


def outline(file: PdfFile) -> list[OutlineEntry]:
    """Return the bookmarks of a PDF, up to a bounded number; each once, even where they run in circles."""
    entries: list[OutlineEntry] = []
    for level, title, page in _bookmarks(file):
        if len(entries) >= _MOST_ENTRIES:
            break
        index = page if page is not None and 0 <= page < file.total else None
        label = file.label(index) if index is not None else ""
        number = index + 1 if index is not None else None
        entries.append(OutlineEntry(level, one_line(title, _TITLE_CHARS), number, label))
    return entries


def _bookmarks(file: PdfFile) -> Iterator[tuple[int, str, int | None]]:
    if file.pdfium is None:
        with contextlib.suppress(Exception), quiet():
            yield from _by_pypdf(file.reader(), file.reader().outline, 1)
        return
    for bookmark in file.pdfium.get_toc(max_depth=_MOST_DEPTH):
        target = bookmark.get_dest()
        yield bookmark.level + 1, bookmark.get_title(), target.get_index() if target is not None else None


def _by_pypdf(reader: pypdf.PdfReader, items: list[Any], level: int) -> Iterator[tuple[int, str, int | None]]:
    for item in items:
        if isinstance(item, list):
            if level < _MOST_DEPTH:
                yield from _by_pypdf(reader, item, level + 1)
        else:
            yield level, str(item.title or ""), reader.get_destination_page_number(item)


def properties(job: Job, file: PdfFile, text: Callable[[Job, int], PageText]) -> tuple[dict[str, Any], list[str]]:
    """Return what a PDF says of itself, and notes on what could not be told.

    Text, fonts and annotations are looked for on pages spread over the document, at most 40 of them.
    """
    values: dict[str, Any] = {}
    notes: list[str] = []
    labels = _labels(file)
    if labels:
        values["page_labels"] = labels
    looked_at = _spread(file.total)
    try:
        with quiet():
            reader = file.reader()
            _describe(reader, values)
            _rights(reader, file, values)
            _fields(reader, values)
            _attachments(reader, values)
            _on_pages(job, reader, looked_at, values)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - pypdf raises many kinds on broken files
        notes.append(f"Not everything could be told: {reason_of(error)}.")
        _by_pdfium(file, values)
    values["outline_entries"] = len(outline(file))
    _text_layer(job, looked_at, text, values)
    if len(looked_at) < file.total:
        notes.append(f"Text, fonts and annotations were looked for on {len(looked_at)} pages spread over {file.total}.")
    return values, notes


def _spread(total: int) -> list[int]:
    """Choose pages to look at: all of a short document, the first ones and some in between of a long one."""
    if total <= _LOOKED_AT:
        return list(range(total))
    return sorted({*range(5), *(place * (total - 1) // (_LOOKED_AT - 6) for place in range(_LOOKED_AT - 5))})


def _describe(reader: pypdf.PdfReader, values: dict[str, Any]) -> None:
    metadata = reader.metadata
    for name in _METADATA:
        with contextlib.suppress(Exception):
            if metadata is not None and (value := getattr(metadata, name)):
                values[name] = one_line(str(value), _VALUE_CHARS)
    for name, attribute in (("created", "creation_date"), ("modified", "modification_date")):
        with contextlib.suppress(Exception):
            if metadata is not None and (moment := getattr(metadata, attribute)):
                values[name] = moment.isoformat()
    with contextlib.suppress(Exception):
        values["pdf_version"] = reader.pdf_header.removeprefix("%PDF-")
    with contextlib.suppress(Exception):
        if language := reader.root_object.get("/Lang"):
            values["language"] = one_line(str(language), 40)
    with contextlib.suppress(Exception):
        marked = reader.root_object.get("/MarkInfo")
        values["tagged"] = bool(marked and marked.get_object().get("/Marked"))


def _rights(reader: pypdf.PdfReader, file: PdfFile, values: dict[str, Any]) -> None:
    values["encrypted"] = reader.is_encrypted
    if not reader.is_encrypted:
        return
    values["opened_with"] = "a configured password" if file.password else "no password (only rights are restricted)"
    with contextlib.suppress(Exception):
        permissions = reader.user_access_permissions
        if permissions is not None:
            names = {flag.name for flag in permissions}
            values["allowed"] = [right for name, right in _RIGHTS.items() if name in names]
            values["not_allowed"] = [right for name, right in _RIGHTS.items() if name not in names]


def _fields(reader: pypdf.PdfReader, values: dict[str, Any]) -> None:
    fields = reader.get_fields() or {}
    if not fields:
        return
    values["form_field_count"] = len(fields)
    shown = []
    for name, field in list(fields.items())[:_MOST_FIELDS]:
        kind = _FIELD_TYPES.get(str(field.get("/FT", "")), "group")
        entry: dict[str, Any] = {"name": one_line(str(name), _VALUE_CHARS), "type": kind}
        value = field.get("/V")
        if value is not None:
            entry["value"] = one_line(str(value).removeprefix("/"), _VALUE_CHARS)
        if (label := field.get("/TU")) is not None:
            entry["label"] = one_line(str(label), _VALUE_CHARS)
        shown.append(entry)
    values["form_fields"] = shown
    if any(entry["type"] == "signature" and "value" in entry for entry in shown):
        values["signed"] = True


def _attachments(reader: pypdf.PdfReader, values: dict[str, Any]) -> None:
    found = []
    with contextlib.suppress(Exception):
        for number, attachment in enumerate(reader.attachment_list):
            if number >= _MOST_ATTACHMENTS:
                break
            entry: dict[str, Any] = {"name": one_line(str(attachment.alternative_name or attachment.name), 300)}
            with contextlib.suppress(Exception):
                if attachment.size is not None:
                    entry["size"] = int(attachment.size)
            found.append(entry)
    if found:
        values["attachments"] = found


def _on_pages(job: Job, reader: pypdf.PdfReader, indexes: list[int], values: dict[str, Any]) -> None:
    fonts: dict[str, bool] = {}
    kinds: Counter[str] = Counter()
    notes: list[dict[str, Any]] = []
    sizes: Counter[str] = Counter()
    for index in indexes:
        if job.should_stop:
            break
        with contextlib.suppress(Exception):
            page = reader.pages[index]
            sizes[f"{page.mediabox.width:.0f} x {page.mediabox.height:.0f} points"] += 1
            _fonts(page, fonts)
            for annotation in page.annotations or []:
                _annotation(annotation.get_object(), index, kinds, notes)
    if sizes:
        values["page_size"] = sizes.most_common(1)[0][0]
    if fonts:
        values["fonts"] = [f"{name}{'' if embedded else ' (not embedded)'}" for name, embedded in fonts.items()]
    if kinds:
        values["annotation_kinds"] = dict(kinds)
    if notes:
        values["annotations"] = notes


def _fonts(page: pypdf.PageObject, fonts: dict[str, bool]) -> None:
    resources = page.get("/Resources")
    found = resources.get_object().get("/Font") if resources is not None else None
    for font in (found.get_object() if found is not None else {}).values():
        if len(fonts) >= _MOST_FONTS:
            return
        described = font.get_object()
        name = str(described.get("/BaseFont", described.get("/Subtype", ""))).removeprefix("/")
        inner = described
        if "/DescendantFonts" in described:
            inner = described["/DescendantFonts"].get_object()[0].get_object()
        descriptor = inner.get("/FontDescriptor")
        embedded = descriptor is not None and any(
            key in descriptor.get_object() for key in ("/FontFile", "/FontFile2", "/FontFile3")
        )
        embedded = embedded or described.get("/Subtype") == "/Type3"
        if name:
            fonts[one_line(name.partition("+")[2] or name, 100)] = embedded


def _annotation(annotation: Any, index: int, kinds: Counter[str], notes: list[dict[str, Any]]) -> None:
    kind = str(annotation.get("/Subtype", "")).removeprefix("/").lower()
    kinds[kind] += 1
    contents = annotation.get("/Contents")
    if contents and kind not in ("link", "widget") and len(notes) < _MOST_NOTES:
        entry = {"page": index + 1, "type": kind, "text": clean_text(str(contents))[:_VALUE_CHARS]}
        if author := annotation.get("/T"):
            entry["author"] = one_line(str(author), 100)
        notes.append(entry)


def _by_pdfium(file: PdfFile, values: dict[str, Any]) -> None:
    """Tell at least what PDFium knows of a file that pypdf can't read."""
    if file.pdfium is None:
        return
    with contextlib.suppress(Exception):
        for name, value in file.pdfium.get_metadata_dict(skip_empty=True).items():
            values.setdefault(name.lower(), one_line(str(value), _VALUE_CHARS))


def _labels(file: PdfFile) -> list[str]:
    """Say which pages are printed as what, in runs; nothing where every page is printed as its number."""
    runs: list[tuple[int, int]] = []
    start = 0
    for index in range(1, file.total + 1):
        if index == file.total or not _follows(file.label(index - 1), file.label(index)):
            runs.append((start, index - 1))
            start = index
    if all(file.label(first) == str(first + 1) for first, _ in runs) and len(runs) == 1:
        return []
    return [
        f"pages {format_page_range(list(range(first + 1, last + 2)))} printed {file.label(first)}"
        + (f" to {file.label(last)}" if last > first else "")
        for first, last in runs[:_MOST_NOTES]
    ]


def _follows(one: str, other: str) -> bool:
    """Tell whether a label is of the same kind as the one before it."""
    stem, number = _parted(one)
    other_stem, other_number = _parted(other)
    if number is not None and other_number is not None:
        return stem == other_stem and other_number == number + 1
    return number is None and other_number is None


def _parted(label: str) -> tuple[str, int | None]:
    stem = label.rstrip("0123456789")
    return stem, int(label[len(stem) :]) if len(stem) < len(label) else None


def _text_layer(job: Job, indexes: list[int], text: Callable[[Job, int], PageText], values: dict[str, Any]) -> None:
    readers: Counter[str] = Counter()
    bare: list[int] = []
    hidden: list[int] = []
    for index in indexes:
        if job.should_stop:
            break
        with contextlib.suppress(Exception):
            page = text(job, index)
            if page.hidden:
                hidden.append(index + 1)
            if page.problem or (not page.text and not page.header and not page.footer) or page.confidence is not None:
                bare.append(index + 1)
            else:
                readers[page.engine] += 1
    with_text = sum(readers.values())
    values["text_layer"] = (
        "no page looked at"
        if not readers and not bare
        else (
            "on every page"
            if not bare
            else "on no page"
            if not with_text
            else f"not on pages {format_page_range(bare)}"
        )
    )
    if hidden:
        values["hidden_text_on_pages"] = format_page_range(hidden)
