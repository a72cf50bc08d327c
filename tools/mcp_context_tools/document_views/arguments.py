"""Arguments of `read_document`, and what its views share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from mcp_context_resources.documents.citation import place_uri
from mcp_context_tools.rendering import Untrusted, compact_json, refs
from mcp_context_tools.tool import ToolInput

if TYPE_CHECKING:
    from mcp_context_resources.documents.service import FromDocument
    from mcp_context_resources.documents.spec import Hidden
    from mcp_context_resources.provenance import SourceRef

FRAME_CHARS: Final = 1_500
"""Room for what surrounds the content of an answer, in both channels."""


def _as_text(value: object) -> object:
    """Take a bare number for the page it means."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class ReadDocumentInput(ToolInput):
    """Arguments of `read_document`."""

    document: str = Field(
        min_length=1,
        max_length=2_000,
        description="Name from list_sources, or a cited place: document://NAME/page/3#chars=120-240.",
    )
    pages: Annotated[str | None, BeforeValidator(_as_text)] = Field(
        default=None,
        max_length=1_000,
        description="Such as 5, 2-4, 7- or 1-3,8; printed labels as iv, A-3, =12; default all.",
    )
    view: Literal["text", "markdown", "tables", "image", "outline", "properties", "find"] = Field(
        default="text",
        description=(
            "text; markdown (headings, lists, tables, links); tables (each can be queried by SQL under its name); image"
            " (one page as PNG); outline; properties (metadata, form fields, annotations, attachments); find."
        ),
    )
    offset: int = Field(
        default=0, ge=0, description="To go on inside the first page (or the outline): as the answer before says."
    )
    max_chars: int | None = Field(default=None, ge=100, description="Most characters of content to return.")
    find: str | None = Field(default=None, max_length=1_000, description="What view find looks for.")
    regex: bool = Field(default=False, description="Take find for a Python regular expression.")
    region: list[float] | None = Field(
        default=None,
        min_length=4,
        max_length=4,
        description="For image: left, top, right, bottom in points from the page's top left corner; default all.",
    )
    dpi: int = Field(default=110, ge=24, le=600, description="For image: dots per inch.")
    version: str | None = Field(
        default=None, max_length=64, description="Fingerprint of the pages before, to go on in the same version."
    )


def heading(found: FromDocument[Any], what: str, untrusted: Untrusted) -> str:
    """Begin an answer: the document, what follows, the warning, and the title the document gives itself."""
    title = found.content.title
    shown = f"\n{untrusted.wrap(title, 'title')}" if title else ""
    return f"{found.source.name}: {what}. {untrusted.warning}{shown}"


def noun(found: FromDocument[Any]) -> str:
    """Say what the parts of a document are."""
    return "page" if found.source.format == "pdf" else "section"


def frame(found: FromDocument[Any]) -> dict[str, Any]:
    """Begin the structured content of an answer."""
    return {
        "document": found.source.name,
        "title": found.content.title,
        "total_pages": found.content.total_pages,
        "untrusted": True,
    }


def going_on(ref: SourceRef, pages: str, offset: int) -> dict[str, Any]:
    """Say where an answer goes on, for `next`."""
    return {"pages": pages, "offset": offset, "version": ref.fingerprint}


def more(data: dict[str, Any]) -> str:
    """Say in words where an answer goes on; an empty string where it doesn't."""
    if "next" not in data:
        return ""
    arguments = ", ".join(f"{name}={compact_json(value)}" for name, value in data["next"].items())
    return f"\nMore: call read_document again with {arguments}."


def finished(data: dict[str, Any], found: FromDocument[Any], notes: list[str]) -> dict[str, Any]:
    """End the structured content of an answer."""
    if notes:
        data["notes"] = notes
    data["truncated"] = "next" in data
    data["sources"] = refs([found.ref])
    return data


def hidden_entry(hidden: Hidden) -> dict[str, str]:
    """Show hidden text for what it is."""
    return {"why": hidden.reason, "text": hidden.text}


def cite_as(found: FromDocument[Any]) -> str:
    """Say how places in the document are cited."""
    return place_uri(found.source.name, 0).removesuffix("0") + "N#chars=A-B"
