"""Feed: where the index gets its texts from, as the rooms of documents and tables hand them over; and vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from mcp_context_resources.index.spec import Chunk, IndexedSource


@dataclass(frozen=True, slots=True)
class ChunkBatch:
    """Some chunks of a source, in order; `done` of `total` pages or rows are chunked so far (0: unknown).

    `note` is what a person should know of the source, such as that only its beginning is searchable.
    """

    chunks: tuple[Chunk, ...]
    done: int = 0
    total: int = 0
    note: str = ""


class Feed(Protocol):
    """Sources of one kind and their chunks."""

    async def sources(self) -> Sequence[IndexedSource]:
        """Return every source there is now; fingerprints change with the file, the settings and the way of cutting."""
        ...

    def chunks(self, source: IndexedSource, first: int) -> AsyncIterator[ChunkBatch]:
        """Read a version of a source and cut it, from chunk number `first` on; always the same way.

        Raises `SourceChangedError` where the file is another one by now, `NotFoundError` where it is gone, other
        `ContextError`s where it can't be read.
        """
        ...


@runtime_checkable
class CheckingFeed(Feed, Protocol):
    """A feed that can look at a few sources without listing all of them."""

    async def unchanged(self, sources: Sequence[IndexedSource]) -> Sequence[IndexedSource]:
        """Return those of some sources, listed before, whose files are still the same version now."""
        ...


@runtime_checkable
class LimitedFeed(Feed, Protocol):
    """A feed that may leave sources out."""

    @property
    def limit(self) -> str:
        """Say that there was more than `sources` returned last, and what to do; empty where that isn't so."""
        ...


class Embedder(Protocol):
    """Makes vectors of texts."""

    async def model(self) -> str:
        """Identify the model that embeds; empty where there is none."""
        ...

    async def passages(self, texts: Sequence[str]) -> bytes:
        """Make a vector of each passage: little-endian float32, one after another; of length 1 to compare by cosine.

        Raises the models' errors.
        """
        ...

    async def query(self, text: str) -> bytes:
        """Make a vector of a query."""
        ...

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float] | None:
        """Tell how well each text answers the query, higher is better; None where no model can."""
        ...
