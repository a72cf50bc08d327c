"""Worker index: a store used by two worker processes, one that writes and one that searches."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from mcp_context_resources.errors import ContextError, StorageError
from mcp_context_resources.index.spec import KnownSource
from mcp_context_resources.index.store import ChunkStore, StoreLocation
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from mcp_context_resources.index.settings import IndexSettings
    from mcp_context_resources.index.spec import (
        Chunk,
        EmbeddingInput,
        Ending,
        IndexAnswer,
        IndexedSource,
        IndexQuery,
        IndexSize,
        KnownRow,
        RemainingWork,
        Spans,
    )

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LOCAL_ENGINE: Final = "mcp_context_resources.index.local_engine.store:open_store"
"""What opens a store on this machine: SQLite, tantivy and files of vectors in a folder."""

_HOME: Final = "mcp_context_resources.index.ranking.worker"
_CALL: Final[WorkerFunction[Any, StoreLocation, str, tuple[Any, ...]]] = WorkerFunction(f"{_HOME}:call")
_SEARCH: Final[WorkerFunction[IndexAnswer, StoreLocation, IndexQuery]] = WorkerFunction(f"{_HOME}:search")
_MARK: Final[WorkerFunction[list[Spans], str, Sequence[str]]] = WorkerFunction(f"{_HOME}:mark")
MAINTAIN: Final[WorkerFunction[RemainingWork, StoreLocation]] = WorkerFunction(f"{_HOME}:maintain")
"""Maintains a store for about a second."""

_DEADLINE: Final = 120.0
_PAUSE_SECONDS: Final = 0.3
_AGAIN_SECONDS: Final = 10.0
_MOST_PUT: Final = 5_000


class WorkerIndex:
    """An `Index` over the store that `engine` opens in a folder, which is made where it is missing.

    Several servers may use the same folder. `identity` tells, beside the folder itself, when a worker must be replaced.
    """

    def __init__(
        self,
        folder: Path,
        settings: IndexSettings,
        identity: Callable[[], object] = lambda: None,
        *,
        engine: str = LOCAL_ENGINE,
    ) -> None:
        self._folder = folder.absolute()
        self._location = StoreLocation(engine, str(self._folder), settings.exact_vectors)
        # Files of words and vectors are mapped, however large: only what is written to is capped.
        confinement = Confinement(
            writable=(str(self._folder),),
            memory_bytes=settings.worker_memory_mb << 20,
            cap_address_space=False,
            cap_data=True,
        )

        def pool(name: str) -> WorkerPool:
            return WorkerPool(
                name,
                size=1,
                confinement=confinement,
                preload=(_HOME, engine.partition(":")[0]),
                identity=lambda: (self._made(), identity()),
                queue_seconds=_DEADLINE,
            )

        self._writing = pool("index")
        self._searching = pool("search")
        self._maintenance: asyncio.Task[None] | None = None
        self._changed = True
        self._again_at = math.inf

    async def known(self) -> Sequence[KnownSource]:
        """Return what the store holds of each source; of one there may be a complete version and one that isn't."""
        if not self._folder.exists():
            return []  # a server that only looks whether there is anything starts no process
        rows = await self._read(ChunkStore.known)
        return await anyio.to_thread.run_sync(_known, rows)

    async def begin(self, source: IndexedSource) -> int:
        """Get ready for a version of a source; returns how many of its chunks are there."""
        return await self._write(ChunkStore.begin, source)

    async def put(
        self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None = None
    ) -> bool:
        """Put in the next chunks of a version of a source, however many; False where they aren't the next ones."""
        place = 0
        while len(chunks) - place > _MOST_PUT:
            some = tuple(chunks[place : place + _MOST_PUT])
            if not await self._change(ChunkStore.put, source, first + place, some, None):
                return False
            place += _MOST_PUT
        return await self._change(ChunkStore.put, source, first + place, tuple(chunks[place:]), ending)

    async def drop(self, keys: Collection[str]) -> None:
        """Forget sources."""
        await self._change(ChunkStore.drop, tuple(keys))

    async def without_vector(self, model: str, most: int) -> Sequence[EmbeddingInput]:
        """Claim texts that have no vector of a model yet."""
        return await self._write(ChunkStore.without_vector, model, most)

    async def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        """Put in vectors of texts; raises `InvalidInputError` where they are no vectors of so many."""
        await self._change(ChunkStore.put_vectors, model, tuple(digests), vectors)

    async def search(self, query: IndexQuery, *, deadline: float) -> IndexAnswer:
        """Find chunks in one call to the process that searches."""
        self._maintain_soon()
        answer = await self._searching.run(_SEARCH, self._location, query, deadline=deadline, waiting_counts=True)
        if answer.index_lag:  # perhaps another server left it behind
            self._changed = True
            self._maintain_soon()
        return answer

    async def mark(self, text: str, texts: Sequence[str]) -> Sequence[Spans]:
        """Return where words of a query stand in each of some texts."""
        return await self._searching.run(_MARK, text, tuple(texts), deadline=_DEADLINE) if texts else []

    async def size(self, model: str = "") -> IndexSize:
        """Tell how much there is, and how much of it has vectors of a model."""
        return await self._read(ChunkStore.size, model)

    async def release(self) -> None:
        """Stop both processes as soon as they are idle; the next call starts them again."""
        await self._stop_maintenance()
        await self._writing.release_idle()
        await self._searching.release_idle()

    async def aclose(self) -> None:
        """Stop both processes."""
        await self._stop_maintenance()
        async with anyio.create_task_group() as group:
            group.start_soon(self._writing.aclose)
            group.start_soon(self._searching.aclose)

    async def settled(self) -> None:
        """Wait until what is made of the chunks is as new as they are, and nothing is left to sweep."""
        self._maintain_soon()
        while self._maintenance is not None:
            await asyncio.wait({self._maintenance})

    async def _read(self, method: Callable[[ChunkStore, *Ts], T], *arguments: *Ts) -> T:
        """Ask the process that searches: the one that writes may be at a long task."""
        return await self._call(self._searching, method, *arguments)

    async def _write(self, method: Callable[[ChunkStore, *Ts], T], *arguments: *Ts) -> T:
        return await self._call(self._writing, method, *arguments)

    async def _change(self, method: Callable[[ChunkStore, *Ts], T], *arguments: *Ts) -> T:
        """Write what maintenance has to follow."""
        answer = await self._call(self._writing, method, *arguments)
        self._changed = True
        self._maintain_soon()
        return answer

    async def _call(self, pool: WorkerPool, method: Callable[[ChunkStore, *Ts], T], *arguments: *Ts) -> T:
        call = replace(_CALL, label=method.__name__)
        answer: T = await pool.run(call, self._location, method.__name__, arguments, deadline=_DEADLINE)
        return answer

    def _maintain_soon(self) -> None:
        """Have the store maintained, in small steps that let other calls between."""
        if (self._changed or time.monotonic() >= self._again_at) and self._maintenance is None:
            self._maintenance = asyncio.get_running_loop().create_task(self._maintain())
            self._maintenance.add_done_callback(self._maintained)

    async def _maintain(self) -> None:
        while self._changed or time.monotonic() >= self._again_at:
            self._changed, self._again_at = False, math.inf
            await asyncio.sleep(_PAUSE_SECONDS)
            with contextlib.suppress(ContextError):  # the next call that needs what failed tells of it
                left: RemainingWork = "more"
                while left == "more":
                    left = await self._writing.run(MAINTAIN, self._location, deadline=_DEADLINE)
                    await asyncio.sleep(_PAUSE_SECONDS if left == "more" and self._changed else 0)
                if left == "later":
                    self._again_at = time.monotonic() + _AGAIN_SECONDS

    def _maintained(self, task: asyncio.Task[None]) -> None:
        self._maintenance = None
        if not task.cancelled():
            task.exception()

    async def _stop_maintenance(self) -> None:
        if (task := self._maintenance) is not None:
            task.cancel()
            await asyncio.wait({task})
            self._changed = True

    def _made(self) -> object:
        """Make the folder, readable by its owner only; returns what tells it from one made again."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self._folder.stat()
        except OSError as error:
            raise StorageError(
                f"The folder of the search index can't be made ({error.strerror}).", "Set another cache_dir."
            ) from error
        return status.st_dev, status.st_ino


def _known(rows: Sequence[KnownRow]) -> list[KnownSource]:
    return [KnownSource.of(row) for row in rows]
