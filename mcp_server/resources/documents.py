"""Places in a document as resources: pages, a cited passage, a page as a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.citation import place_uri
from mcp_context_resources.documents.page_range import range_numbers
from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.document_views import find, pages
from mcp_context_tools.document_views.arguments import ReadDocumentInput
from mcp_context_tools.rendering import refs
from mcp_context_tools.tool import Image, ToolResult
from mcp_server.resources.rendering import in_one_channel
from mcp_server.resources.templates import PNG

if TYPE_CHECKING:
    from mcp_context_tools.tool import Report, Services
    from mcp_server.resources.targets import Target

_DPI: Final = 110.0
_KEPT: Final = ("sources", "untrusted", "total_pages", "notes")


async def read_page(services: Services, target: Target, report: Report) -> ToolResult:
    """Return the text of the pages a URI names, marked as `read_document` marks it, and the URI that follows.

    Raises what `Documents.read` does.
    """
    given = ReadDocumentInput(document=target.name, pages=target.place.pages)
    return await in_one_channel(
        services, lambda roomy: pages.read(roomy, given, report), lambda told: _page(told, target.name)
    )


async def read_passage(services: Services, target: Target, report: Report) -> ToolResult:
    """Return the characters a URI cites with the text around them; raises what `Documents.passage` does."""
    del report
    return await in_one_channel(
        services, lambda roomy: find.passage(roomy, target.place), lambda told: _passage(services, told, target)
    )


async def read_image(services: Services, target: Target, report: Report) -> ToolResult:
    """Return a page of a PDF as PNG, with the cited passage marked; raises what `Documents.picture` does."""
    del report
    place = target.place
    marks = () if place.start is None else ((place.start, place.end),)
    found = await services.documents.picture(target.name, pages=place.pages, marks=marks, dpi=_DPI)
    drawn = found.content
    data: dict[str, Any] = {
        "page": drawn.number,
        "total_pages": drawn.total_pages,
        "width": drawn.width,
        "height": drawn.height,
        "notes": shared.few_notes(drawn.notes, services.budget.max_chars),
        "untrusted": True,
        "sources": refs([found.ref]),
    }
    return ToolResult("", data, (Image(PNG, drawn.png),))


def _text_of(told: ToolResult) -> ToolResult:
    return ToolResult(told.text, {name: told.data[name] for name in _KEPT if name in told.data})


def _passage(services: Services, told: ToolResult, target: Target) -> ToolResult:
    """Keep the text; name the picture of the page with the passage marked, and the URI of what didn't fit."""
    lines = []
    if target.source is not None and services.documents.readers.of(target.source.format).paged:
        page, mark, characters = str(told.data["matches"][0]["uri"]).partition("#")
        lines.append(f"As a picture: {page}/image{mark}{characters}")
    return _followed(_with(_text_of(told), *lines), told.data.get("next", {}).get("document", ""))


def _page(told: ToolResult, name: str) -> ToolResult:
    """Keep the text, and name the URI with which reading goes on."""
    uri = ""
    if (following := told.data.get("next")) is not None:
        uri = place_uri(name, range_numbers(following["pages"])[0], following["offset"] or None)
    elif (last := max((page["number"] for page in told.data["pages"]), default=0)) < told.data["total_pages"]:
        uri = place_uri(name, last + 1)
    return _followed(_text_of(told), uri)


def _followed(shown: ToolResult, uri: str) -> ToolResult:
    return replace(_with(shown, f"Next: {uri}"), data=shown.data | {"next": uri}) if uri else shown


def _with(shown: ToolResult, *lines: str) -> ToolResult:
    return replace(shown, text="\n".join([shown.text, *lines]))
