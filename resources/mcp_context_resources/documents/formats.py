"""Which files are documents."""

from __future__ import annotations

from typing import Final

from mcp_context_resources.documents.converted_formats import CONVERTED_FORMATS

DOCUMENT_FORMATS: Final[dict[str, str]] = {".pdf": "pdf", **CONVERTED_FORMATS}
"""File name ending → format."""
