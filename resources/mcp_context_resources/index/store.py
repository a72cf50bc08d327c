"""What an index must be able to do: the seam where another engine can take the place of the one on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mcp_context_resources.index.spec import (
        Chunk,
        Ending,
        IndexAnswer,
        IndexedSource,
        IndexQuery,
        IndexSize,
        KnownSource,
        Passage,
        Places,
    )


class Index(Protocol):
    """Chunks of sources, found by words and by vectors. Several servers may use one at the same time.

    What a method has returned from is on disk: a server that is killed loses nothing before that and doubles nothing.
    Every method raises the workers' errors and `StorageError`.
    """

    @property
    def version(self) -> str:
        """Identify how texts are taken apart into words: chunks put in by another version don't answer."""
        ...

    async def known(self) -> Sequence[KnownSource]:
        """Return what the index holds of each source."""
        ...

    async def begin(self, source: IndexedSource) -> int:
        """Get ready for a version of a source; returns how many of its chunks are there from an earlier attempt.

        Other versions of the source answer no more once this one is complete.
        """
        ...

    async def put(
        self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None = None
    ) -> bool:
        """Put in chunks of a source begun before, the first of them being number `first` of the source, from 0.

        With an `ending` they are the last: the source is complete, and takes the place of its other versions in one
        step. Returns False, and does nothing, where another server has put in these chunks already.
        """
        ...

    async def drop(self, keys: Collection[str]) -> None:
        """Forget sources."""
        ...

    async def without_vector(self, model: str, most: int) -> Sequence[Passage]:
        """Return texts that have no vector of a model yet and that no other server is working on; each text once.

        They count as being worked on for a minute.
        """
        ...

    async def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        """Put in vectors: little-endian float32, one after another, in the order of `digests`.

        The name of the model tells how they are compared (`index.metric`).
        """
        ...

    async def search(self, query: IndexQuery, *, deadline: float) -> IndexAnswer:
        """Find chunks of complete sources, within `deadline` seconds."""
        ...

    async def mark(self, text: str, texts: Sequence[str]) -> Sequence[Places]:
        """Return the places of the words of a query in each of some texts, as `Hit.matched` tells them."""
        ...

    async def size(self, model: str = "") -> IndexSize:
        """Tell how much there is, and how much of it has vectors of a model."""
        ...

    async def release(self) -> None:
        """Give back memory and processes until the next call."""
        ...

    async def aclose(self) -> None:
        """Stop."""
        ...
