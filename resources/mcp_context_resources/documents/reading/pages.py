"""Pages of documents read inside a worker process: text, tables, outline, properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.documents.page_range import format_page_range, parse_page_range
from mcp_context_resources.documents.reading.opening import opened, reason_of, told
from mcp_context_resources.documents.spec import Matches, Outline, Page, Properties, Reading, TablesFound
from mcp_context_resources.errors import ContextError, DeadlineExceededError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.documents.reading.open_document import OpenDocument, PageText
    from mcp_context_resources.documents.spec import DocumentFile, Hidden
    from mcp_context_resources.workers.job import Job

T = TypeVar("T")

_STOPPED: Final = "Stopped at the time limit."


@told
def read_pages(job: Job, file: DocumentFile, pages: str, offset: int, max_chars: int, markdown: bool) -> Reading:
    """Read pages of a document as text or Markdown until `max_chars` characters are gathered.

    `pages` is a range such as `2-4`, empty for all; `offset` is where to start inside the first page. A page that
    can't be read is among the `problems`.

    Raises `UnreadableSourceError`, `PasswordRequiredError`, `NotFoundError` and `InvalidInputError`.
    """
    document = opened(job, file)
    wanted = parse_page_range(pages, document.total, document.label)
    reading = Reading(document.total, document.title, notes=list(document.notes) if 1 in wanted else [])
    read = document.markdown if markdown else document.text
    left = max_chars
    for position, number in enumerate(wanted):
        if left <= 0 or job.should_stop:
            stop(reading, wanted, position, in_time=left <= 0)
            break
        try:
            whole = attempt(reading.problems, number, lambda index: read(job, index))
        except DeadlineExceededError:
            stop(reading, wanted, position)
            break
        job.progress(position + 1, len(wanted))
        if whole is None:
            continue
        page = _cut(document, number, whole, offset if position == 0 else 0, left)
        if whole.problem:
            reading.problems.setdefault(whole.problem, []).append(number)
        reading.pages.append(page)
        left -= len(page.text)
        if page.end < page.total_chars:
            reading.remaining = format_page_range(wanted[position:])
            reading.next_offset = page.end
            break
    named = {number for numbers in reading.problems.values() for number in numbers}
    empty = [page.number for page in reading.pages if page.total_chars == 0 and page.number not in named]
    if empty:
        reading.notes.append(f"No text on page {format_page_range(empty)}: blank, or nothing that can be decoded.")
    return reading


@told
def read_outline(job: Job, file: DocumentFile, skip: int, most: int) -> Outline:
    """Return headings of a document, `most` of them from number `skip` on."""
    document = opened(job, file)
    entries = document.outline()
    found = Outline(document.total, document.title, entries[skip : skip + most])
    found.more = max(0, len(entries) - skip - most)
    return found


@told
def read_properties(job: Job, file: DocumentFile) -> Properties:
    """Return what a document says of itself."""
    document = opened(job, file)
    values, notes = document.properties(job)
    return Properties(document.total, document.title, values, [*document.notes, *notes])


@told
def read_tables(job: Job, file: DocumentFile, pages: str, max_cells: int) -> TablesFound:
    """Find the tables that begin on pages of a document, until `max_cells` are gathered; raises as `read_pages`."""
    document = opened(job, file)
    wanted = parse_page_range(pages, document.total, document.label)
    found = TablesFound(document.total, document.title)
    cells = 0
    for position, number in enumerate(wanted):
        if cells >= max_cells or job.should_stop:
            stop(found, wanted, position, in_time=cells >= max_cells)
            wanted = wanted[:position]
            break
        try:
            tables = attempt(found.problems, number, lambda index: document.tables(job, index))
        except DeadlineExceededError:
            stop(found, wanted, position)
            wanted = wanted[:position]
            break
        job.progress(position + 1, len(wanted))
        if tables is None:
            continue
        if missing := document.missing(number - 1):
            found.problems.setdefault(missing, []).append(number)
        found.tables += tables
        cells += sum(len(table.rows) * len(table.columns) for table in tables)
    found.searched = format_page_range(wanted)
    return found


@told
def page_numbers(job: Job, file: DocumentFile, pages: str) -> list[int]:
    """Return the numbers of the pages that a range names; raises as `read_pages` does."""
    document = opened(job, file)
    return parse_page_range(pages, document.total, document.label)


def attempt(problems: dict[str, list[int]], number: int, read: Callable[[int], T]) -> T | None:
    """Read something of page `number`; None, and a problem more, where that fails for reasons of its own.

    Raises `DeadlineExceededError` and `MemoryError`.
    """
    try:
        return read(number - 1)
    except (DeadlineExceededError, MemoryError):
        raise
    except ContextError as error:
        reason = error.message
    except Exception as error:  # noqa: BLE001 - whatever a library raises about one page must not cost the others
        reason = f"it can't be read: {reason_of(error)}"
    problems.setdefault(reason, []).append(number)
    return None


def stop(
    found: Reading | Matches | TablesFound, wanted: Sequence[int], position: int, *, in_time: bool = False
) -> None:
    """Say where to go on; raises `DeadlineExceededError` where not even the first page was read."""
    if not in_time:
        if not position:
            raise DeadlineExceededError("Reading the first page took longer than the limit.", "Try another page.")
        found.notes.append(_STOPPED)
    found.remaining = format_page_range(list(wanted[position:]))


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
