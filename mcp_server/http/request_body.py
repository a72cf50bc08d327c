"""Request bodies: read whole before anything is done, bounded in size and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from mcp_server.http.refusal import RejectedRequest

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

# A client that is still sending doesn't see the answer before a connection closes, so somewhat more is read for it.
_DISCARDED: Final = 4


async def read_body(scope: Scope, receive: Receive, *, most: int, seconds: float) -> bytes:
    """Return the body of a request, at most `most` bytes that come in within `seconds`.

    Raises `RejectedRequest` (413, 408, 400) and `ClientDisconnect`.
    """
    declared = Headers(scope=scope).get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()):
        raise RejectedRequest(400, "Content-Length is no number.")
    announced = int(declared) > most
    if announced and "expect" in Headers(scope=scope):
        raise _too_large(most)
    body, size = bytearray(), 0
    with anyio.move_on_after(seconds) as clock:
        more = True
        while more and size <= _DISCARDED * most:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size <= most and not announced:
                body += part
            else:
                body.clear()
    if announced or size > most:
        raise _too_large(most)
    if clock.cancelled_caught:
        raise RejectedRequest(408, f"The request body took longer than {seconds:g} s to come in.", Connection="close")
    return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a channel that first gives a body already read, then goes on with what comes."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def _too_large(most: int) -> RejectedRequest:
    return RejectedRequest(413, f"The request body is larger than {most:,} bytes.", Connection="close")
