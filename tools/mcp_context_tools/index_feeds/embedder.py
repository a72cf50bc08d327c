"""Embedder: the vectors of passages and queries, made by the model that suits the workspace."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from mcp_context_resources.errors import (
    DeadlineExceededError,
    InvalidInputError,
    ModelUnavailableError,
    NotFoundError,
)
from mcp_context_resources.index.chunks.text_boundaries import weight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from mcp_context_resources.models.instructions import Purpose
    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models
    from mcp_context_resources.models.spec import Role
    from mcp_context_resources.workspace.catalogue import Catalogue

# A query that comes meanwhile waits for no more than these.
_AT_ONCE: Final = 16
_AT_ONCE_WEIGHT: Final = 2_400
_KEPT_QUERIES: Final = 256
_CHOSEN_SECONDS: Final = 10.0
_SECONDS: Final = 60.0
_MAX_QUERY_CHARS: Final = 4_000
_BYTES_PER_NUMBER: Final = 4


class ModelEmbedder:
    """Embeds and ranks with the models of a workspace (see `index.feed.Embedder`).

    Vectors have length 1 if `unit`, else that which the model gives them.
    """

    def __init__(self, models: Models, catalogue: Callable[[], Awaitable[Catalogue]], *, unit: bool = True) -> None:
        self._unit = unit
        self._models = models
        self._catalogue = catalogue
        self._chosen: dict[Role, tuple[float, Choice | None, str]] = {}
        self._choosing = anyio.Lock()
        self._queries: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    async def model(self) -> str:
        """Identify the model that embeds, and how it does; empty where there is none."""
        return (await self._choose("embed"))[1]

    async def passages(self, texts: Sequence[str]) -> bytes:
        """Make a vector of each passage, some at a time; of a text longer than the model reads its beginning counts.

        Raises `ModelUnavailableError` where there is no model, `DeadlineExceededError`, and what models raise.
        """
        choice = await self._embeds()
        return b"".join([await self._vectors(choice, batch, "passage") for batch in _batches(texts)])

    async def query(self, text: str) -> bytes:
        """Make a vector of a query, or return it as it was made before; raises as `passages` does."""
        choice = await self._embeds()
        key = await self.model(), text[:_MAX_QUERY_CHARS]
        if (vector := self._queries.get(key)) is None:
            vector = await self._vectors(choice, [key[1]], "query")
        self._queries[key] = vector
        self._queries.move_to_end(key)
        while len(self._queries) > _KEPT_QUERIES:
            self._queries.popitem(last=False)
        return vector

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float] | None:
        """Tell how well each text answers the query, higher is better; None where no model can."""
        choice, _ = await self._choose("rerank")
        if choice is None or not texts:
            return None
        return await self._models.rerank(choice, query[:_MAX_QUERY_CHARS], list(texts), deadline=_SECONDS)

    async def _embeds(self) -> Choice:
        choice, _ = await self._choose("embed")
        if choice is None:
            raise ModelUnavailableError("There is no model that embeds.", "Search by words: mode lexical.")
        return choice

    async def _vectors(self, choice: Choice, texts: Sequence[str], purpose: Purpose) -> bytes:
        made = await self._models.embed(choice, list(texts), purpose, deadline=_SECONDS, unit=self._unit)
        if len(made.vectors) < len(texts) * made.dimensions * _BYTES_PER_NUMBER or not made.dimensions:
            raise DeadlineExceededError("Embedding took too long.", "Try again when less is going on.")
        return made.vectors

    async def _choose(self, role: Role) -> tuple[Choice | None, str]:
        """Return the model for a role and what identifies it; looked for anew every few seconds."""
        async with self._choosing:
            since, choice, identity = self._chosen.get(role, (float("-inf"), None, ""))
            if time.monotonic() - since > _CHOSEN_SECONDS:
                choice, identity = await self._look_for(role)
                self._chosen[role] = time.monotonic(), choice, identity
        return choice, identity

    async def _look_for(self, role: Role) -> tuple[Choice | None, str]:
        try:
            choice = await self._models.choose(await self._catalogue(), role)
        except (ModelUnavailableError, NotFoundError, InvalidInputError):
            return None, ""
        made_with = await anyio.to_thread.run_sync(lambda: self._models.identity(choice, embeds=True))
        return choice, hashlib.sha256(made_with.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Divide texts into small batches, each of about as much work."""
    batch: list[str] = []
    left = _AT_ONCE_WEIGHT
    for text in texts:
        size = weight(text)
        if batch and (size > left or len(batch) == _AT_ONCE):
            yield batch
            batch, left = [], _AT_ONCE_WEIGHT
        batch.append(text)
        left -= size
    if batch:
        yield batch
