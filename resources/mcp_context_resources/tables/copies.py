"""Columnar copies as the server sees them: which there are, which are being made, and waiting for one."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ContextError, DeadlineExceededError, SourceBusyError, UnreadableSourceError
from mcp_context_resources.tables import jobs
from mcp_context_resources.tables.formats import is_foreign

if TYPE_CHECKING:
    from mcp_context_resources.cache import Cache
    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.pool import Progress, WorkerPool

COPIES_AT_ONCE: Final = 2
"""How many copies are made side by side."""

_COPY_VERSION: Final = 1
_LOOK_SECONDS: Final = 0.2
_KEPT_FAILURES: Final = 1_000
# A copy is about as large as what it is made of; of what would fill the cache none is made.
_SHARE_OF_CACHE: Final = 0.5


class Copies:
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
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._started: dict[str, float] = {}
        self._waiting: Counter[str] = Counter()
        self._progress: dict[str, tuple[float, float]] = {}
        self._failures: dict[str, UnreadableSourceError] = {}

    def existing(self, table: TableSpec) -> str:
        """Return the path of the copy of this version, "" where there is none."""
        path = self._cache.get(self._name(table))
        return "" if path is None else str(path)

    def begin(self, table: TableSpec, size: int) -> None:
        """Make a copy in the background, where one is worth it and there is none."""
        name = self._name(table)
        worth = is_foreign(table.format) or size >= self._least_bytes
        fits = size <= self._limits.max_cache_bytes * _SHARE_OF_CACHE
        if worth and fits and name not in self._failures and not self.existing(table):
            self._task(table, name)

    async def ensure(self, table: TableSpec, *, seconds: float, on_progress: Progress | None = None) -> str:
        """Return the path of the copy, made now if there is none; wait for it up to `seconds`.

        Raises `UnreadableSourceError`, and `DeadlineExceededError` when it isn't ready: it goes on being made.
        """
        if path := self.existing(table):
            return path
        name = self._name(table)
        if name in self._failures:
            raise self._failures[name]
        task = self._task(table, name)
        self._waiting[name] += 1
        try:
            await self._wait(task, name, seconds, on_progress)
        finally:
            self._waiting -= Counter([name])
        if not task.done():
            done, total = self._progress.get(name, (0.0, 0.0))
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
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _wait(self, task: asyncio.Task[None], name: str, seconds: float, on_progress: Progress | None) -> None:
        loop = asyncio.get_running_loop()
        ends, told = loop.time() + seconds, 0.0
        while not task.done() and (left := ends - loop.time()) > 0:
            await asyncio.wait({task}, timeout=min(_LOOK_SECONDS, left))
            self._make_room()
            done, total = self._progress.get(name, (0.0, 0.0))
            if on_progress is not None and done > told:
                told = done
                await on_progress(done, total)

    def _make_room(self) -> None:
        """Give up the copy that takes longest, if nobody waits for it and it keeps others from being made."""
        now = asyncio.get_running_loop().time()
        left = [name for name in self._tasks if name not in self._waiting]
        if len(self._tasks) <= COPIES_AT_ONCE or not left:
            return
        oldest = min(left, key=lambda name: self._started[name])
        if now - self._started[oldest] > self._patience:
            self._tasks[oldest].cancel()

    def _task(self, table: TableSpec, name: str) -> asyncio.Task[None]:
        if name not in self._tasks:
            self._started[name] = asyncio.get_running_loop().time()
            self._tasks[name] = asyncio.create_task(self._make(table, name))
            self._tasks[name].add_done_callback(lambda task: self._finished(name, task))
        return self._tasks[name]

    async def _make(self, table: TableSpec, name: str) -> None:
        async def progress(done: float, total: float) -> None:
            self._progress[name] = done, total

        await self._pool.run(jobs.copy, table, name, self._limits, deadline=self._deadline, on_progress=progress)

    def _finished(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(name, None)
        self._started.pop(name, None)
        self._progress.pop(name, None)
        if task.cancelled():
            return
        error = task.exception()
        # What a file itself is to blame for stays so until it changes; anything else may go better the next time.
        if isinstance(error, UnreadableSourceError) and not isinstance(error, SourceBusyError):
            self._failures[name] = error
            if len(self._failures) > _KEPT_FAILURES:
                self._failures.pop(next(iter(self._failures)))
        elif error is not None and not isinstance(error, ContextError):
            raise error

    def _name(self, table: TableSpec) -> str:
        made_of = f"{table.fingerprint}\0{table.encoding}\0{self._made_with}"
        return f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.parquet"
