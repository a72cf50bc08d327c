"""Model runtime: what has models and runs them, the contract of llama.cpp on this machine and of remote servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.errors import ContextError
    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.router import Candidate, Choice
    from mcp_context_resources.models.spec import Choosing, Chosen, Embedded, Generated, Generation, ModelSpec
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source


class ModelRuntime(Protocol):
    """Has models, and runs those that are named by a `ModelSpec` it made.

    Its models are sources of a `format` that no other runtime has. At the deadline, or when the caller gives up,
    whatever was done by then is returned and `finish` says so. Progress counts tokens when generating, texts otherwise.
    All raise `ModelUnavailableError`, `PromptTooLongError`, `InvalidInputError`, and the errors of workers.
    """

    format: str

    @property
    def in_memory(self) -> str:
        """The name of the model that writes and is in this machine's memory now; empty where none is."""

    async def sources(self, catalogue: Catalogue) -> list[Source]:
        """List the models that can be named, those that turn out to be unusable among them."""

    async def candidates(self, catalogue: Catalogue) -> list[Candidate]:
        """List the models that can be used, each with what it is."""

    async def card(self, source: Source) -> ModelCard | None:
        """Return what one of its models is; None where that can't be told, as of one that is gone.

        Raises `ModelUnavailableError` for one that can't be used.
        """

    async def problem(self, catalogue: Catalogue, name: str | None = None) -> ContextError | None:
        """Tell what is wrong with the model of that name, or why there is none at all; None where nothing is."""

    def identity(self, model: Choice, context_tokens: int, *, embeds: bool) -> str:
        """Identify all that decides what a model answers, besides the prompt. May block for long."""

    def memory_bytes(self, source: Source, card: ModelCard, context_tokens: int) -> int:
        """Tell how much of this machine's memory a model takes; 0 where it takes none."""

    async def spec(self, model: Choice, context_tokens: int, *, embeds: bool) -> ModelSpec:
        """Get a model ready to be run, and name it.

        Raises `OutOfMemoryError` where it doesn't fit, `ModelUnavailableError`, `StorageError`.
        """

    async def generate(
        self, spec: ModelSpec, requests: Sequence[Generation], *, deadline: float, on_progress: Progress | None = None
    ) -> list[Generated]:
        """Generate a text for each request, several at once; what their prompts begin with alike is read once."""

    async def choose(
        self, spec: ModelSpec, request: Choosing, *, deadline: float, on_progress: Progress | None = None
    ) -> Chosen:
        """Tell how likely each label is as the answer to each prompt."""

    async def embed(
        self,
        spec: ModelSpec,
        texts: Sequence[str],
        *,
        deadline: float,
        unit: bool = True,
        on_progress: Progress | None = None,
    ) -> Embedded:
        """Make a vector of each text; the texts are taken as they are, prefixes included.

        Vectors have length 1 if `unit`, else that which the model gives them.
        """

    async def rerank(
        self, spec: ModelSpec, query: str, texts: Sequence[str], *, deadline: float, on_progress: Progress | None = None
    ) -> list[float]:
        """Tell how well each text answers the query; higher is better, only the order has a meaning."""

    async def count_tokens(self, spec: ModelSpec, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, without any chat format around it."""

    async def aclose(self) -> None:
        """Stop all work and free all memory."""
