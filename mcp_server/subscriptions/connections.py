"""Connections that last (protocol versions with a handshake): what each wants to hear, and telling it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import anyio

if TYPE_CHECKING:
    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext

_log = logging.getLogger("fresh_context")

MOST_URIS: Final = 1_000
"""Most resources a connection or a stream hears of."""

_LIST: Final = ""


def connection_of(context: ServerRequestContext[Any]) -> Connection:
    """Return the connection a message came over; the SDK has no public way to it from a handler."""
    return context.session._connection


class LastingConnection:
    """Tells one client of changes, at its own pace: what it hasn't taken yet is told once, however often it changed.

    `wanted` are the URIs it asked to hear of, `uris` those among them that were found, each with what is meant by it.
    """

    def __init__(self, connection: Connection) -> None:
        self.wanted: set[str] = set()
        self.uris: dict[str, str] = {}
        self.scope = anyio.CancelScope()
        self._connection = connection
        self._waiting: dict[str, None] = {}
        self._wake = anyio.Event()

    def list_changed(self) -> None:
        """Have it told that the list of resources is another."""
        self._tell(_LIST)

    def updated(self, uri: str) -> None:
        """Have it told that a resource has changed."""
        self._tell(uri)

    async def run(self) -> None:
        """Tell what is to be told until the connection ends."""
        with self.scope:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                try:
                    await self._send_all()
                except Exception:  # noqa: BLE001 - one connection must not end the others
                    _log.exception("telling a client of changes failed")

    async def _send_all(self) -> None:
        while self._waiting:
            uri = next(iter(self._waiting))
            del self._waiting[uri]
            await self._send(uri)

    async def _send(self, uri: str) -> None:
        if uri == _LIST:
            await self._connection.send_resource_list_changed()
        elif uri in self.uris:
            await self._connection.send_resource_updated(uri)

    def _tell(self, uri: str) -> None:
        self._waiting[uri] = None
        self._wake.set()
