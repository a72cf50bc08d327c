"""The readers' functions by name, without importing the engines: what the service hands to a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.spec import (
        DocumentFile,
        Matches,
        Outline,
        PageCount,
        PagePicture,
        Properties,
        Reading,
        TablesFound,
    )
    from mcp_context_resources.workers.job import Job


def read_pages(job: Job, file: DocumentFile, pages: str, offset: int, max_chars: int, markdown: bool) -> Reading:
    """See `reading.read_pages`."""
    from mcp_context_resources.documents import reading

    return reading.read_pages(job, file, pages, offset, max_chars, markdown=markdown)


def page_numbers(job: Job, file: DocumentFile, pages: str) -> list[int]:
    """See `reading.page_numbers`."""
    from mcp_context_resources.documents import reading

    return reading.page_numbers(job, file, pages)


def count_pages(job: Job, files: Sequence[DocumentFile]) -> list[PageCount]:
    """See `opening.count_pages`."""
    from mcp_context_resources.documents import opening

    return opening.count_pages(job, files)


def read_outline(job: Job, file: DocumentFile, skip: int, most: int) -> Outline:
    """See `reading.read_outline`."""
    from mcp_context_resources.documents import reading

    return reading.read_outline(job, file, skip, most)


def read_properties(job: Job, file: DocumentFile) -> Properties:
    """See `reading.read_properties`."""
    from mcp_context_resources.documents import reading

    return reading.read_properties(job, file)


def read_tables(job: Job, file: DocumentFile, pages: str, max_cells: int) -> TablesFound:
    """See `reading.read_tables`."""
    from mcp_context_resources.documents import reading

    return reading.read_tables(job, file, pages, max_cells)


def find(job: Job, file: DocumentFile, query: str, regex: bool, pages: str, offset: int, most: int) -> Matches:
    """See `places.find`."""
    from mcp_context_resources.documents import places

    return places.find(job, file, query, pages, offset, most, regex=regex)


def read_passage(job: Job, file: DocumentFile, pages: str, start: int, end: int | None) -> Matches:
    """See `places.read_passage`."""
    from mcp_context_resources.documents import places

    return places.read_passage(job, file, pages, start, end)


def read_picture(
    job: Job,
    file: DocumentFile,
    pages: str,
    region: Box | None,
    marks: Sequence[tuple[int, int | None]],
    dpi: float,
    max_bytes: int,
) -> PagePicture:
    """See `places.read_picture`."""
    from mcp_context_resources.documents import places

    return places.read_picture(job, file, pages, region, marks, dpi, max_bytes)
