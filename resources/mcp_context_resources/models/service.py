"""Model service: a role and a text in, words, labels or vectors out, whatever runs the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from mcp_context_resources.errors import NotFoundError
from mcp_context_resources.models.instructions import embedding_text
from mcp_context_resources.models.json_schema import check_json_schema
from mcp_context_resources.models.local_runtime import LocalRuntime
from mcp_context_resources.models.router import Wanted, choose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcp_context_resources.models.instructions import Purpose
    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.router import Candidate, Choice
    from mcp_context_resources.models.runtime import ModelRuntime
    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.models.spec import Choosing, Chosen, Embedded, Generated, Generation, ModelSpec, Role
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace


class Models:
    """The models of all runtimes: of this machine, of the remote servers of the settings, and of `others` given."""

    def __init__(
        self,
        workspace: Workspace,
        settings: ModelSettings,
        cache_dir: Path,
        max_cache_bytes: int,
        others: Sequence[ModelRuntime] = (),
    ) -> None:
        self.settings = settings
        runtimes: list[ModelRuntime] = [LocalRuntime(workspace, settings, cache_dir, max_cache_bytes)]
        if settings.remote:
            from mcp_context_resources.models.remote.runtime import RemoteRuntime

            runtimes.append(RemoteRuntime(settings))
        self._runtimes = {runtime.format: runtime for runtime in (*runtimes, *others)}

    async def aclose(self) -> None:
        """Stop the models' processes and free their memory."""
        for runtime in self._runtimes.values():
            await runtime.aclose()

    @property
    def in_memory(self) -> str:
        """The name of the model on this machine that writes and is in memory now; empty where none is."""
        return next((runtime.in_memory for runtime in self._runtimes.values() if runtime.in_memory), "")

    async def available(self, catalogue: Catalogue) -> list[Source]:
        """List the models that can be named, those of remote servers last."""
        return [source for runtime in self._runtimes.values() for source in await runtime.sources(catalogue)]

    async def candidates(self, catalogue: Catalogue) -> list[Candidate]:
        """List the models that can be used, each with what it is."""
        return [known for runtime in self._runtimes.values() for known in await runtime.candidates(catalogue)]

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
        if not candidates:
            await self._tell_problem(catalogue)
        wanted = Wanted(role, name, language, tokens)
        try:
            return await anyio.to_thread.run_sync(choose, candidates, wanted, self.settings)
        except NotFoundError:
            if name is not None:
                await self._tell_problem(catalogue, name)
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
        return self._runtime(model).identity(model, self.context_tokens(model), embeds=embeds)

    async def card(self, source: Source) -> ModelCard | None:
        """Return what a model is; None where that can't be told, as of one that is gone.

        Raises `ModelUnavailableError` for one that can't be used.
        """
        return await self._runtimes[source.format].card(source)

    def memory_bytes(self, source: Source, card: ModelCard) -> int:
        """Tell how much of this machine's memory a model takes with these settings; 0 for one that runs elsewhere."""
        tokens = min(self.settings.context_tokens, card.context_length or self.settings.context_tokens)
        return self._runtimes[source.format].memory_bytes(source, card, tokens)

    async def _tell_problem(self, catalogue: Catalogue, name: str | None = None) -> None:
        """Raise what a runtime has to say of the model of that name, or of having none at all."""
        for runtime in self._runtimes.values():
            if (problem := await runtime.problem(catalogue, name)) is not None:
                raise problem

    def _seconds(self, deadline: float | None) -> float:
        return self.settings.deadline_seconds if deadline is None else deadline

    def _runtime(self, model: Choice) -> ModelRuntime:
        return self._runtimes[model.source.format]

    async def _spec(self, model: Choice, *, embeds: bool = False) -> ModelSpec:
        return await self._runtime(model).spec(model, self.context_tokens(model), embeds=embeds)
