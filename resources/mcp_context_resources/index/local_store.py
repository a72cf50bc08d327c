"""The index on this machine: one process that writes, one that searches, over the same files."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread

from mcp_context_resources.errors import ContextError, StorageError
from mcp_context_resources.index import jobs
from mcp_context_resources.index.analysis.version import version
from mcp_context_resources.index.local_engine.database import FILE_NAME
from mcp_context_resources.index.spec import IndexedSource, IndexSize, KnownSource
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from mcp_context_resources.index.local_engine.chunk_tables import KnownRow
    from mcp_context_resources.index.local_engine.engine import Left
    from mcp_context_resources.index.settings import IndexSettings
    from mcp_context_resources.index.spec import Chunk, Ending, IndexAnswer, IndexQuery, Passage, Places

T = TypeVar("T")

_ENGINE: Final = "mcp_context_resources.index.local_engine.engine"
_DEADLINE: Final = 120.0
_PAUSE_SECONDS: Final = 0.3
_AGAIN_SECONDS: Final = 10.0
_MOST_PUT: Final = 5_000


class LocalIndex:
    """An `Index` in a folder, which is made where it is missing; several processes may use it at the same time.

    `identity` tells, beside the folder itself, when a worker must be replaced.
    """

    def __init__(self, folder: Path, settings: IndexSettings, identity: Callable[[], object] = lambda: None) -> None:
        self._folder = folder.absolute()
        self._place = jobs.Place(str(self._folder), version(), settings.exact_vectors)
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
                preload=(_ENGINE,),
                identity=lambda: (self._made(), identity()),
                queue_seconds=_DEADLINE,
            )

        self._writing = pool("index")
        self._searching = pool("search")
        self._upkeep: asyncio.Task[None] | None = None
        self._changed = True
        self._again_at = math.inf

    @property
    def version(self) -> str:
        """See `Index.version`."""
        return self._place.version

    async def known(self) -> Sequence[KnownSource]:
        """See `Index.known`; of a source there may be one version that is complete and one that isn't."""
        if not (self._folder / FILE_NAME).exists():
            return []  # a server that only looks whether there is anything starts no process
        rows = await self._read(jobs.known)
        return await anyio.to_thread.run_sync(_known, rows)

    async def begin(self, source: IndexedSource) -> int:
        """See `Index.begin`."""
        return await self._write(jobs.begin, source)

    async def put(
        self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None = None
    ) -> bool:
        """See `Index.put`; False, too, for a version that was not begun, or begun anew since."""
        place = 0
        while len(chunks) - place > _MOST_PUT:
            some = tuple(chunks[place : place + _MOST_PUT])
            if not await self._write(jobs.put, source, first + place, some, changes=True):
                return False
            place += _MOST_PUT
        rest = tuple(chunks[place:])
        return await self._write(jobs.put, source, first + place, rest, ending, changes=True)

    async def drop(self, keys: Collection[str]) -> None:
        """See `Index.drop`."""
        await self._write(jobs.drop, tuple(keys), changes=True)

    async def without_vector(self, model: str, most: int) -> Sequence[Passage]:
        """See `Index.without_vector`."""
        return await self._write(jobs.without_vector, model, most)

    async def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        """See `Index.put_vectors`; raises `InvalidInputError` where they are no vectors of so many passages."""
        await self._write(jobs.put_vectors, model, tuple(digests), vectors, changes=True)

    async def search(self, query: IndexQuery, *, deadline: float) -> IndexAnswer:
        """See `Index.search`."""
        self._keep_up()
        answer = await self._searching.run(jobs.search, self._place, query, deadline=deadline, waiting_counts=True)
        if answer.behind:  # perhaps another server left it behind
            self._changed = True
            self._keep_up()
        return answer

    async def mark(self, text: str, texts: Sequence[str]) -> Sequence[Places]:
        """See `Index.mark`."""
        return await self._searching.run(jobs.mark, text, tuple(texts), deadline=_DEADLINE) if texts else []

    async def size(self, model: str = "") -> IndexSize:
        """See `Index.size`."""
        sources, chunks, vectors, size, notes = await self._read(jobs.size, model)
        return IndexSize(sources, chunks, vectors, size, notes)

    async def release(self) -> None:
        """See `Index.release`."""
        await self._stop_upkeep()
        await self._writing.release_idle()
        await self._searching.release_idle()

    async def aclose(self) -> None:
        """See `Index.aclose`."""
        await self._stop_upkeep()
        async with anyio.create_task_group() as group:
            group.start_soon(self._writing.aclose)
            group.start_soon(self._searching.aclose)

    async def settled(self) -> None:
        """Wait until the caches are as new as the database, and nothing is left to sweep."""
        self._keep_up()
        while self._upkeep is not None:
            await asyncio.wait({self._upkeep})

    async def _read(self, function: Callable[..., T], *arguments: Any) -> T:
        """Ask the process that searches: the one that writes may be at a long task."""
        return await self._searching.run(function, self._place, *arguments, deadline=_DEADLINE)

    async def _write(self, function: Callable[..., T], *arguments: Any, changes: bool = False) -> T:
        answer = await self._writing.run(function, self._place, *arguments, deadline=_DEADLINE)
        if changes:
            self._changed = True
            self._keep_up()
        return answer

    def _keep_up(self) -> None:
        """Bring the caches up to date soon, in small steps that let other calls between."""
        if (self._changed or time.monotonic() >= self._again_at) and self._upkeep is None:
            self._upkeep = asyncio.get_running_loop().create_task(self._maintain())
            self._upkeep.add_done_callback(self._upkept)

    async def _maintain(self) -> None:
        while self._changed or time.monotonic() >= self._again_at:
            self._changed, self._again_at = False, math.inf
            await asyncio.sleep(_PAUSE_SECONDS)
            with contextlib.suppress(ContextError):  # the next call that needs what failed tells of it
                left: Left = "more"
                while left == "more":
                    left = await self._writing.run(jobs.maintain, self._place, deadline=_DEADLINE)
                    await asyncio.sleep(_PAUSE_SECONDS if left == "more" and self._changed else 0)
                if left == "later":
                    self._again_at = time.monotonic() + _AGAIN_SECONDS

    def _upkept(self, task: asyncio.Task[None]) -> None:
        self._upkeep = None
        if not task.cancelled():
            task.exception()

    async def _stop_upkeep(self) -> None:
        if (task := self._upkeep) is not None:
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
    return [
        KnownSource(
            IndexedSource(key, kind, name, file, fingerprint, modified, size), chunks, bool(complete), problem, note
        )
        for key, kind, name, file, fingerprint, modified, size, chunks, complete, problem, note in rows
    ]
