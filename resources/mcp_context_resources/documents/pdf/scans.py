"""Pages that are only pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.opened import PageText

if TYPE_CHECKING:
    import pypdfium2

    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

SCAN: Final = "a scanned picture without a text layer"


def recognised(job: Job, file: DocumentFile, document: pypdfium2.PdfDocument, index: int) -> PageText:
    """Read a page that is a picture."""
    del job, file, document, index
    return PageText("", "pdfium", problem=SCAN)
