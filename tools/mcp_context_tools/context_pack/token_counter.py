"""Counting tokens: by the model that writes where that costs nothing, else by an estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from mcp_context_resources.errors import ContextError
from mcp_context_resources.models.language import language_of
from mcp_context_tools.context_pack.token_estimate import ESTIMATE, estimated_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_tools.tool import Services


# A model that writes at length answers only when it is done.
_SECONDS: Final = 3.0


class TokenCounter:
    """Counts tokens by a model's tokenizer, or without one (None) by the estimate; `name` says which."""

    def __init__(self, services: Services, model: Choice | None) -> None:
        self._services = services
        self._model = model

    @property
    def name(self) -> str:
        """Who counts."""
        return ESTIMATE if self._model is None else self._model.source.name

    async def count(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text; from a failure of the model on by the estimate."""
        if self._model is not None:
            try:
                with anyio.fail_after(_SECONDS):
                    return await self._services.models.count_tokens(self._model, texts)
            except (ContextError, TimeoutError):
                self._model = None
        return [estimated_tokens(text) for text in texts]


async def token_counter(services: Services, *samples: str) -> TokenCounter:
    """Return what counts texts such as the samples.

    A model counts only if it is in memory, since loading it takes seconds, and reads their language: one made for
    English takes twice as many tokens for Japanese as any that will read the pack.
    """
    held = services.models.in_memory
    if not held:
        return TokenCounter(services, None)
    try:
        model = await services.models.choose(await services.tables.catalogue(), "chat", held)
    except ContextError:
        return TokenCounter(services, None)
    languages = {language_of(sample) for sample in samples}
    reads = all(language is None or model.card.reads(language) is not False for language in languages)
    return TokenCounter(services, model if reads else None)
