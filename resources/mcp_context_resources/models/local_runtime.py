"""Models on this machine: llama.cpp in processes of its own, which leave memory when there is no work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

import anyio
import psutil

from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.models.spec import Choosing, Chosen, Embedded, Generated, Generation, ModelSpec
    from mcp_context_resources.workers.pool import Progress

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_HOME: Final = "mcp_context_resources.models.llama.work"
GENERATE: Final[WorkerFunction[list[Generated], ModelSpec, Sequence[Generation]]] = WorkerFunction(f"{_HOME}:generate")
"""Generates texts."""

_CHOOSE: Final[WorkerFunction[Chosen, ModelSpec, Choosing]] = WorkerFunction(f"{_HOME}:choose")
_EMBED: Final[WorkerFunction[Embedded, ModelSpec, Sequence[str], bool]] = WorkerFunction(f"{_HOME}:embed")
_RERANK: Final[WorkerFunction[list[float], ModelSpec, str, Sequence[str]]] = WorkerFunction(f"{_HOME}:rerank")
_COUNT_TOKENS: Final[WorkerFunction[list[int], ModelSpec, Sequence[str]]] = WorkerFunction(f"{_HOME}:count_tokens")
_HAS_GPU: Final = "mcp_context_resources.models.llama.gpu:has_gpu"


class LocalRuntime:
    """Runs GGUF files: one process for the model that writes, another for the one that embeds.

    `readable` are the files and folders they may read. Each holds one model at a time and works on one call at a time.
    """

    def __init__(self, settings: ModelSettings, readable: Sequence[str], identity: Callable[[], object]) -> None:
        self._idle_seconds = settings.idle_seconds
        self._deadline = settings.deadline_seconds
        memory = settings.worker_memory_mb << 20 or psutil.virtual_memory().total * 9 // 10
        confinement = Confinement(
            readable=tuple(readable),
            memory_bytes=memory,
            cap_address_space=False,
            gpu_when=_HAS_GPU if settings.gpu_layers else "",
        )

        def pool(name: str) -> WorkerPool:
            return WorkerPool(
                name,
                size=1,
                confinement=confinement,
                preload=(_HOME,),
                identity=identity,
                queue_seconds=settings.deadline_seconds,
            )

        self._writing = pool("model")
        self._embedding = pool("embedding model")
        self._timers: dict[WorkerPool, asyncio.TimerHandle] = {}
        self._releasing: set[asyncio.Task[None]] = set()

    async def generate(
        self, spec: ModelSpec, requests: Sequence[Generation], *, deadline: float, on_progress: Progress | None = None
    ) -> list[Generated]:
        """See `Runtime.generate`."""
        return await self._run(
            self._writing, GENERATE, spec, tuple(requests), deadline=deadline, on_progress=on_progress
        )

    async def choose(
        self, spec: ModelSpec, request: Choosing, *, deadline: float, on_progress: Progress | None = None
    ) -> Chosen:
        """See `Runtime.choose`."""
        return await self._run(self._writing, _CHOOSE, spec, request, deadline=deadline, on_progress=on_progress)

    async def embed(
        self,
        spec: ModelSpec,
        texts: Sequence[str],
        *,
        deadline: float,
        unit: bool = True,
        on_progress: Progress | None = None,
    ) -> Embedded:
        """See `Runtime.embed`."""
        return await self._run(
            self._embedding, _EMBED, spec, tuple(texts), unit, deadline=deadline, on_progress=on_progress
        )

    async def rerank(
        self, spec: ModelSpec, query: str, texts: Sequence[str], *, deadline: float, on_progress: Progress | None = None
    ) -> list[float]:
        """See `Runtime.rerank`."""
        return await self._run(
            self._embedding, _RERANK, spec, query, tuple(texts), deadline=deadline, on_progress=on_progress
        )

    async def count_tokens(self, spec: ModelSpec, texts: Sequence[str]) -> list[int]:
        """See `Runtime.count_tokens`."""
        return await self._run(self._writing, _COUNT_TOKENS, spec, tuple(texts), deadline=self._deadline)

    def is_up(self, *, embeds: bool) -> bool:
        """Tell whether the process that embeds, or the one that writes, is up and may hold a model."""
        return (self._embedding if embeds else self._writing).running

    async def aclose(self) -> None:
        """Stop the processes."""
        for timer in self._timers.values():
            timer.cancel()
        if self._releasing:
            await asyncio.wait(self._releasing)
        async with anyio.create_task_group() as group:
            group.start_soon(self._writing.aclose)
            group.start_soon(self._embedding.aclose)

    async def _run(
        self,
        pool: WorkerPool,
        function: WorkerFunction[T, *Ts],
        *arguments: *Ts,
        deadline: float,
        on_progress: Progress | None = None,
    ) -> T:
        if timer := self._timers.pop(pool, None):
            timer.cancel()
        try:
            return await pool.run(function, *arguments, deadline=deadline, on_progress=on_progress, waiting_counts=True)
        finally:
            loop = asyncio.get_running_loop()
            if timer := self._timers.pop(pool, None):  # of a call that ended while this one ran
                timer.cancel()
            self._timers[pool] = loop.call_later(self._idle_seconds, self._release, pool)

    def _release(self, pool: WorkerPool) -> None:
        task = asyncio.get_running_loop().create_task(pool.release_idle())
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)
