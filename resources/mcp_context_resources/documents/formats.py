"""Which files are documents."""

from __future__ import annotations

from typing import Final

DOCUMENT_FORMATS: Final[dict[str, str]] = {".pdf": "pdf"}
"""File name ending → format."""
