"""`read_document`: a document as text, Markdown, tables, picture, outline or properties, and places in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from mcp_context_resources.documents.citation import parse_place
from mcp_context_resources.errors import NotFoundError
from mcp_context_tools.document_views import find, outline, pages, picture, properties, tables
from mcp_context_tools.document_views.arguments import ReadDocumentInput
from mcp_context_tools.tool import Report, Services, Tool, ToolResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    _View = Callable[[Services, ReadDocumentInput, Report], Awaitable[ToolResult]]

_TABLE: Final = "table://"
_VIEWS: Final[dict[str, _View]] = {
    "text": pages.read,
    "markdown": pages.read,
    "tables": tables.read,
    "image": picture.read,
    "outline": outline.read,
    "properties": properties.read,
    "find": find.read,
}


async def _read_document(services: Services, arguments: ReadDocumentInput, report: Report) -> ToolResult:
    if arguments.document.startswith(_TABLE):
        name = unquote(arguments.document.removeprefix(_TABLE))
        dialect = services.tables.dialect
        raise NotFoundError(
            f"{arguments.document[:200]!r} names a table, not a document.",
            f"Read it with query_tables, such as {dialect.rows(dialect.identifier(name[:200]), limit=20)}.",
        )
    place = parse_place(arguments.document)
    if place.start is not None and arguments.view in ("text", "markdown") and arguments.pages is None:
        return await find.passage(services, place)
    return await _VIEWS["find" if arguments.find and arguments.view == "text" else arguments.view](
        services, arguments, report
    )


READ_DOCUMENT: Final = Tool(
    name="read_document",
    title="Read a document",
    description=(
        "Read pages of a PDF (or sections of a text, Markdown, HTML, Word, PowerPoint, EPUB, e-mail or notebook file)."
        " Give pages when you know them; outline and find tell which. A cut answer says how to go on. Cite as"
        " document://NAME/page/3 or, for a quote, document://NAME/page/3#chars=120-240: given as document, it shows the"
        " passage, with view image marked on its page."
    ),
    input=ReadDocumentInput,
    run=_read_document,
)
