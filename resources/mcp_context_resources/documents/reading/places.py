"""Passages of documents: found by what stands there, or cited; as text, or on a picture of their page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.page_problems import unreadable_page
from mcp_context_resources.documents.page_range import format_page_range, parse_page_range
from mcp_context_resources.documents.reading.opening import opened, told
from mcp_context_resources.documents.reading.pages import attempt, stop
from mcp_context_resources.documents.reading.text_search import Finder
from mcp_context_resources.documents.spec import Match, Matches, PagePicture
from mcp_context_resources.errors import DeadlineExceededError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.reading.open_document import OpenDocument
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_AROUND_CHARS: Final = 80
_MATCH_CHARS: Final = 200_000


@told
def find(job: Job, file: DocumentFile, query: str, regex: bool, pages: str, offset: int, most: int) -> Matches:
    """Find text in a document (see `Finder`), at most `most` times, from character `offset` of the first page on.

    Raises as `read_pages` does, and `InvalidInputError` for a pattern that means nothing.
    """
    finder = Finder(query, regex=regex)
    document = opened(job, file)
    wanted = parse_page_range(pages, document.total, document.label)
    found = Matches(document.total, document.title)
    for position, number in enumerate(wanted):
        try:
            if job.should_stop:
                raise DeadlineExceededError("The time is up.")
            page = attempt(found.problems, number, lambda index: document.text(job, index))
        except DeadlineExceededError:
            stop(found, wanted, position)
            wanted = wanted[:position]
            break
        job.progress(position + 1, len(wanted))
        if page is None:
            continue
        if page.problem:
            found.problems.setdefault(page.problem, []).append(number)
        start = offset if position == 0 else 0
        while start <= len(page.text) and (place := finder.search(page.text, start)) is not None:
            if len(found.matches) >= most:
                found.remaining = format_page_range(wanted[position:])
                found.next_offset = place[0]
                break
            found.matches.append(_match(document, number, page.text, *place))
            start = max(place[1], place[0] + 1)
        if found.remaining:
            wanted = wanted[: position + 1]
            break
    found.searched = format_page_range(wanted)
    return found


@told
def read_passage(job: Job, file: DocumentFile, pages: str, start: int, end: int | None) -> Matches:
    """Return characters `start` to `end` of a page (None: to its end) as one match.

    Raises as `read_pages` does, and `NotFoundError` for characters the page doesn't have.
    """
    document = opened(job, file)
    number = parse_page_range(pages, document.total, document.label)[0]
    text = _text(job, file, document, number)
    end = len(text) if end is None else min(end, len(text))
    _check_start(number, start, len(text))
    return Matches(document.total, document.title, [_match(document, number, text, start, end)], str(number))


@told
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
    document = opened(job, file)
    draw = document.renderer()
    wanted = parse_page_range(pages or "1", document.total, document.label)
    number, *others = wanted
    boxes: list[Box] = []
    if marks:
        whole = len(_text(job, file, document, number))
        _check_start(number, min(start for start, _ in marks), whole)
        spans = [(start, whole if end is None else end) for start, end in marks]
        boxes = [box for start, end in spans for box in document.boxes(number - 1, start, end)]
    drawn = draw(number - 1, region, boxes, dpi, max_bytes)
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


def _text(job: Job, file: DocumentFile, document: OpenDocument, number: int) -> str:
    problems: dict[str, list[int]] = {}
    page = attempt(problems, number, lambda index: document.text(job, index))
    if page is None:
        raise unreadable_page(file.path, number, next(iter(problems)))
    return page.text


def _check_start(number: int, start: int, total: int) -> None:
    if start >= total:
        raise NotFoundError(
            f"Page {number} has {total:,} characters; there is nothing at {start:,}.",
            "The document may have changed since it was cited: read the page again.",
        )


def _match(document: OpenDocument, number: int, text: str, start: int, end: int) -> Match:
    return Match(
        number,
        document.label(number - 1),
        start,
        end,
        text[max(0, start - _AROUND_CHARS) : start],
        text[start : min(end, start + _MATCH_CHARS)],
        text[end : end + _AROUND_CHARS],
        tuple(document.boxes(number - 1, start, end)),
    )
