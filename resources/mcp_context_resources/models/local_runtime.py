"""Local runtime: the models of this machine, run by llama.cpp in processes that end when there is no work."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
import psutil

from mcp_context_resources.errors import ConfigurationError, ContextError, ModelUnavailableError
from mcp_context_resources.models.file_digests import Digests
from mcp_context_resources.models.formats import FORMAT
from mcp_context_resources.models.instructions import EMBEDDING_VERSION
from mcp_context_resources.models.memory_fit import available_bytes, check_fit, needed_bytes
from mcp_context_resources.models.registry import HOW_TO_GET_ONE, Registry, is_called, runtime_installed
from mcp_context_resources.models.spec import ModelSpec
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.cores import available_cores
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.router import Candidate, Choice
    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.models.spec import Choosing, Chosen, Embedded, Generated, Generation
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace

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

    Each holds one model at a time, reads only files of models, and works on one call at a time.

    Raises `ConfigurationError` when made, for an adapter that isn't there.
    """

    format = FORMAT

    def __init__(self, workspace: Workspace, settings: ModelSettings, cache_dir: Path, max_cache_bytes: int) -> None:
        self._settings = settings
        self._registry = Registry(settings, cache_dir, max_cache_bytes)
        self._loras = tuple(_lora(text) for text in settings.loras)
        self._fitted: dict[bool, tuple[ModelSpec, int]] = {}
        self._digests = Digests()
        roots = (str(root.path) for root in workspace.roots)
        readable = (*roots, *self._registry.readable(), *(path for path, _ in self._loras))
        memory = settings.worker_memory_mb << 20 or psutil.virtual_memory().total * 9 // 10
        confinement = Confinement(
            readable=readable,
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
                # A worker can't read what was made, or put in a file's place, after it had started.
                identity=lambda: (workspace.roots.identity(), _present(readable)),
                queue_seconds=settings.deadline_seconds,
            )

        self._writing = pool("model")
        self._embedding = pool("embedding model")
        self._timers: dict[WorkerPool, asyncio.TimerHandle] = {}
        self._releasing: set[asyncio.Task[None]] = set()

    @property
    def in_memory(self) -> str:
        """The name of the model that writes and is in memory now; empty where none is."""
        loaded = self._fitted.get(False)
        return loaded[0].name if loaded is not None and self._writing.running else ""

    async def sources(self, catalogue: Catalogue) -> list[Source]:
        """List the models of served folders, settings, the store and installed packages."""
        return await anyio.to_thread.run_sync(self._registry.models, catalogue)

    async def candidates(self, catalogue: Catalogue) -> list[Candidate]:
        """List the models that are readable; none where llama.cpp isn't installed."""
        found = await self.sources(catalogue)
        return await anyio.to_thread.run_sync(self._registry.cards, found) if runtime_installed() else []

    async def card(self, source: Source) -> ModelCard | None:
        """Return what a model is; raises `ModelUnavailableError` for a file that is no whole one."""
        await anyio.to_thread.run_sync(self._registry.card, source)
        known = await anyio.to_thread.run_sync(self._registry.cards, [source])
        return next((card for _, card in known), None)

    async def problem(self, catalogue: Catalogue, name: str | None = None) -> ContextError | None:
        """Tell what is wrong with the file of that name, or that llama.cpp isn't installed."""
        if name is not None:
            return await anyio.to_thread.run_sync(self._problem_of, catalogue, name)
        if runtime_installed():
            return None
        return ModelUnavailableError("The local model runtime (llama-cpp-python) is not installed.", HOW_TO_GET_ONE)

    def identity(self, model: Choice, context_tokens: int, *, embeds: bool) -> str:
        """Identify a model by what is in its files, wherever they lie, and by the settings that change its answers.

        It blocks, the first time for as long as the files take to read.
        """
        source, card = model.source, model.card
        files = [source.origin or source.path, *(member.path for member in source.members[1:])]
        parts: list[object] = [source.format, source.name, context_tokens, source.path.name]
        parts += [*map(self._digests.of, files), self._settings.cache_type]
        parts.append(EMBEDDING_VERSION if embeds else [(self._digests.of(path), scale) for path, scale in self._loras])
        return repr([*parts, card.projector and self._digests.of(card.projector)])

    def memory_bytes(self, source: Source, card: ModelCard, context_tokens: int) -> int:
        """Tell how much memory a model takes, its projector apart."""
        return needed_bytes(card, source.size, context_tokens, self._settings.cache_type)

    async def spec(self, model: Choice, context_tokens: int, *, embeds: bool) -> ModelSpec:
        """Make the file ready, and make sure that the model fits in memory unless it is there already."""
        source, settings, card = model.source, self._settings, model.card
        path = await anyio.to_thread.run_sync(self._registry.make_ready, source)
        version = await anyio.to_thread.run_sync(_version, source, card)
        spec = ModelSpec(
            name=source.name,
            path=str(path),
            version=version,
            context_tokens=context_tokens,
            threads=settings.threads or available_cores(),
            gpu_layers=settings.gpu_layers,
            sequences=settings.parallel,
            cache_type=settings.cache_type,
            loras=() if embeds else self._loras,
            projector=card.projector,
        )
        is_up = (self._embedding if embeds else self._writing).running
        held, freed = self._fitted.get(embeds, (None, 0)) if is_up else (None, 0)
        if held != spec:  # one that is loaded has its memory already
            self._fitted[embeds] = spec, await anyio.to_thread.run_sync(self._check_fit, source, card, spec, freed)
        return spec

    async def generate(
        self, spec: ModelSpec, requests: Sequence[Generation], *, deadline: float, on_progress: Progress | None = None
    ) -> list[Generated]:
        """Generate in the process that writes, one call after another."""
        return await self._run(
            self._writing, GENERATE, spec, tuple(requests), deadline=deadline, on_progress=on_progress
        )

    async def choose(
        self, spec: ModelSpec, request: Choosing, *, deadline: float, on_progress: Progress | None = None
    ) -> Chosen:
        """Tell the probabilities in the process that writes."""
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
        """Embed in the process that embeds."""
        return await self._run(
            self._embedding, _EMBED, spec, tuple(texts), unit, deadline=deadline, on_progress=on_progress
        )

    async def rerank(
        self, spec: ModelSpec, query: str, texts: Sequence[str], *, deadline: float, on_progress: Progress | None = None
    ) -> list[float]:
        """Rank in the process that embeds."""
        return await self._run(
            self._embedding, _RERANK, spec, query, tuple(texts), deadline=deadline, on_progress=on_progress
        )

    async def count_tokens(self, spec: ModelSpec, texts: Sequence[str]) -> list[int]:
        """Count in the process that writes, for which the model is loaded."""
        return await self._run(
            self._writing, _COUNT_TOKENS, spec, tuple(texts), deadline=self._settings.deadline_seconds
        )

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
            self._timers[pool] = loop.call_later(self._settings.idle_seconds, self._release, pool)

    def _release(self, pool: WorkerPool) -> None:
        task = asyncio.get_running_loop().create_task(pool.release_idle())
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    def _problem_of(self, catalogue: Catalogue, name: str) -> ContextError | None:
        for source in self._registry.files(catalogue):
            if is_called(source, name):
                try:
                    card = self._registry.card(source)
                except ContextError as error:
                    return error
                return ModelUnavailableError(
                    f"{source.name!r} is no model by itself: {card.note or card.kind}.", "Name another model."
                )
        return None

    def _check_fit(self, source: Source, card: ModelCard, spec: ModelSpec, freed: int) -> int:
        """Return how much memory a model needs; `freed` bytes are given back by the one it takes the place of."""
        weights = source.size + (Path(card.projector).stat().st_size if card.projector else 0)
        available = available_bytes(self._settings.worker_memory_mb, freed)
        check_fit(card, weights, spec.context_tokens, spec.cache_type, available, source.name)
        return needed_bytes(card, weights, spec.context_tokens, spec.cache_type)


def _version(source: Source, card: ModelCard) -> str:
    """Identify the version of a model's file, its projector's among it."""
    return f"{source.fingerprint} {_present([card.projector])}" if card.projector else source.fingerprint


def _present(paths: Sequence[str]) -> list[tuple[int, int] | None]:
    """Tell which files and folders are there now, each by its device and inode."""
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino))
    return found


def _lora(text: str) -> tuple[str, float]:
    """Read an adapter and its scale, written FILE or FILE=SCALE.

    Raises `ConfigurationError`.
    """
    file, equals, scale = text.rpartition("=")
    try:
        path, factor = (Path(file), float(scale)) if equals else (Path(scale), 1.0)
    except ValueError:
        path, factor = Path(text), 1.0
    path = path.expanduser().resolve()
    if not path.is_file():
        raise ConfigurationError(f"There is no LoRA adapter {path}.", "Check --lora or models.loras.")
    return str(path), factor
