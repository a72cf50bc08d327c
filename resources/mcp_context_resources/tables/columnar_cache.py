"""Columnar cache: copies of tables that are slow to read, as the server sees them; they are made in workers."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ContextError, DeadlineExceededError, UnreadableSourceError
from mcp_context_resources.workers.function import WorkerFunction

if TYPE_CHECKING:
    from mcp_context_resources.cache import Cache
    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.pool import Progress, WorkerPool

COPY: Final[WorkerFunction[None, TableSpec, str, EngineLimits]] = WorkerFunction(
    "mcp_context_resources.tables.duckdb_engine.columnar_copying:copy"
)
"""Makes a copy."""

COPIES_AT_ONCE: Final = 2
"""How many copies are made side by side."""

_COPY_VERSION: Final = 1
_LOOK_SECONDS: Final = 0.2
_KEPT_FAILURES: Final = 1_000
# A copy is about as large as what it is made of; of what would fill the cache none is made.
_SHARE_OF_CACHE: Final = 0.5


@dataclass(slots=True)
class _Making:
    """A copy under way: since when, how far it is, and how many wait for it."""

    started: float
    task: asyncio.Task[None]
    progress: tuple[float, float] = (0.0, 0.0)
    waiting: int = 0


class ColumnarCache:
    """Copies of tables in the cache, made in worker processes of their own.

    One that takes more than `patience` seconds is given up where it keeps others waiting and nobody waits for it.

    Copies are named by the version of the file, so an old one is never read; servers share them.
    """

    def __init__(
        self,
        pool: WorkerPool,
        cache: Cache,
        limits: EngineLimits,
        *,
        deadline: float,
        patience: float,
        least_bytes: int,
    ) -> None:
        self._pool = pool
        self._cache = cache
        self._limits = limits
        self._deadline = deadline
        self._patience = patience
        self._least_bytes = least_bytes
        self._made_with = f"{_COPY_VERSION}-{version('duckdb')}"
        self._making: dict[str, _Making] = {}
        self._failures: dict[str, ContextError] = {}

    def existing(self, table: TableSpec) -> str:
        """Return the path of the copy of this version, "" where there is none."""
        path = self._cache.get(self._name(table))
        return "" if path is None else str(path)

    def begin(self, table: TableSpec, size: int) -> None:
        """Make a copy in the background, where one is worth it and there is none."""
        fits = size <= self._limits.max_cache_bytes * _SHARE_OF_CACHE
        if size < self._least_bytes or not fits:
            return
        name = self._name(table)
        if name not in self._failures and not self.existing(table):
            self._start(table, name)

    async def ensure(self, table: TableSpec, *, seconds: float, on_progress: Progress | None = None) -> str:
        """Return the path of the copy, made now if there is none; wait for it up to `seconds`.

        Raises `UnreadableSourceError`, and `DeadlineExceededError` when it isn't ready: it goes on being made.
        """
        if path := self.existing(table):
            return path
        name = self._name(table)
        if name in self._failures:
            raise self._failures[name]
        making = self._start(table, name)
        making.waiting += 1
        try:
            await self._wait(making, seconds, on_progress)
        finally:
            making.waiting -= 1
        task = making.task
        if not task.done():
            done, total = making.progress
            so_far = f" ({done / total:.0%} done)" if total else ""
            raise DeadlineExceededError(
                f"{table.name} is large and still being prepared{so_far}.",
                "Call again in a moment: the work goes on in the background.",
            )
        if task.cancelled():
            raise DeadlineExceededError(f"{table.name} took too long to prepare.", "Call again when less is going on.")
        await task
        if path := self.existing(table):
            return path
        raise UnreadableSourceError(
            f"The cache has no room for {table.name}.", "Raise storage.max_cache_bytes, or free disk space."
        )

    async def aclose(self) -> None:
        """Stop making copies."""
        tasks = [making.task for making in self._making.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, making: _Making, seconds: float, on_progress: Progress | None) -> None:
        loop = asyncio.get_running_loop()
        ends, told = loop.time() + seconds, 0.0
        while not making.task.done() and (left := ends - loop.time()) > 0:
            await asyncio.wait({making.task}, timeout=min(_LOOK_SECONDS, left))
            self._make_room()
            done, total = making.progress
            if on_progress is not None and done > told:
                told = done
                await on_progress(done, total)

    def _make_room(self) -> None:
        """Give up the copy that takes longest, if nobody waits for it and it keeps others from being made."""
        left = [making for making in self._making.values() if not making.waiting]
        if len(self._making) <= COPIES_AT_ONCE or not left:
            return
        oldest = min(left, key=lambda making: making.started)
        if asyncio.get_running_loop().time() - oldest.started > self._patience:
            oldest.task.cancel()

    def _start(self, table: TableSpec, name: str) -> _Making:
        if name not in self._making:
            task = asyncio.create_task(self._make(table, name))
            self._making[name] = _Making(asyncio.get_running_loop().time(), task)
            task.add_done_callback(lambda task: self._finished(name, task))
        return self._making[name]

    async def _make(self, table: TableSpec, name: str) -> None:
        async def progress(done: float, total: float) -> None:
            self._making[name].progress = done, total

        await self._pool.run(COPY, table, name, self._limits, deadline=self._deadline, on_progress=progress)

    def _finished(self, name: str, task: asyncio.Task[None]) -> None:
        self._making.pop(name, None)
        if task.cancelled():
            return
        error = task.exception()
        # What a file itself is to blame for stays so until it changes; anything else may go better the next time.
        if isinstance(error, ContextError) and error.lasting:
            self._failures[name] = error
            if len(self._failures) > _KEPT_FAILURES:
                self._failures.pop(next(iter(self._failures)))
        elif error is not None and not isinstance(error, ContextError):
            raise error

    def _name(self, table: TableSpec) -> str:
        made_of = f"{table.fingerprint}\0{table.encoding}\0{self._made_with}"
        if table.reader is not None and table.reader.installed:
            made_of += f"\0{table.reader.installed}"
        return f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.parquet"
