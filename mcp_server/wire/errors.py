"""From errors to the wire: the one place where a `ContextError` becomes a tool result."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, PaginatedRequestParams, TextContent

from mcp_context_resources.errors import AccessDeniedError, ContextError, InvalidInputError, NotFoundError
from mcp_server.wire.utf8_safe import sendable

_MOST_CHARS: Final = 1_200
# Whoever asked can do something about these.
_OF_THE_CALLER: Final = (InvalidInputError, NotFoundError, AccessDeniedError)

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from mcp_server.redaction.redacting import RedactedCall, Redaction


def error_result(error: ContextError) -> CallToolResult:
    """Tell a model what went wrong and what to do next, in both channels."""
    # An error may quote a name that UTF-8 can't carry.
    message, hint = (_shortened(sendable(part)) for part in (error.message, error.hint))
    text = f"{message}\nHint: {hint}" if hint else message
    details = {"code": error.code, "message": message, "hint": hint}
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content={"error": details}, is_error=True
    )


def code_of(error: ContextError) -> int:
    """Return the code of an error for what answers with no result: -32602 for a wrong argument, else -32603."""
    return INVALID_PARAMS if isinstance(error, _OF_THE_CALLER) else INTERNAL_ERROR


def refuse_cursor(params: PaginatedRequestParams | None) -> None:
    """Refuse any cursor for a list of one page, as the spec wants it: -32602."""
    if params is not None and params.cursor is not None:
        raise MCPError(INVALID_PARAMS, "Unknown cursor: the list has one page.")


def _shortened(text: str) -> str:
    """Cut what an engine or a caller's own text made too long to read."""
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}… [{len(text) - _MOST_CHARS:,} more characters]"


def bad_arguments(tool: str, model: type[BaseModel], error: ValidationError) -> InvalidInputError:
    """Tell which arguments are wrong and why, with the nearest name for an unknown one."""
    known = list(model.model_fields)
    problems = [_problem(dict(issue), known) for issue in error.errors()[:5]]
    return InvalidInputError(f"{tool}: {'; '.join(problems)}.", f"Its parameters are {', '.join(known)}.")


def _problem(issue: dict[str, Any], known: list[str]) -> str:
    place = issue["loc"]
    name = str(place[0]) if place else "arguments"
    if issue["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        return f"there is no parameter {name!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
    if issue["type"] == "missing":
        return f"{name!r} is required"
    message = str(issue["msg"])
    return f"{name!r}: {message[0].lower()}{message[1:]}"


def told_of(error: ContextError, redaction: Redaction | None, call: RedactedCall | None = None) -> ContextError:
    """Return an error as a client is told of it; `call` is None, too, where its arguments couldn't be turned back."""
    if call is not None:
        return call.error(error)
    return error if redaction is None else redaction.error(error)
