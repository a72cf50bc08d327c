"""Reading documents inside a worker process: whatever a caller wants to see of one."""

from __future__ import annotations

import time
from collections import OrderedDict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.documents.finding import compiled
from mcp_context_resources.documents.page_range import format_page_range, parse_page_range
from mcp_context_resources.documents.spec import (
    Match,
    Matches,
    Outline,
    Page,
    PageCount,
    PagePicture,
    Properties,
    Reading,
    TablesFound,
)
from mcp_context_resources.errors import (
    ContextError,
    DeadlineExceededError,
    InvalidInputError,
    NotFoundError,
    UnreadableSourceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.opened import OpenDocument, PageText
    from mcp_context_resources.documents.spec import DocumentFile, Hidden
    from mcp_context_resources.workers.job import Job

_KEPT_DOCUMENTS: Final = 4
_COUNTING_SECONDS: Final = 3.0
_RESERVE_SECONDS: Final = 0.5
_COUNTED_BYTES: Final = 256 << 20
_CONVERTED_BYTES: Final = 1 << 19
_AROUND_CHARS: Final = 80
_STOPPED: Final = "Stopped at the time limit."
_SHOWN_PROBLEMS: Final = 5
_REASON_CHARS: Final = 200

P = ParamSpec("P")
T = TypeVar("T")

_open_documents: OrderedDict[str, OpenDocument] = OrderedDict()


def _told(
    function: Callable[Concatenate[Job, DocumentFile, P], T],
) -> Callable[Concatenate[Job, DocumentFile, P], T]:
    """Turn whatever a library raises on a stranger's bytes into an error that says which file it was."""

    @wraps(function)
    def telling(job: Job, file: DocumentFile, /, *arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(job, file, *arguments, **named)
        except (ContextError, MemoryError):
            raise
        except Exception as error:
            reason = (str(error).strip().splitlines() or [""])[0][:_REASON_CHARS] or type(error).__name__
            raise UnreadableSourceError(
                f"{Path(file.path).name!r} can't be read: {reason}.",
                "The file is damaged: get it again, or save a fresh copy with the program it came from.",
            ) from error

    return telling


@_told
def read_pages(
    job: Job, file: DocumentFile, pages: str, offset: int, max_chars: int, *, markdown: bool = False
) -> Reading:
    """Read pages of a document as text or Markdown until `max_chars` characters are gathered.

    `pages` is a range such as `2-4`, empty for all; `offset` is where to start inside the first page. A page that
    can't be read is named in the notes; it is an error only where nothing else was wanted.

    Raises `UnreadableSourceError`, `PasswordRequiredError`, `NotFoundError` and `InvalidInputError`.
    """
    document = opened(job, file)
    wanted = parse_page_range(pages, document.total, document.label)
    reading = Reading(document.total, document.title, notes=list(document.notes) if 1 in wanted else [])
    problems: dict[str, list[int]] = {}
    left = max_chars
    for position, number in enumerate(wanted):
        if left <= 0 or _out_of_time(job, reading, started=position > 0):
            reading.remaining = format_page_range(wanted[position:])
            break
        try:
            whole = document.markdown(job, number - 1) if markdown else document.text(job, number - 1)
        except DeadlineExceededError:
            if not reading.pages:
                raise
            reading.remaining = format_page_range(wanted[position:])
            reading.notes.append(_STOPPED)
            break
        except UnreadableSourceError as error:
            if len(wanted) == 1:
                raise
            problems.setdefault(error.message.replace(f"Page {number} ", "Page # "), []).append(number)
            continue
        page = _cut(document, number, whole, offset if position == 0 else 0, left)
        if whole.problem:
            problems.setdefault(whole.problem, []).append(number)
        reading.pages.append(page)
        left -= len(page.text)
        job.progress(position + 1, len(wanted))
        if page.end < page.total_chars:
            reading.remaining = format_page_range(wanted[position:])
            reading.next_offset = page.end
            break
    reading.notes += _problem_notes(problems)
    empty = [page.number for page in reading.pages if page.total_chars == 0 and not _named(page.number, problems)]
    if empty:
        reading.notes.append(f"No text on page {format_page_range(empty)}: it is blank.")
    return reading


def _out_of_time(job: Job, reading: Reading | Matches | TablesFound, *, started: bool) -> bool:
    if not job.should_stop:
        return False
    if not started:
        raise DeadlineExceededError("Reading the first page took longer than the limit.", "Try another page.")
    reading.notes.append(_STOPPED)
    return True


def _cut(document: OpenDocument, number: int, whole: PageText, offset: int, max_chars: int) -> Page:
    cut = cut_text(whole.text, start=offset, max_chars=max_chars)
    if offset and offset >= cut.total:
        raise InvalidInputError(
            f"offset is {offset:,}, but page {number} has {cut.total:,} characters.", "Go on with the next page."
        )
    first = cut.start == 0
    hidden: tuple[Hidden, ...] = whole.hidden if first else ()
    return Page(
        number,
        document.label(number - 1),
        cut.text,
        cut.start,
        cut.total,
        whole.engine,
        whole.header if first else "",
        whole.footer if first else "",
        hidden,
        whole.confidence,
    )


def _problem_notes(problems: dict[str, list[int]]) -> list[str]:
    notes = []
    for problem, numbers in list(problems.items())[:_SHOWN_PROBLEMS]:
        text = problem.replace("Page # ", "")
        notes.append(f"Page {format_page_range(numbers)}: {text}")
    if len(problems) > _SHOWN_PROBLEMS:
        others = [number for numbers in list(problems.values())[_SHOWN_PROBLEMS:] for number in numbers]
        notes.append(f"Page {format_page_range(others)} could not be read either.")
    return notes


def _named(number: int, problems: dict[str, list[int]]) -> bool:
    return any(number in numbers for numbers in problems.values())


def count_pages(job: Job, files: Sequence[DocumentFile]) -> list[PageCount]:
    """Count the pages of documents; one that can't be read becomes a `problem`."""
    counts = []
    started = time.process_time()
    for file in files:
        # Waiting for a busy machine is no reason to stop before the end is near.
        if time.process_time() - started > _COUNTING_SECONDS or job.seconds_left < _RESERVE_SECONDS:
            counts.append(PageCount(None))
            continue
        try:
            if Path(file.path).stat().st_size > (_COUNTED_BYTES if file.format == "pdf" else _CONVERTED_BYTES):
                counts.append(PageCount(None))
                continue
            counts.append(PageCount(opened(job, file).total))
        except ContextError as error:
            counts.append(PageCount(None, problem=error.message))
        except OSError as error:
            counts.append(PageCount(None, problem=error.strerror or "unreadable"))
        except MemoryError:
            counts.append(PageCount(None, problem="Reading it needs more memory than a worker may use."))
        except Exception as error:  # noqa: BLE001 - one damaged file must not cost the others their numbers
            counts.append(PageCount(None, problem=f"It is damaged ({type(error).__name__})."))
    return counts


@_told
def read_outline(job: Job, file: DocumentFile, skip: int, most: int) -> Outline:
    """Return headings of a document, `most` of them from number `skip` on."""
    document = opened(job, file)
    entries = document.outline()
    found = Outline(document.total, document.title, entries[skip : skip + most])
    found.more = max(0, len(entries) - skip - most)
    return found


@_told
def read_properties(job: Job, file: DocumentFile) -> Properties:
    """Return what a document says of itself."""
    document = opened(job, file)
    values, notes = document.properties(job)
    return Properties(document.total, document.title, values, [*document.notes, *notes])


@_told
def read_tables(job: Job, file: DocumentFile, pages: str, max_cells: int) -> TablesFound:
    """Find the tables that begin on pages of a document, until `max_cells` are gathered.

    Raises as `read_pages` does.
    """
    document = opened(job, file)
    wanted = parse_page_range(pages, document.total, document.label)
    found = TablesFound(document.total, document.title)
    problems: dict[str, list[int]] = {}
    cells = 0
    for position, number in enumerate(wanted):
        if cells >= max_cells or _out_of_time(job, found, started=position > 0):
            found.remaining = format_page_range(wanted[position:])
            wanted = wanted[:position]
            break
        try:
            tables = document.tables(job, number - 1)
        except UnreadableSourceError as error:
            if len(wanted) == 1:
                raise
            problems.setdefault(error.message.replace(f"Page {number} ", "Page # "), []).append(number)
            continue
        found.tables += tables
        cells += sum(len(table.rows) * len(table.columns) for table in tables)
        job.progress(position + 1, len(wanted))
    found.searched = format_page_range(wanted)
    found.notes += _problem_notes(problems)
    return found


@_told
def find(
    job: Job, file: DocumentFile, query: str, pages: str, offset: int, most: int, *, regex: bool = False
) -> Matches:
    """Find text in a document, exactly (line ends, letter case and character width don't matter) or by pattern.

    Raises as `read_pages` does, and `InvalidInputError` for a pattern that means nothing.
    """
    pattern = compiled(query, regex=regex)
    document = opened(job, file)
    wanted = parse_page_range(pages, document.total, document.label)
    found = Matches(document.total, document.title)
    problems: dict[str, list[int]] = {}
    for position, number in enumerate(wanted):
        if _out_of_time(job, found, started=position > 0):
            found.remaining = format_page_range(wanted[position:])
            wanted = wanted[:position]
            break
        try:
            page = document.text(job, number - 1)
        except DeadlineExceededError:
            if not position:
                raise
            found.remaining = format_page_range(wanted[position:])
            found.notes.append(_STOPPED)
            wanted = wanted[:position]
            break
        except UnreadableSourceError as error:
            problems.setdefault(error.message.replace(f"Page {number} ", "Page # "), []).append(number)
            continue
        if page.problem:
            problems.setdefault(page.problem, []).append(number)
        start = offset if position == 0 else 0
        while start <= len(page.text) and (match := pattern.search(page.text, start)) is not None:
            if len(found.matches) >= most:
                found.remaining = format_page_range(wanted[position:])
                found.next_offset = match.start()
                break
            found.matches.append(_match(document, number, page.text, *match.span()))
            start = max(match.end(), match.start() + 1)
        job.progress(position + 1, len(wanted))
        if found.remaining:
            wanted = wanted[: position + 1]
            break
    found.searched = format_page_range(wanted)
    found.notes += _problem_notes(problems)
    return found


@_told
def page_numbers(job: Job, file: DocumentFile, pages: str) -> list[int]:
    """Return the numbers of the pages that a range names; raises as `read_pages` does."""
    document = opened(job, file)
    return parse_page_range(pages, document.total, document.label)


@_told
def read_passage(job: Job, file: DocumentFile, pages: str, start: int, end: int | None) -> Matches:
    """Return characters `start` to `end` of a page (None: to its end) as one match.

    Raises as `read_pages` does, and `NotFoundError` for characters the page doesn't have.
    """
    document = opened(job, file)
    number = parse_page_range(pages, document.total, document.label)[0]
    text = document.text(job, number - 1).text
    end = len(text) if end is None else min(end, len(text))
    _check_start(number, start, len(text))
    return Matches(document.total, document.title, [_match(document, number, text, start, end)], str(number))


@_told
def read_picture(
    job: Job,
    file: DocumentFile,
    pages: str,
    region: Box | None,
    marks: Sequence[tuple[int, int | None]],
    dpi: float,
    max_bytes: int,
) -> PagePicture:
    """Draw one page (or a region of it), with the passages at character positions `marks` highlighted.

    Raises as `read_pages` does; `InvalidInputError` for documents that have no pages to draw.
    """
    from mcp_context_resources.documents.pdf.document import PdfDocument

    document = opened(job, file)
    if not isinstance(document, PdfDocument):
        raise InvalidInputError("Only pages of PDFs can be drawn.", 'Read this document with view "text".')
    wanted = parse_page_range(pages or "1", document.total, document.label)
    number, *others = wanted
    boxes: list[Box] = []
    if marks:
        whole = len(document.text(job, number - 1).text)
        _check_start(number, min(start for start, _ in marks), whole)
        spans = [(start, whole if end is None else end) for start, end in marks]
        boxes = [box for start, end in spans for box in document.boxes(number - 1, start, end)]
    drawn = document.picture(number - 1, region, boxes, dpi=dpi, max_bytes=max_bytes)
    notes = [f"One page is drawn at a time; ask for {format_page_range(others)} next."] if others else []
    return PagePicture(
        document.total,
        number,
        document.label(number - 1),
        drawn.png,
        drawn.width,
        drawn.height,
        drawn.dpi,
        drawn.box,
        tuple(boxes),
        tuple(notes),
    )


def _check_start(number: int, start: int, total: int) -> None:
    if start >= total:
        raise NotFoundError(
            f"Page {number} has {total:,} characters; there is nothing at {start:,}.",
            "The document may have changed since it was cited: read the page again.",
        )


def opened(job: Job, file: DocumentFile) -> OpenDocument:
    """Open a document, or return it as it was opened before; the last four are kept open.

    Raises `UnreadableSourceError` and `PasswordRequiredError`.
    """
    key = file.fingerprint
    if key in _open_documents:
        _open_documents.move_to_end(key)
        return _open_documents[key]
    document = _open(job, file)
    _open_documents[key] = document
    while len(_open_documents) > _KEPT_DOCUMENTS:
        _open_documents.popitem(last=False)[1].close()
    return document


def _open(job: Job, file: DocumentFile) -> OpenDocument:
    if file.format == "pdf":
        from mcp_context_resources.documents.pdf.document import PdfDocument

        return PdfDocument(file)
    from mcp_context_resources.documents.converted.document import ConvertedDocument

    return ConvertedDocument(job, file)


def _match(document: OpenDocument, number: int, text: str, start: int, end: int) -> Match:
    return Match(
        number,
        document.label(number - 1),
        start,
        end,
        text[max(0, start - _AROUND_CHARS) : start],
        text[start:end],
        text[end : end + _AROUND_CHARS],
        tuple(document.boxes(number - 1, start, end)),
    )
