"""The reader's functions by name, without importing the PDF engines: what the service hands to a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.spec import PageCount, Reading
    from mcp_context_resources.workers.job import Job


def read_pages(job: Job, path: str, fingerprint: str, pages: str, offset: int, max_chars: int) -> Reading:
    """See `pdf.read_pages`."""
    from mcp_context_resources.documents import pdf

    return pdf.read_pages(job, path, fingerprint, pages, offset, max_chars)


def count_pages(job: Job, files: Sequence[tuple[str, str]]) -> list[PageCount]:
    """See `pdf.count_pages`."""
    from mcp_context_resources.documents import pdf

    return pdf.count_pages(job, files)
