"""Reading a resource by its URI, fresh, within the budget, redacted where redaction is on."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    BlobResourceContents,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextResourceContents,
)
from pydantic import ValidationError

from mcp_context_resources.errors import (
    ContextError,
    SourceChangedError,
    StaleCursorError,
)
from mcp_context_tools.tool import Tool, ToolInput
from mcp_server.apps.viewer import read_app
from mcp_server.resources.documents import read_image, read_page, read_passage
from mcp_server.resources.models import read_model
from mcp_server.resources.overview import read_document
from mcp_server.resources.refusal import refusal, refused
from mcp_server.resources.rendering import json_text
from mcp_server.resources.results import PREFIX, read_result
from mcp_server.resources.tables import read_schema, read_table
from mcp_server.resources.targets import View, target_of
from mcp_server.resources.templates import JSON, MARKDOWN, PNG, TEXT
from mcp_server.wire.errors import told_of
from mcp_server.wire.utf8_safe import sendable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server.context import ServerRequestContext

    from mcp_context_tools.tool import Report, Services, ToolResult
    from mcp_server.redaction.redacting import RedactedCall, Redaction
    from mcp_server.resources.targets import Target

_log = logging.getLogger("fresh_context")

_META: Final = "fresh-context/"
_TOLD: Final = ("sources", "untrusted", "page", "total_pages", "width", "height", "notes", "next", "redacted")


@dataclass(frozen=True, slots=True)
class _ResourceReader:
    """How a view is read. `tool` is the one that tells the same: redaction treats both alike."""

    tool: str
    mime_type: str
    read: Callable[[Services, Target, Report], Awaitable[ToolResult]]


_READERS: Final[dict[View, _ResourceReader]] = {
    "table": _ResourceReader("describe_table", MARKDOWN, read_table),
    "schema": _ResourceReader("describe_table", JSON, read_schema),
    "document": _ResourceReader("read_document", MARKDOWN, read_document),
    "page": _ResourceReader("read_document", TEXT, read_page),
    "passage": _ResourceReader("read_document", TEXT, read_passage),
    "image": _ResourceReader("read_document", PNG, read_image),
    "model": _ResourceReader("list_sources", JSON, read_model),
}


def resource_reader(
    redaction: Redaction | None,
) -> Callable[[ServerRequestContext[Services], ReadResourceRequestParams], Awaitable[ReadResourceResult]]:
    """Make what answers `resources/read`, redacted where `redaction` is given.

    What is not there is -32602 with the URI, in every version of the protocol (SEP-2164); what is there and can't be
    read is -32603.
    """

    async def read_resource(
        context: ServerRequestContext[Services], params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        uri = sendable(params.uri)
        if (app := read_app(uri)) is not None:
            return app
        call: RedactedCall | None = None
        try:
            if redaction is not None:
                call = redaction.call({"uri": uri})
            return await _read(context.lifespan_context, uri, redaction, call)
        except ContextError as error:
            told = told_of(error, redaction, call)
            raise refused(error, told, uri) from error
        except ValidationError as error:
            raise refusal(INVALID_PARAMS, "The URI is too long.", uri) from error
        except Exception as error:
            _log.exception("reading a resource failed")
            raise refusal(INTERNAL_ERROR, "Reading failed inside the server; its log has details.", uri) from error

    return read_resource


async def _read(
    services: Services, uri: str, redaction: Redaction | None, call: RedactedCall | None
) -> ReadResourceResult:
    wanted = uri if call is None else str(call.arguments["uri"])
    if wanted.startswith(PREFIX):
        return await anyio.to_thread.run_sync(read_result, services.tables.results, wanted, redaction)
    try:
        return await _shown(services, uri, wanted, call)
    except (SourceChangedError, StaleCursorError):  # the next version may be there to stay
        return await _shown(services, uri, wanted, call)


async def _shown(services: Services, uri: str, wanted: str, call: RedactedCall | None) -> ReadResourceResult:
    target = await target_of(services, wanted)
    reader = _READERS[target.view]
    if call is None:
        answer = await reader.read(services, target, _silent)
    else:
        alike: Tool[Any] = Tool(reader.tool, reader.tool, "", ToolInput, reader.read)
        answer = await call.run(alike, services, target, _silent)
    return ReadResourceResult(contents=[_content(uri, reader.mime_type, answer)])


def _content(uri: str, mime_type: str, answer: ToolResult) -> TextResourceContents | BlobResourceContents:
    if mime_type == JSON:
        return TextResourceContents(uri=uri, mime_type=mime_type, text=sendable(json_text(answer.data)))
    meta = sendable({f"{_META}{name}": answer.data[name] for name in _TOLD if name in answer.data})
    if mime_type == PNG:
        blob = base64.b64encode(answer.images[0].data).decode()
        return BlobResourceContents(uri=uri, mime_type=mime_type, blob=blob, _meta=meta)
    return TextResourceContents(uri=uri, mime_type=mime_type, text=sendable(answer.text), _meta=meta)


async def _silent(done: float, total: float | None = None, message: str | None = None) -> None:
    """Hear of progress; nobody waits for it here."""
