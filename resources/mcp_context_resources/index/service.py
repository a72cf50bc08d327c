"""Service: the search index as the tools see it, always in step with the disk, built in the background."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from mcp_context_resources.errors import ContextError
from mcp_context_resources.index.request import BuildState, Progress, SearchRequest, SearchResults
from mcp_context_resources.index.searcher import Searcher
from mcp_context_resources.index.spec import IndexQuery
from mcp_context_resources.index.sync.schedule import Schedule
from mcp_context_resources.index.sync.synchronizer import Synchronizer
from mcp_context_resources.index.sync.vectorizer import Vectorizer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mcp_context_resources.index.feed import Embedder, Feed
    from mcp_context_resources.index.settings import IndexSettings
    from mcp_context_resources.index.spec import Hit
    from mcp_context_resources.index.store import Index
    from mcp_context_resources.index.sync.source_listing import Listing

__all__ = ["BuildState", "Progress", "SearchIndex", "SearchRequest", "SearchResults"]

_log = logging.getLogger(__name__)

_SCHEDULE: Final = Schedule()
_ANY_WORD: Final = "a"
_SORTING_SECONDS: Final = 0.25


class SearchIndex:
    """Finds passages of all sources that the feeds list, and keeps an index of them.

    Nothing is read before the first search or `build`, or before `run` finds that this folder was searched before.
    Several servers may work on the same index.
    """

    def __init__(
        self,
        index: Index,
        feeds: Sequence[Feed],
        embedder: Embedder,
        settings: IndexSettings,
        *,
        schedule: Schedule = _SCHEDULE,
    ) -> None:
        self._index = index
        self._settings = settings
        self._schedule = schedule
        self._synchronizer = Synchronizer(index, feeds, schedule)
        self._vectors = Vectorizer(index, embedder, schedule, enabled=settings.vectors != "off", metric=settings.metric)
        self._searcher = Searcher(index, self._synchronizer, self._vectors, settings)
        self._searched_at = -math.inf
        self._latest: Listing | None = None
        self._wake = anyio.Event()

    async def search(self, request: SearchRequest, *, on_progress: Progress | None = None) -> SearchResults:
        """Find passages; files that are new or have changed are read first, up to `wait_seconds`.

        No hit is of a version of a file that is no longer on disk. Where vectors fail, the search is by words alone,
        and the notes say so. When this is cancelled, what `run` has begun to read goes on.

        Raises `NotFoundError` with near names for a source that isn't there, `InvalidInputError` for a date that is
        none, and the index's errors.
        """
        self._searched_at = time.monotonic()
        try:
            results, self._latest = await self._searcher.search(request, on_progress)
        finally:
            self._searched_at = time.monotonic()
            self._wake.set()
        return results

    async def mark(self, text: str, hits: Sequence[Hit]) -> list[Hit]:
        """Return hits with the spans of the words of a query in them. Raises the index's errors."""
        spans = await self._index.mark(text, [hit.chunk.text for hit in hits])
        return [replace(hit, matched=matched) for hit, matched in zip(hits, spans, strict=True)]

    async def build(self, *, on_progress: Progress | None = None, vectors: bool = True) -> BuildState:
        """Bring the index up to date and return when all is done that can be done.

        Sources that are gone are forgotten. Progress counts files first, then those whose words are sorted in, then
        vectors. Raises the index's errors.
        """
        listing = await self._synchronizer.update_all(on_progress)
        await self._wait_for_index_lag(on_progress)
        if vectors:
            before = await self._searcher.state(listing)
            total, done = before.chunks - before.vectors_ready, 0

            async def heard(made: int) -> None:
                nonlocal done
                done = min(done + made, total)
                if on_progress is not None:
                    await on_progress(done, total, f"vectors of {done:,} of {total:,} passages")

            await self._vectors.fill_all(heard)
        return await self._searcher.state(listing)

    async def state(self) -> BuildState:
        """Tell how far the index is. Raises the index's errors."""
        listing = await self._synchronizer.listing()
        await self._synchronizer.ledger.refresh(self._schedule.known)
        return await self._searcher.state(listing)

    async def drop(self) -> int:
        """Forget everything; returns how many sources that were. Raises the index's errors."""
        await self._synchronizer.ledger.refresh()
        keys = set(self._synchronizer.ledger.sources())
        await self._index.drop(keys)
        self._synchronizer.ledger.forget(keys)
        return len(keys)

    async def run(self) -> None:
        """Build in the background until cancelled; nothing that goes wrong there ends this."""
        async with anyio.create_task_group() as group:
            for express in (False, True):
                group.start_soon(self._forever, partial(self._synchronizer.work, express=express))
            await self._forever(self._watch)

    def notice(self) -> None:
        """Say that files have changed: where somebody searched lately, they are looked at now."""
        if self._recently_searched:
            self._wake.set()

    async def aclose(self) -> None:
        """Stop the index's processes."""
        await self._index.aclose()

    async def _wait_for_index_lag(self, report: Progress | None) -> None:
        """Wait until every source can be found by its words, or that doesn't get on."""
        query = IndexQuery(_ANY_WORD, most=1, mode="lexical")
        most, least, since = 0, math.inf, time.monotonic()
        while True:
            answer = await self._index.search(query, deadline=self._settings.deadline_seconds)
            lag = answer.index_lag
            if lag < least:
                least, since = lag, time.monotonic()
            if not lag or answer.problem or time.monotonic() - since > self._schedule.claimed:
                return
            most = max(most, lag)
            if report is not None:
                await report(most - lag, most, f"sorting in the words of {most:,} {'file' if most == 1 else 'files'}")
            await anyio.sleep(_SORTING_SECONDS)

    async def _forever(self, work: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await work()
            except ContextError as error:
                _log.warning("building the index: %s", error)
            except Exception:  # noqa: BLE001 - the background must not end the server
                _log.exception("building the index in the background failed")
            failures = 1 if time.monotonic() - began > self._schedule.retry_most else failures + 1
            await anyio.sleep(self._schedule.pause(failures))

    async def _watch(self) -> None:
        """Build at once or when a search wakes this; look again now and then while there are searches."""
        if self._settings.build == "never":
            await anyio.sleep_forever()
        if not await self._builds_at_start():
            await self._wake.wait()
        while True:
            self._wake = anyio.Event()
            listing, self._latest = self._latest, None
            await self._synchronizer.update_in_background(listing or await self._synchronizer.listing())
            await self._vectors.fill(stop=self._wake.is_set)
            if not self._recently_searched:
                await self._index.release()
            with anyio.move_on_after(self._schedule.look_again if self._recently_searched else math.inf):
                await self._wake.wait()

    async def _builds_at_start(self) -> bool:
        if self._settings.build == "auto" and not self._wake.is_set():
            await self._synchronizer.ledger.refresh(self._schedule.known)
            return bool(self._synchronizer.ledger.complete)
        return self._settings.build == "start"

    @property
    def _recently_searched(self) -> bool:
        return time.monotonic() - self._searched_at < self._schedule.lately
