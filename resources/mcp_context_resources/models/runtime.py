"""What runs models: the contract that llama.cpp on this machine and remote servers both keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.spec import Choosing, Chosen, Embedded, Generated, Generation, ModelSpec
    from mcp_context_resources.workers.pool import Progress


class Runtime(Protocol):
    """Runs models that are named by a `ModelSpec`.

    At the deadline, or when the caller gives up, whatever was done by then is returned and `finish` says so. Progress
    counts tokens when generating, texts otherwise. All raise `ModelUnavailableError`, `PromptTooLongError`,
    `InvalidInputError`, and the errors of workers.
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
