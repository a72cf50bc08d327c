"""The prompts: what a host offers as commands, each with context fetched at the moment it is used."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPLETED: Final[Mapping[tuple[str, str], Literal["table", "document", "page"]]] = MappingProxyType(
    {
        ("explore_table", "table"): "table",
        ("summarize_document", "document"): "document",
        ("summarize_document", "pages"): "page",
        ("compare_documents", "a"): "document",
        ("compare_documents", "b"): "document",
    }
)
"""What the arguments of prompts are completed with, by prompt and argument; the others are words of the user."""
