"""What a table found on a page is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp_context_resources.documents.geometry import Box


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table on one page.

    `rows` is rectangular, all text, and begins with the `header_rows` rows of the header. The text of a merged cell is
    in every cell it spans where it belongs to the header, so that each column has its full name; in the body it is
    repeated down but not across, so that a label counts for each of its rows and a value is never counted twice.
    """

    box: Box
    rows: tuple[tuple[str, ...], ...]
    header_rows: int
    ruled: bool
    caption: str = ""
