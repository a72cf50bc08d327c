"""Subscription service: from changes of files to notifications, for every client that wants to hear of them."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    NotificationParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)

from mcp_context_resources.documents.table_names import parse_table_name
from mcp_context_resources.errors import ContextError, NotFoundError
from mcp_context_resources.tables.model_tables.spec import KIND
from mcp_context_resources.watch.service import Watch
from mcp_context_resources.workspace.names import lookup_key
from mcp_server.apps.viewer import read_app
from mcp_server.resources.refusal import refusal, refused
from mcp_server.resources.results import PREFIX
from mcp_server.resources.targets import target_of
from mcp_server.subscriptions.connections import MOST_URIS, LastingConnection, Listening, connection_of
from mcp_server.subscriptions.uris import Register, keys_of_source, keys_of_uri
from mcp_server.wire.errors import told_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from anyio.abc import TaskGroup
    from mcp.server.context import ServerRequestContext

    from mcp_context_resources.watch.settings import WatchSettings
    from mcp_context_resources.watch.snapshot import Changes
    from mcp_context_tools.tool import Services
    from mcp_server.redaction.redacting import Redaction
    from mcp_server.subscriptions.server import NotifyingServer

    Context = ServerRequestContext[Services]

_STATE: Final = "fresh_context.subscriptions"
_MOST_SPELLED: Final = 50


class Subscriptions:
    """Watches the files of a server while clients want to hear of changes, and tells each what it wants to hear.

    `cache` is the folder of derived files, in which tables come and go, too.
    """

    def __init__(self, settings: WatchSettings, cache: Callable[[], Path], redaction: Redaction | None) -> None:
        self._settings = settings
        self._cache = cache
        self._redaction = redaction
        self._register = Register()
        self._connections: dict[LastingConnection, Callable[[], None]] = {}
        self._listening = Listening(self._attended)
        self._watch: Watch | None = None
        self._group: TaskGroup | None = None
        self._services: Services | None = None

    def serve(self, server: NotifyingServer, *, lasting: bool) -> None:
        """Add the methods by which clients say what they want to hear.

        Where connections are not `lasting`, nobody with a handshake can be told anything.
        """
        server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listening)
        if lasting:
            server.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
            server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
            server.add_notification_handler("notifications/initialized", NotificationParams, self._initialized)
            server.notifies = True

    @asynccontextmanager
    async def over(self, opened: AbstractAsyncContextManager[Services]) -> AsyncIterator[Services]:
        """Open services, and watch their files within the block."""
        async with opened as services, anyio.create_task_group() as group:
            beside = self._cache() / KIND
            watch = Watch(services.workspace, services.tables.catalogue, self._settings, beside=beside)
            self._watch, self._group, self._services = watch, group, services
            group.start_soon(watch.run, self._tell)
            try:
                yield services
            finally:
                self._watch = self._group = self._services = None
                group.cancel_scope.cancel()

    async def _initialized(self, context: Context, _params: NotificationParams) -> None:
        self._connection(context)

    async def _subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        uri = str(params.uri)
        connection = self._connection(context)
        if connection is None:
            raise refusal(INVALID_PARAMS, "This connection can't be told of changes.", uri)
        if uri not in connection.wanted and len(connection.wanted) >= MOST_URIS:
            raise refusal(INVALID_PARAMS, f"More than {MOST_URIS:,} subscriptions; end some first.", uri)
        connection.wanted.add(uri)
        try:
            if self._watch is not None:
                await self._watch.attend()
            meant = await self._meant(context.lifespan_context, uri)
        except BaseException:
            if uri not in connection.uris:
                connection.wanted.discard(uri)
            raise
        # It may have been ended, or the whole connection, while this was waiting.
        if uri in connection.wanted and uri not in connection.uris:
            connection.uris[uri] = meant
            self._register.add({uri: meant})
        return EmptyResult()

    async def _unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        uri = str(params.uri)
        connection = self._connection(context)
        if connection is not None:
            connection.wanted.discard(uri)
            if (meant := connection.uris.pop(uri, None)) is not None:
                self._register.remove({uri: meant})
        return EmptyResult()

    def _connection(self, context: Context) -> LastingConnection | None:
        """Return what is known of a connection, from now on told of changes; None for one that can't be told."""
        connection = connection_of(context)
        if self._watch is None or self._group is None or not connection.has_standalone_channel:
            return None
        known: LastingConnection | None = connection.state.get(_STATE)
        if known is None:
            known = connection.state[_STATE] = LastingConnection(connection)
            self._connections[known] = self._watch.listen()
            self._group.start_soon(known.run)
            connection.exit_stack.callback(self._forget, known)
        return known

    def _forget(self, connection: LastingConnection) -> None:
        connection.scope.cancel()
        self._register.remove(connection.uris)
        connection.uris, connection.wanted = {}, set()
        self._connections.pop(connection)()

    @asynccontextmanager
    async def _attended(self, uris: Sequence[str]) -> AsyncIterator[None]:
        if self._watch is None:
            yield
            return
        meant = await self._told_of(uris)
        end = self._watch.listen()
        self._register.add(meant)
        try:
            await self._watch.attend()
            yield
        finally:
            self._register.remove(meant)
            end()

    async def _meant(self, services: Services, uri: str) -> str:
        """Return what a URI means; raises what reading it would where that is nothing."""
        try:
            meant = self._restored(uri)
            if meant.startswith(PREFIX):
                await anyio.to_thread.run_sync(services.tables.results.find, meant)
            elif read_app(meant) is None:
                meant = await _checked(services, meant)
        except ContextError as error:
            raise refused(error, told_of(error, self._redaction), uri) from error
        return meant

    async def _told_of(self, uris: Sequence[str]) -> dict[str, str]:
        """Return what each URI of a stream means: itself, too, where there is nothing (yet) that it names."""
        meant: dict[str, str] = {}
        for uri in uris:
            with suppress(ContextError):
                meant[uri] = self._restored(uri)
        services = self._services
        if services is None or not meant:
            return {uri: meant.get(uri, uri) for uri in uris}
        catalogue = await services.tables.catalogue()
        there = {key for source in catalogue.sources for key in keys_of_source(source, {})}
        # Only what isn't written as the list of resources has it must be looked for.
        spelled = [uri for uri, one in meant.items() if there.isdisjoint(keys_of_uri(one))]
        for uri in spelled[:_MOST_SPELLED]:
            with suppress(ContextError):
                meant[uri] = await _checked(services, meant[uri])
        return {uri: meant.get(uri, uri) for uri in uris}

    def _restored(self, uri: str) -> str:
        """Turn placeholders back; raises `InvalidInputError` for one that stands for nothing."""
        return uri if self._redaction is None else str(self._redaction.call({"uri": uri}).arguments["uri"])

    async def _tell(self, changes: Changes) -> None:
        """Tell everyone what they want to hear of changes."""
        if changes.listed:
            for connection in self._connections:
                connection.list_changed()
            await self._listening.bus.publish(ResourcesListChanged())
        for uri in self._register.about(self._keys(changes)):
            for connection in self._connections:
                if uri in connection.uris:
                    connection.updated(uri)
            await self._listening.bus.publish(ResourceUpdated(uri))
        if self._services is not None:
            self._services.index.notice()

    def _keys(self, changes: Changes) -> list[tuple[str, str]]:
        if not len(self._register) or self._services is None:
            return []
        documents = {source.name for source in changes.sources if source.kind == "document"}
        prefixes = {}
        if documents:
            documents |= {source.name for source in changes.catalogue.of("document")}
            prefixes = self._services.documents.sql_tables.prefixes(documents)
        return [key for source in changes.sources for key in sorted(keys_of_source(source, prefixes))]


async def _checked(services: Services, uri: str) -> str:
    """Return the URI of the source that a URI is about, or itself where that is a table still to be made.

    Raises `NotFoundError`, or what looking for it raises, where there is nothing of that URI.
    """
    target = await target_of(services, uri)
    if target.source is not None:
        return target.source.uri
    catalogue = await services.tables.catalogue()
    with suppress(NotFoundError):
        return services.workspace.resolve(catalogue, "table", target.name).uri
    parsed = parse_table_name(target.name)
    documents = {source.name for source in catalogue.of("document")}
    prefixes = map(lookup_key, services.documents.sql_tables.prefixes(documents).values())
    if parsed is None or lookup_key(parsed[0]) not in prefixes:
        raise NotFoundError(
            f"There is no table named {target.name[:200]!r}.", "Call list_sources to see what there is."
        )
    return uri
