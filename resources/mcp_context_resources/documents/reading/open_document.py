"""Open document: what can be asked of any document, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.spec import DocumentTable, Hidden, OutlineEntry
    from mcp_context_resources.workers.job import Job


@dataclass(frozen=True, slots=True)
class PageText:
    """The whole text of a page, who read it, and what was set apart from it.

    `confidence` is that of text recognised from a picture. `problem` says why there is no text where some is missing.
    """

    text: str
    engine: str
    header: str = ""
    footer: str = ""
    hidden: tuple[Hidden, ...] = ()
    confidence: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture of a page's region `box` as PNG, at `dpi`; width and height in pixels."""

    png: bytes
    width: int
    height: int
    dpi: float
    box: Box


class Renderer(Protocol):
    """Draws pages of an open document."""

    def __call__(self, index: int, region: Box | None, marks: Sequence[Box], dpi: float, max_bytes: int, /) -> Rendered:
        """Draw a page, or a region of it, with `marks` highlighted; at fewer dots an inch where it would be too large.

        Raises `InvalidInputError` for a region off the page, `ContextError` for a page that can't be drawn.
        """


class OpenDocument(Protocol):
    """An open document. Pages are counted from 0; of documents without pages, sections stand for them.

    `notes` say what of the whole document was left out.
    """

    total: int
    title: str
    notes: list[str]

    def label(self, index: int) -> str:
        """Return what is printed on a page as its number, or a section's heading; never empty."""

    def text(self, job: Job, index: int) -> PageText:
        """Return the text of a page.

        Raises `ContextError` for a page that can't be read.
        """

    def markdown(self, job: Job, index: int) -> PageText:
        """Return a page as Markdown; raises as `text` does."""

    def tables(self, job: Job, index: int) -> list[DocumentTable]:
        """Return the tables that begin on a page; raises as `text` does."""

    def missing(self, index: int) -> str:
        """Say why a page has no text of its own, such as a scan; an empty string for any other."""

    def outline(self) -> list[OutlineEntry]:
        """Return the headings in their order."""

    def properties(self, job: Job) -> tuple[dict[str, Any], list[str]]:
        """Return what the document says of itself, as JSON values, and notes about it."""

    def boxes(self, index: int, start: int, end: int) -> list[Box]:
        """Return where characters `start` to `end` of a page's text stand, a box for each line; empty if unknown."""

    def renderer(self) -> Renderer:
        """Return what draws its pages.

        Raises `InvalidInputError` for a document that has none to draw.
        """

    def close(self) -> None:
        """Release the file."""
