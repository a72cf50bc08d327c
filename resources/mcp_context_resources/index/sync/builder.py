"""Builder: sources are put into the index, one or two at a time, each resumed where it stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.errors import (
    BusyError,
    ContextError,
    NotFoundError,
    SourceBusyError,
    SourceChangedError,
    StaleCursorError,
    StorageError,
)
from mcp_context_resources.index.spec import Ending, KnownSource
from mcp_context_resources.index.sync.schedule import RetryBackoff
from mcp_context_resources.index.sync.work_queue import Batch, Priority, Task, WorkQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from mcp_context_resources.index.request import Progress
    from mcp_context_resources.index.spec import Chunk, IndexedSource
    from mcp_context_resources.index.store import Index
    from mcp_context_resources.index.sync.ledger import Ledger
    from mcp_context_resources.index.sync.schedule import Schedule
    from mcp_context_resources.index.sync.source_listing import Listing

T = TypeVar("T")

_log = logging.getLogger(__name__)

_PUT_CHUNKS: Final = 200
_ATTEMPTS: Final = 3
_AT_ONCE: Final = 2
_MOST_TOLD_CHARS: Final = 500
_TELL_SECONDS: Final = 0.25
# What these tell of may pass without any change to the file.
_PASSING: Final = (SourceBusyError, BusyError, StorageError)
_ANOTHER_VERSION: Final = (SourceChangedError, StaleCursorError, NotFoundError)


class _IndexError(Exception):
    """The index failed, not the source."""

    def __init__(self, error: ContextError) -> None:
        super().__init__(str(error))
        self.error = error


class _ElsewhereError(Exception):
    """Another server is putting in this source, and is ahead."""

    def __init__(self, chunks: int) -> None:
        super().__init__()
        self.chunks = chunks


class Builder:
    """Reads sources from their feeds and puts them into the index; what it did is in the ledger.

    Somebody must `work`; several may at once, and no more than two sources are read at a time. `error` is the index's
    last failure: until `retry` seconds after it nothing is tried.
    """

    def __init__(self, index: Index, ledger: Ledger, schedule: Schedule) -> None:
        self._index = index
        self._ledger = ledger
        self._schedule = schedule
        self._queue = WorkQueue()
        self._slots = anyio.Semaphore(_AT_ONCE)
        self._backoff = RetryBackoff(schedule)
        self._halted_until = 0.0
        self.error: ContextError | None = None

    @property
    def busy(self) -> bool:
        """Whether there is work left."""
        return len(self._queue) > 0

    @property
    def reading(self) -> bool:
        """Whether a source is being read at this moment."""
        return bool(self._queue.at_work)

    def enqueue(
        self, listing: Listing, sources: Sequence[IndexedSource], priority: Priority, *, seconds: float = 0.0
    ) -> Batch:
        """Have sources read that were listed, urgently for so many seconds; what failed a moment ago is left out."""
        now = time.monotonic()
        if now < self._halted_until:
            return Batch(0)
        sources = [source for source in sources if self._backoff.may_try(source, now)]
        batch = Batch(len(sources))
        for source in sources:
            changed = not self._ledger.is_new(source)
            self._queue.add(Task(source, listing.feed(source), priority, changed, now + seconds), batch)
        self._queue.tell()
        return batch

    def resume(self) -> None:
        """Try again at once: what the index failed of is gone."""
        self.error = None
        self._halted_until = 0.0

    def problem(self, source: IndexedSource) -> str:
        """Tell why a source is not in the index although it was tried; empty where that isn't so."""
        return self._backoff.problem(source)

    def elsewhere(self, source: IndexedSource) -> bool:
        """Tell whether another server is reading a source."""
        return self._backoff.elsewhere(source) > 0

    def next_try(self, sources: Sequence[IndexedSource]) -> float | None:
        """Return in how many seconds the first of these sources may be tried again; None where none failed."""
        return self._backoff.next_try(sources)

    def gave_up(self, source: IndexedSource) -> bool:
        """Tell whether a source was tried often enough for now."""
        return self._backoff.attempts(source) >= _ATTEMPTS

    async def wait(self, batch: Batch, report: Progress | None) -> None:
        """Wait until a batch is finished, and tell how far it is."""
        while not batch.finished.is_set():
            if report is not None:
                await self._tell(batch, report)
            with anyio.move_on_after(_TELL_SECONDS):
                await batch.finished.wait()

    async def work(self, *, express: bool, forever: bool) -> None:
        """Read what is queued, only what is urgent where `express`; until nothing is left, or until cancelled."""
        while True:
            news = self._queue.news
            async with self._slots:
                task = self._queue.take(express=express)
                if task is not None:
                    await self._carry_out(task)
            if task is None:
                if not forever:
                    return
                await news.wait()

    def forget_all_but(self, listing: Listing) -> None:
        """Forget what is known of sources that are gone."""
        self._backoff.forget_all_but(listing)

    async def _tell(self, batch: Batch, report: Progress) -> None:
        tasks = list(self._queue.working_for(batch))
        ended = batch.total - batch.remaining
        noun = "file" if batch.total == 1 else "files"
        message = f"waiting to read {batch.total} {noun}"
        if tasks:
            message = f"reading {tasks[0].source.name} ({min(ended + 1, batch.total)} of {batch.total} {noun})"
        await report(ended + sum(task.share for task in tasks), batch.total, message)

    async def _carry_out(self, task: Task) -> None:
        try:
            settled = await self._build(task)
        except Exception:  # noqa: BLE001 - a fault with one source must not end the building
            _log.exception("the index couldn't take in %s", task.source.name)
            settled = True
        except BaseException:
            self._queue.give_back(task)
            raise
        self._queue.finish(task, settled=settled)

    async def _build(self, task: Task) -> bool:
        """Put in one source; tell whether that is settled, or it should be looked at again."""
        source = task.source
        try:
            await self._read(task)
        except _IndexError as failure:
            self._halt(failure.error)
        except _ElsewhereError as elsewhere:
            self._backoff.left_to_another(source, elsewhere.chunks)
            return False
        except _ANOTHER_VERSION as error:
            self._backoff.add(source, _shortened(str(error)))
            return False
        except ContextError as error:
            await self._failed(source, error)
        except Exception:  # noqa: BLE001 - as above, in a feed
            _log.exception("reading %s for the index failed", source.name)
            fault = ContextError("It couldn't be read because of a fault of the server.", "Its log has details.")
            await self._failed(source, fault)
        else:
            self._backoff.forget(source)
            self.error = None
        return True

    async def _read(self, task: Task) -> None:
        source = task.source
        await self._asked(self._ledger.refresh(self._schedule.known))
        if self._ledger.holds(source):
            return
        first = await self._asked(self._index.begin(source))
        if self._backoff.goes_on_elsewhere(source, first):
            raise _ElsewhereError(first)
        number, note, put_at = first, "", time.monotonic()
        held: list[Chunk] = []
        batches = task.feed.chunks(source, first)
        try:
            async for batch in batches:
                held += batch.chunks
                note = batch.note or note
                task.share = min(1.0, batch.done / batch.total) if batch.total > 0 else 0.0
                while len(held) >= _PUT_CHUNKS or (held and time.monotonic() - put_at >= self._schedule.put):
                    some, held = held[:_PUT_CHUNKS], held[_PUT_CHUNKS:]
                    await self._put(source, number, some)
                    number, put_at = number + len(some), time.monotonic()
        finally:
            if isinstance(batches, AsyncGenerator):
                with anyio.CancelScope(shield=True):
                    await batches.aclose()
        await self._put(source, number, held, Ending(note=_shortened(note)))

    async def _put(
        self, source: IndexedSource, number: int, chunks: Sequence[Chunk], ending: Ending | None = None
    ) -> None:
        if await self._asked(self._index.put(source, number, chunks, ending)):
            if ending is not None:
                self._ledger.note(KnownSource(source, number + len(chunks), complete=True, **ending._asdict()))
            return
        await self._asked(self._ledger.refresh())
        if ending is not None and self._ledger.holds(source):
            return
        raise _ElsewhereError(await self._asked(self._index.begin(source)))

    async def _asked(self, answer: Awaitable[T]) -> T:
        """Tell the index's errors from those of a source."""
        try:
            return await answer
        except ContextError as error:
            raise _IndexError(error) from error
        except Exception as error:
            _log.exception("the index failed")
            fault = ContextError("The search index failed inside the server.", "The server's log has details.")
            raise _IndexError(fault) from error

    async def _failed(self, source: IndexedSource, error: ContextError) -> None:
        """Note that a source can't be read, in the index itself where trying again is no use."""
        attempts = self._backoff.add(source, _shortened(str(error)))
        if isinstance(error, _PASSING) or not (error.lasting or attempts >= _ATTEMPTS):
            return
        try:
            number = await self._asked(self._index.begin(source))
            await self._put(source, number, (), Ending(problem=_shortened(str(error))))
        except _IndexError as failure:
            self._halt(failure.error)
        except _ElsewhereError:
            pass  # the other server reads it, or finds out for itself
        else:
            self._backoff.forget(source)

    def _halt(self, error: ContextError) -> None:
        """Stop for a while: whatever is wrong with the index is wrong for every source."""
        self.error = error
        self._halted_until = time.monotonic() + self._schedule.retry
        self._queue.clear()


def _shortened(told: str) -> str:
    """Cut what is told of a source to a length that answers have room for, where a sentence or word ends."""
    part = cut_text(told, start=0, max_chars=_MOST_TOLD_CHARS)
    return f"{part.text.rstrip()} …" if part.truncated else told
