"""Tool registry: our tools as an SDK server, exact where the SDK's comfortable layer is loose.

The low-level server is used so that schemas are strict and small, unknown tools and bad cursors are protocol errors
(-32602), and both result channels are ours to write.
"""

from __future__ import annotations

import base64
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ImageContent,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    ResourceLink,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import ValidationError

from mcp_context_resources.errors import ContextError
from mcp_server.apps.viewer import tool_meta
from mcp_server.wire.elicitation import Asking, choosing
from mcp_server.wire.errors import bad_arguments, error_result, refuse_cursor
from mcp_server.wire.utf8_safe import sendable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp.server.context import ServerRequestContext
    from pydantic import BaseModel

    from mcp_context_tools.tool import Image, Link, Services, ToolResult
    from mcp_context_tools.tool import Tool as ContextTool
    from mcp_server.redaction.redacting import RedactedCall, Redaction

_log = logging.getLogger("fresh_context")
_PROGRESS_SECONDS: Final = 0.2


class ToolRegistry:
    """Serves `tools/list` and `tools/call` for a fixed set of tools, redacted where `redaction` is given."""

    def __init__(self, tools: Sequence[ContextTool[Any]], redaction: Redaction | None = None) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._redaction = redaction
        self._defined: dict[str, Tool] = {}

    async def list_tools(
        self, _context: ServerRequestContext[Services], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """Answer `tools/list`: one page, always in the same order."""
        refuse_cursor(params)
        return ListToolsResult(tools=[self._definition(name) for name in self._tools])

    def input_schema(self, name: str) -> dict[str, Any] | None:
        """Return the input schema of a tool, None where there is no such tool."""
        return self._definition(name).input_schema if name in self._tools else None

    def _definition(self, name: str) -> Tool:
        """Make a definition once, when it is first wanted: at the start most are told by the front door."""
        if name not in self._defined:
            self._defined[name] = _definition(self._tools[name])
        return self._defined[name]

    async def call_tool(
        self, context: ServerRequestContext[Services], params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        """Answer `tools/call`. Failures a caller can act on are results with `isError`."""
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name[:200]}. There is {', '.join(self._tools)}.")
        return await self._run(tool, context, params)

    async def _run(
        self, tool: ContextTool[Any], context: ServerRequestContext[Services], params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        call: RedactedCall | None = None
        services, progress = context.lifespan_context, _Progress(context)

        async def attempt(arguments: dict[str, Any]) -> ToolResult:
            try:
                given = tool.input.model_validate(arguments)
            except ValidationError as error:
                raise bad_arguments(tool.name, tool.input, error) from error
            running = tool.run(services, given, progress) if call is None else call.run(tool, services, given, progress)
            return await running

        try:
            if self._redaction is not None:
                call = self._redaction.call(params.arguments or {})
            arguments = (params.arguments or {}) if call is None else call.arguments
            asking = Asking(context, params, str if call is None else call.text)
            answer = await choosing(asking, arguments, attempt)
        except ContextError as error:
            return error_result(error if call is None else call.error(error))
        except Exception:  # noqa: BLE001 - a fault of ours must not end the session
            _log.exception("%s failed", tool.name)
            return error_result(
                ContextError(
                    f"{tool.name} failed inside the server.", "This is a fault of the server; its log has details."
                )
            )
        if isinstance(answer, InputRequiredResult):
            return answer
        return CallToolResult(
            content=[
                TextContent(type="text", text=sendable(answer.text)),
                *map(_image_content, answer.images),
                *map(_resource_link, answer.links),
            ],
            structured_content=sendable(answer.data),
            is_error=False,
        )


def _image_content(image: Image) -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(image.data).decode(), mime_type=image.mime_type)


def _resource_link(link: Link) -> ResourceLink:
    return ResourceLink(type="resource_link", uri=link.uri, name=link.name, mime_type=link.mime_type, size=link.size)


class _Progress:
    """Sends progress that only ever grows, and not too often: what counts anew from 0 goes on from what was sent."""

    def __init__(self, context: ServerRequestContext[Services]) -> None:
        self._context = context
        self._last = -1.0
        self._sent_at = 0.0
        self._heard = self._before = 0.0

    async def __call__(self, done: float, total: float | None = None, message: str | None = None) -> None:
        if done < self._heard:
            self._before = max(0.0, self._last)
        self._heard = done
        so_far = self._before + done
        now = time.monotonic()
        if so_far <= self._last or now - self._sent_at < _PROGRESS_SECONDS:
            return
        self._last, self._sent_at = so_far, now
        await self._context.session.report_progress(so_far, None if total is None else self._before + total, message)


def _definition(tool: ContextTool[Any]) -> Tool:
    return Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool.input),
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
        _meta=tool_meta(tool.name),
    )


def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a tool's input without what costs tokens and tells nothing."""
    schema = model.model_json_schema()
    schema.pop("description", None)
    slim = _slim(schema)
    assert isinstance(slim, dict)  # noqa: S101 - an object stays an object
    return slim


def _slim(node: Any) -> Any:
    """Drop titles and null defaults, and fold `anyOf: [X, null]` of an optional parameter into X."""
    if isinstance(node, list):
        return [_slim(item) for item in node]
    if not isinstance(node, dict):
        return node
    slim = {key: _slim(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    if "default" in slim and slim["default"] in (None, [], ""):
        del slim["default"]
    choices = slim.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        rest = [choice for choice in choices if choice != {"type": "null"}]
        del slim["anyOf"]
        slim |= rest[0] if len(rest) == 1 else {"anyOf": rest}
    return slim
