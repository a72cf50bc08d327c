"""Refusal: errors about a resource on the wire, the same for reading it and for subscribing to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp.shared.exceptions import MCPError

from mcp_server.resources.targets import MAX_URI_CHARS
from mcp_server.wire.errors import code_of
from mcp_server.wire.utf8_safe import sendable

if TYPE_CHECKING:
    from mcp_context_resources.errors import ContextError

_MOST_CHARS: Final = 1_200


def refused(error: ContextError, told: ContextError, uri: str) -> MCPError:
    """Return what answers for an error, in the words of `told` (the same, redacted where redaction is on).

    What is not there is -32602 with the URI, in every version of the protocol (SEP-2164); what is there and can't be
    read is -32603.
    """
    return refusal(code_of(error), str(told), uri)


def refusal(code: int, message: str, uri: str) -> MCPError:
    """Return a protocol error about a URI, both cut where they are too long to read."""
    message = sendable(message)
    shown = message if len(message) <= _MOST_CHARS else f"{message[:_MOST_CHARS]}…"
    return MCPError(code, shown, {"uri": sendable(uri[:MAX_URI_CHARS])})
