"""The resources: what a host can read by URI. Everything here can also be reached through a tool."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    ResourceTemplate,
    TextResourceContents,
)

from mcp_context_resources.errors import ContextError, NotFoundError
from mcp_server.errors import refuse_cursor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server.context import ServerRequestContext

    from mcp_context_resources.tables.results import Results
    from mcp_context_tools.tool import Services
    from mcp_server.redacting import Redaction

_RESULT: Final = ResourceTemplate(
    name="result",
    title="Saved result",
    uri_template="result://{id}",
    description="The whole result of query_tables with save, as CSV, NDJSON or Parquet.",
)

_TOOLS: Final = {
    "document": "Read it with read_document: give it this URI as document.",
    "table": "Read it with query_tables: write its name after FROM.",
    "model": "Use it with run_model.",
}


async def list_resources(
    _context: ServerRequestContext[Services], params: PaginatedRequestParams | None
) -> ListResourcesResult:
    """Answer `resources/list`: nothing is listed, saved results are known by the link to them."""
    refuse_cursor(params)
    return ListResourcesResult(resources=[])


async def list_resource_templates(
    _context: ServerRequestContext[Services], params: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    """Answer `resources/templates/list`: one page, always in the same order."""
    refuse_cursor(params)
    return ListResourceTemplatesResult(resource_templates=[_RESULT])


def resource_reader(
    redaction: Redaction | None,
) -> Callable[[ServerRequestContext[Services], ReadResourceRequestParams], Awaitable[ReadResourceResult]]:
    """Make what answers `resources/read`, redacted where `redaction` is given.

    What is not there or can't be read is -32602 with the URI, as the spec wants.
    """

    async def read_resource(
        context: ServerRequestContext[Services], params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        uri = str(params.uri)
        try:
            return await anyio.to_thread.run_sync(_read, context.lifespan_context.tables.results, uri, redaction)
        except ContextError as error:
            told = error if redaction is None else redaction.error(error)
            raise MCPError(INVALID_PARAMS, str(told), {"uri": uri}) from error

    return read_resource


def _read(results: Results, uri: str, redaction: Redaction | None) -> ReadResourceResult:
    scheme, _, name = uri.partition("://")
    if scheme in _TOOLS:
        raise NotFoundError(f"{scheme}://{name[:200]} is not a saved result.", _TOOLS[scheme])
    found = results.find(uri)
    content = results.read(found)
    if redaction is not None:
        text = redaction.saved(content, found.format)
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=found.mime_type, text=text)])
    if found.format == "parquet":
        blob = base64.b64encode(content).decode()
        return ReadResourceResult(contents=[BlobResourceContents(uri=uri, mime_type=found.mime_type, blob=blob)])
    return ReadResourceResult(
        contents=[TextResourceContents(uri=uri, mime_type=found.mime_type, text=content.decode())]
    )
