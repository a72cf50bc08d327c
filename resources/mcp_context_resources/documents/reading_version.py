"""What decides, besides a file and the settings, which text is read out of it."""

from __future__ import annotations

from typing import Final

from mcp_context_resources.documents.ocr_models import engine_version
from mcp_context_resources.installed import versions

_VERSION: Final = 2
"""To be raised with every change of the text that is read, of where its characters stand, or of what can be read."""

_PDF: Final = ("pypdf", "pypdfium2")
_CONVERTERS: Final = ("charset-normalizer", "lxml", "python-docx", "python-pptx")


def reading_version(form: str) -> str:
    """Name the readers of a format as they are installed: an extra that is added reads what was unreadable."""
    if form != "pdf":
        return converters_version()
    return f"{_VERSION} {versions(_PDF)} {engine_version() or ''}"


def converters_version() -> str:
    """Name the readers of documents other than PDFs, with the libraries they need."""
    return f"{_VERSION} {versions(_CONVERTERS)}"
