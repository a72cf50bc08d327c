"""Which files are documents that get converted."""

from __future__ import annotations

from typing import Final

CONVERTED_FORMATS: Final[dict[str, str]] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "markdown",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".log": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".docx": "docx",
    ".docm": "docx",
    ".dotx": "docx",
    ".pptx": "pptx",
    ".pptm": "pptx",
    ".ppsx": "pptx",
    ".potx": "pptx",
    ".epub": "epub",
    ".eml": "email",
    ".ipynb": "notebook",
}
"""File name ending → form."""
