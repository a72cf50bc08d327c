"""Models as the server sees them: a role and a text in, words, labels or vectors out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from mcp_context_resources.errors import ConfigurationError, ModelUnavailableError, NotFoundError
from mcp_context_resources.models.file_digests import Digests
from mcp_context_resources.models.instructions import EMBEDDING_VERSION, embedding_text
from mcp_context_resources.models.json_schema import check_json_schema
from mcp_context_resources.models.local_runtime import LocalRuntime
from mcp_context_resources.models.memory_fit import available_bytes, check_fit, needed_bytes
from mcp_context_resources.models.registry import HOW_TO_GET_ONE, Registry, is_called, runtime_installed
from mcp_context_resources.models.remote.candidates import REMOTE, candidate
from mcp_context_resources.models.router import Wanted, choose
from mcp_context_resources.models.spec import ModelSpec
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.instructions import Purpose
    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.remote.discovery import Discovery
    from mcp_context_resources.models.remote.runtime import RemoteRuntime
    from mcp_context_resources.models.router import Candidate, Choice
    from mcp_context_resources.models.runtime import Runtime
    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.models.spec import Choosing, Chosen, Embedded, Generated, Generation, Role
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace


class Models:
    """The models of this machine (the workspace's, the configured, pulled and shipped ones) and of remote servers."""

    def __init__(self, workspace: Workspace, settings: ModelSettings, cache_dir: Path, max_cache_bytes: int) -> None:
        self.settings = settings
        self.registry = Registry(settings, cache_dir, max_cache_bytes)
        self._loras = tuple(_lora(text) for text in settings.loras)
        roots = (str(root.path) for root in workspace.roots)
        readable = (*roots, *self.registry.readable(), *(path for path, _ in self._loras))
        # A worker can't read what was made, or put in a file's place, after it had started.
        self._local = LocalRuntime(settings, readable, lambda: (workspace.roots.identity(), _present(readable)))
        self._remote: RemoteRuntime | None = None
        self._discovery: Discovery | None = None
        if settings.remote:
            from mcp_context_resources.models.remote.discovery import Discovery
            from mcp_context_resources.models.remote.runtime import RemoteRuntime

            self._remote, self._discovery = RemoteRuntime(settings), Discovery(settings)
        self._fitted: dict[bool, tuple[ModelSpec, int]] = {}
        self._digests = Digests()

    async def aclose(self) -> None:
        """Stop the models' processes and free their memory."""
        await self._local.aclose()
        if self._remote is not None:
            await self._remote.aclose()

    @property
    def in_memory(self) -> str:
        """The name of the model on this machine that writes and is in memory now; empty where none is."""
        held = self._fitted.get(False)
        return held[0].name if held is not None and self._local.is_up(embeds=False) else ""

    async def available(self, catalogue: Catalogue) -> list[Source]:
        """List the models that can be named, those of remote servers last."""
        here = await anyio.to_thread.run_sync(self.registry.models, catalogue)
        return [*here, *(source for source, _ in await self._served())]

    async def candidates(self, catalogue: Catalogue) -> list[Candidate]:
        """List the models that can be used, each with what it is."""
        here = await anyio.to_thread.run_sync(self.registry.models, catalogue)
        known = await anyio.to_thread.run_sync(self.registry.cards, here) if runtime_installed() else []
        return [*known, *(await self._served())]

    async def choose(
        self,
        catalogue: Catalogue,
        role: Role = "chat",
        name: str | None = None,
        *,
        language: str | None = None,
        tokens: int = 0,
    ) -> Choice:
        """Return the model of that name, or the one that suits best: see `router.choose`.

        Raises `ModelUnavailableError`, `NotFoundError`, `InvalidInputError`.
        """
        candidates = await self.candidates(catalogue)
        if not candidates and not runtime_installed():
            raise ModelUnavailableError("The local model runtime (llama-cpp-python) is not installed.", HOW_TO_GET_ONE)
        wanted = Wanted(role, name, language, tokens)
        try:
            return await anyio.to_thread.run_sync(choose, candidates, wanted, self.settings)
        except NotFoundError:
            if name is not None:
                await anyio.to_thread.run_sync(self._tell_problem, catalogue, name)
            raise

    async def generate(
        self,
        model: Choice,
        requests: Sequence[Generation],
        *,
        deadline: float | None = None,
        on_progress: Progress | None = None,
    ) -> list[Generated]:
        """Generate a text for each request, several at once.

        Raises `InvalidInputError` for a bad schema, `PromptTooLongError`, `OutOfMemoryError` and the workers' errors.
        """
        for request in requests:
            if request.json_schema is not None:
                check_json_schema(request.json_schema)
        spec = await self._spec(model)
        return await self._runtime(model).generate(
            spec, requests, deadline=self._seconds(deadline), on_progress=on_progress
        )

    async def label(
        self, model: Choice, request: Choosing, *, deadline: float | None = None, on_progress: Progress | None = None
    ) -> Chosen:
        """Tell how likely each label is as the answer to each prompt; raises as `generate` does."""
        spec = await self._spec(model)
        return await self._runtime(model).choose(
            spec, request, deadline=self._seconds(deadline), on_progress=on_progress
        )

    async def embed(
        self,
        model: Choice,
        texts: Sequence[str],
        purpose: Purpose,
        *,
        deadline: float | None = None,
        unit: bool = True,
        on_progress: Progress | None = None,
    ) -> Embedded:
        """Make a vector of each text, prepared as the model was trained; raises as `generate` does.

        Vectors have length 1 if `unit`, else that which the model gives them.
        """
        prepared = [embedding_text(model.card, model.source.name, text, purpose) for text in texts]
        spec = await self._spec(model, embeds=True)
        return await self._runtime(model).embed(
            spec, prepared, deadline=self._seconds(deadline), unit=unit, on_progress=on_progress
        )

    async def rerank(
        self, model: Choice, query: str, texts: Sequence[str], *, deadline: float | None = None
    ) -> list[float]:
        """Tell how well each text answers the query, higher is better; raises as `generate` does."""
        spec = await self._spec(model, embeds=True)
        return await self._runtime(model).rerank(spec, query, texts, deadline=self._seconds(deadline))

    async def count_tokens(self, model: Choice, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text; raises as `generate` does."""
        return await self._runtime(model).count_tokens(await self._spec(model), texts)

    def context_tokens(self, model: Choice) -> int:
        """Return how many tokens the model's context holds with these settings."""
        return min(self.settings.context_tokens, model.card.context_length or self.settings.context_tokens)

    def identity(self, model: Choice, *, embeds: bool = False) -> str:
        """Identify all that decides what a model answers, besides the prompt: its files, its server, the settings.

        It changes when one of them does, a file with what is in it: not when it is moved, linked or installed again.
        It blocks, the first time for as long as the files take to read.
        """
        source, settings, card = model.source, self.settings, model.card
        parts: list[object] = [source.format, source.name, self.context_tokens(model)]
        if source.format == REMOTE:
            return repr([*parts, source.file, source.fingerprint])
        files = [source.origin or source.path, *(member.path for member in source.members[1:])]
        parts += [source.path.name, *map(self._digests.of, files), settings.cache_type]
        parts.append(EMBEDDING_VERSION if embeds else [(self._digests.of(path), scale) for path, scale in self._loras])
        return repr([*parts, card.projector and self._digests.of(card.projector)])

    def _tell_problem(self, catalogue: Catalogue, name: str) -> None:
        """Raise what is wrong with the file of that name, where there is one."""
        for source in self.registry.files(catalogue):
            if is_called(source, name):
                card = self.registry.card(source)
                raise ModelUnavailableError(
                    f"{source.name!r} is no model by itself: {card.note or card.kind}.", "Name another model."
                )

    def _seconds(self, deadline: float | None) -> float:
        return self.settings.deadline_seconds if deadline is None else deadline

    def _runtime(self, model: Choice) -> Runtime:
        if model.source.format == REMOTE:
            assert self._remote is not None  # noqa: S101 - only it has such models
            return self._remote
        return self._local

    async def _served(self) -> list[Candidate]:
        listing = await self._discovery.list_models() if self._discovery is not None else None
        return [candidate(model) for model in listing.models] if listing is not None else []

    async def _spec(self, model: Choice, *, embeds: bool = False) -> ModelSpec:
        source, settings, card = model.source, self.settings, model.card
        if source.format == REMOTE:
            return ModelSpec(source.name, source.file, "", self.context_tokens(model), 0, 0, settings.parallel)
        path = await anyio.to_thread.run_sync(self.registry.make_ready, source)
        version = await anyio.to_thread.run_sync(_version, source, card)
        spec = ModelSpec(
            name=source.name,
            path=str(path),
            version=version,
            context_tokens=self.context_tokens(model),
            threads=settings.threads or available_cores(),
            gpu_layers=settings.gpu_layers,
            sequences=settings.parallel,
            cache_type=settings.cache_type,
            loras=() if embeds else self._loras,
            projector=card.projector,
        )
        held, freed = self._fitted.get(embeds, (None, 0)) if self._local.is_up(embeds=embeds) else (None, 0)
        if held != spec:  # one that is loaded has its memory already
            self._fitted[embeds] = spec, await anyio.to_thread.run_sync(self._check_fit, source, card, spec, freed)
        return spec

    def _check_fit(self, source: Source, card: ModelCard, spec: ModelSpec, freed: int) -> int:
        """Return how much memory a model needs; `freed` bytes are given back by the one it takes the place of."""
        weights = source.size + (Path(card.projector).stat().st_size if card.projector else 0)
        available = available_bytes(self.settings.worker_memory_mb, freed)
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
