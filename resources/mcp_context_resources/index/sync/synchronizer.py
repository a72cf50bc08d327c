"""Synchronizer: the index is kept in step with what is on disk."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from mcp_context_resources.index.sync.builder import Builder
from mcp_context_resources.index.sync.ledger import Ledger
from mcp_context_resources.index.sync.source_listing import Listing, list_sources
from mcp_context_resources.index.sync.work_queue import Batch, Priority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from mcp_context_resources.index.feed import Feed
    from mcp_context_resources.index.request import Progress
    from mcp_context_resources.index.spec import IndexedSource
    from mcp_context_resources.index.store import Index
    from mcp_context_resources.index.sync.schedule import Schedule

    Choose = Callable[[Listing], list[IndexedSource]]
    """Chooses the sources that matter out of what is listed."""

T = TypeVar("T")

_LOOKS: Final = 3
_IDLE_ROUNDS: Final = 5
_JUST_NOW_SECONDS: Final = 1.0


class Synchronizer:
    """Compares feeds and index, has read what is missing and forgets what is gone."""

    def __init__(self, index: Index, feeds: Sequence[Feed], schedule: Schedule) -> None:
        self._index = index
        self._feeds = feeds
        self._schedule = schedule
        self.ledger = Ledger(index)
        self.builder = Builder(index, self.ledger, schedule)
        self._gone: dict[str, float] = {}
        self._waited: dict[str, str] = {}
        self._working = 0

    @property
    def building(self) -> bool:
        """Whether sources are being read, or will be."""
        return self.builder.reading or (self._working > 0 and self.builder.busy)

    async def listing(self) -> Listing:
        """List every source there is now. Raises the feeds' errors where none can."""
        return await list_sources(self._feeds)

    async def work(self, *, express: bool) -> None:
        """Read what is queued, until cancelled; while this runs, what was begun goes on when nobody waits any more."""
        self._working += 1
        try:
            await self.builder.work(express=express, forever=True)
        finally:
            self._working -= 1

    async def update(
        self, listing: Listing, choose: Choose, *, few: bool, seconds: float, report: Progress | None, waited: set[str]
    ) -> Listing:
        """Have the chosen sources read that are missing, and wait so many seconds; returns what is there by then.

        `few` go before everything else. Of many, each version of a source is waited for only once, so that a large
        folder doesn't hold up every search until it is read. The keys of those waited for are added to `waited`.
        """
        ends = time.monotonic() + seconds
        for _ in range(_LOOKS):
            if not self.ledger.missing(choose(listing)):
                break
            await self.ledger.refresh(_JUST_NOW_SECONDS)
            missing = self.ledger.missing(choose(listing))
            if not few and self._working:
                missing = [source for source in missing if self._waited.get(source.key) != source.fingerprint]
            left = ends - time.monotonic()
            if not missing or left <= 0:
                break
            waited.update(source.key for source in missing)
            batch = self.builder.enqueue(listing, missing, Priority.NAMED if few else Priority.ASKED, seconds=left)
            with anyio.move_on_after(left):
                await self._until(batch, report, express=True)
            if not batch.finished.is_set():
                self._waited.update((source.key, source.fingerprint) for source in self.ledger.missing(missing))
                break
            if not batch.unsettled:
                break
            with anyio.move_on_after(max(0.0, ends - time.monotonic())):
                await anyio.sleep(self.builder.next_try(missing) or 0.0)
            listing = await self.listing()
        return listing

    def reset(self) -> None:
        """Take back what was concluded from an index that another one has taken the place of."""
        self.ledger.expire()
        self.builder.resume()
        self._waited = {}

    async def update_all(self, report: Progress | None) -> Listing:
        """Have everything read that is missing, forget what is gone, and return when that is done.

        Raises the index's errors.
        """
        idle = 0
        while True:
            listing = await self.listing()
            await self.ledger.refresh()
            await self.forget_gone(listing, at_once=True)
            missing = self.ledger.missing(listing.all())
            todo = [source for source in missing if not self.builder.gave_up(source)]
            if not todo or idle >= _IDLE_ROUNDS:
                return listing
            batch = self.builder.enqueue(listing, todo, Priority.ASKED, seconds=float("inf"))
            await self._until(batch, report, express=False)
            if self.builder.error is not None:
                raise self.builder.error
            missing = self.ledger.missing(todo)
            waiting = any(self.builder.elsewhere(source) for source in missing)
            idle = idle + 1 if len(missing) == len(todo) and not waiting else 0
            await anyio.sleep(self.builder.next_try(missing) or 0.0)

    async def update_in_background(self, listing: Listing) -> None:
        """Have read what is missing when nobody waits for anything else, and wait for it. Raises the index's errors."""
        await self.ledger.refresh(self._schedule.known)
        await self.forget_gone(listing)
        batch = self.builder.enqueue(listing, self.ledger.missing(listing.all()), Priority.BACKGROUND)
        await self.builder.wait(batch, None)

    async def forget_gone(self, listing: Listing, *, at_once: bool = False) -> int:
        """Drop from the index what is surely gone from the disk; returns how many sources.

        A folder may be unmounted for a moment. So a source is dropped when it was missing for a while and others of
        its folder are there; `at_once` it is enough that there are others of its kind. What is kept doesn't answer.
        """
        if listing.errors:
            return 0
        gone = {key: source for key, source in self.ledger.sources().items() if key not in listing}
        now = time.monotonic()
        self._gone = {key: self._gone.get(key, now) for key in gone}
        self._waited = {key: version for key, version in self._waited.items() if key in listing}
        self.builder.forget_all_but(listing)
        if not gone:
            return 0
        place = _kind if at_once else _folder
        present = {place(source) for source in listing.all()}
        surely = {
            key
            for key, source in gone.items()
            if place(source) in present and (at_once or now - self._gone[key] >= self._schedule.gone)
        }
        if surely:
            await self._index.drop(surely)
            self.ledger.forget(surely)
        return len(surely)

    async def _until(self, batch: Batch, report: Progress | None, *, express: bool) -> None:
        """Wait for a batch, and do the work where nobody else does."""
        wait = partial(self.builder.wait, batch, report)
        if self._working:
            await wait()
            return
        worker = partial(self.builder.work, express=express, forever=False)
        await with_background(wait, worker, worker, stop=True)


async def with_background(
    main: Callable[[], Awaitable[T]], *others: Callable[[], Coroutine[Any, Any, None]], stop: bool
) -> T:
    """Return what `main` returns while the others run beside it; then they are stopped, or waited for if not `stop`.

    Raises what `main` raises, as it is. The others must not raise.
    """
    result: T | None = None
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        for other in others:
            group.start_soon(other)
        try:
            result = await main()
        except Exception as error:  # noqa: BLE001 - raised again below, outside of the group that would wrap it
            failure = error
        if stop or failure is not None:
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]


def _kind(source: IndexedSource) -> object:
    return source.kind


def _folder(source: IndexedSource) -> object:
    return source.kind, source.file.partition("/")[0] if "/" in source.file else ""
