"""Connections of clients that listen: lasting ones (with a handshake), and streams (`subscriptions/listen`)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext
    from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

    Attend = Callable[[Sequence[str]], AbstractAsyncContextManager[None]]
    """Sees to it that changes of these URIs, and of the list, are published within the block."""

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


_MOST_BUFFERED: Final = 4 * MOST_URIS


class Listening(ListenHandler):
    """Serves streams of changes published on `bus`; files are watched while one asks for resources.

    Of more than a thousand URIs only the first thousand are heard of, as the acknowledgement says.
    """

    def __init__(self, attend: Attend) -> None:
        self.bus = InMemorySubscriptionBus()
        self._attend = attend
        super().__init__(self.bus, max_buffered_events=_MOST_BUFFERED)

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve one stream until the client leaves it or it is closed."""
        wanted = params.notifications
        uris = list(dict.fromkeys(wanted.resource_subscriptions or ()))[:MOST_URIS]
        if not (uris or wanted.resources_list_changed):
            return await super().__call__(ctx, params)
        heard = wanted.model_copy(update={"resource_subscriptions": uris})
        async with self._attend(uris):
            return await super().__call__(ctx, params.model_copy(update={"notifications": heard}))
