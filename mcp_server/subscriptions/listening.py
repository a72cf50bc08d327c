"""Listening: streams of changes (`subscriptions/listen`, protocol version 2026-07-28)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler

from mcp_server.subscriptions.connections import MOST_URIS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from mcp.server.context import ServerRequestContext
    from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

    Attend = Callable[[Sequence[str]], AbstractAsyncContextManager[None]]
    """Sees to it that changes of these URIs, and of the list, are published within the block."""

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
