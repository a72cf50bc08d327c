"""Store: the Protocols behind which another engine can take the place of the one on this machine, and their data.

`Index` is what the server asks, of whichever process. `ChunkStore` and `Retriever` are what an engine implements inside
a worker: it keeps chunks and vectors, and finds candidates by terms and by vectors. What makes an answer of candidates
(fusion, phrases, marking, shares of the query, limits per source) stands above any engine, in `index.ranking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mcp_context_resources.index.analysis.terms import Field
    from mcp_context_resources.index.spec import (
        Chunk,
        ChunkKind,
        EmbeddingInput,
        Ending,
        IndexAnswer,
        IndexedSource,
        IndexQuery,
        IndexSize,
        KnownRow,
        KnownSource,
        RemainingWork,
        Spans,
    )
    from mcp_context_resources.workers.job import Job

T = TypeVar("T")


class StoreLocation(NamedTuple):
    """Which store a worker opens.

    `factory` names, as "module:function", what makes a `ChunkStore` of this location; `folder` is where it may write.
    Up to `exact_vectors` vectors are compared one by one.
    """

    factory: str
    folder: str
    exact_vectors: int


@dataclass(frozen=True, slots=True)
class Match:
    """Chunks whose `field` holds terms: one, or several that stand one after the other.

    The score is BM25 with k1 = 1.2 and b = 0.75, times `weight`; terms that follow each other score as one term.
    """

    field: Field
    terms: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Combination:
    """Chunks that match any clause, scored by the `sum` or by the `best` of them, or that match `all`, by the sum."""

    how: Literal["sum", "best", "all"]
    clauses: tuple[Match | Combination, ...]


Clause = Match | Combination
"""A part of a query by terms."""


@dataclass(frozen=True, slots=True)
class LexicalQuery:
    """Chunks that match `scored`, in the order of their scores.

    Those that match a clause of `bonus`, too, score that much more. Each clause of `required` must match and none of
    `excluded` may; neither counts in the score.
    """

    scored: Clause
    bonus: tuple[Clause, ...] = ()
    required: tuple[Clause, ...] = ()
    excluded: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class RetrievalScope:
    """Which chunks may answer: of complete sources, of the keys in `sources` (None: all), of `kinds` (empty: all).

    `model` names the vectors to be compared (empty: none). `by_terms` tells that chunks will be looked for by terms,
    so that those of the `fresh` sources are waited for a moment.
    """

    sources: tuple[str, ...] | None = None
    kinds: tuple[ChunkKind, ...] = ()
    model: str = ""
    by_terms: bool = True
    fresh: tuple[str, ...] = ()


class Coverage(NamedTuple):
    """What a search can reach of the chunks in its scope.

    `vectors` of `chunks` have a vector of the model, which has `dimension` numbers (0: there are none). `index_lag` is
    how many complete sources can't all be found by terms yet, `problem` why that will not get better by itself.
    `identity` tells the store from another one that took its place.
    """

    chunks: int
    vectors: int
    dimension: int
    index_lag: int
    problem: str
    identity: str


class TermMatches(NamedTuple):
    """Ids of chunks and their scores, the best first; `total` matches are there, `ended` tells that these are the last.

    `total` is told with the first matches only.
    """

    found: list[tuple[int, float]]
    total: int
    ended: bool


class VectorMatches(NamedTuple):
    """Ids of chunks and how near they are, the nearest first; whether every vector in scope was compared."""

    found: list[tuple[int, float]]
    exact: bool


class TermStatistics(NamedTuple):
    """How many chunks are searched, and how many of them hold each term."""

    chunks: int
    holding: dict[tuple[Field, str], int]


class ChunkText(NamedTuple):
    """The text of a chunk, and the headings above it in one line."""

    id: int
    heading: str
    text: str


class StoredChunk(NamedTuple):
    """A chunk, the version of a source it stands in, and the digest of what its vector is made of."""

    chunk: Chunk
    source: IndexedSource
    digest: str


class Retriever(Protocol):
    """One state of a store, as far as a scope reaches, for the length of one search."""

    @property
    def coverage(self) -> Coverage:
        """What can be reached."""
        ...

    def by_terms(self, query: LexicalQuery, start: int, stop: int) -> TermMatches:
        """Return the matches `start` to `stop` of all in the order of their scores, fewer where some are out of scope.

        Of equal scores the order is the same each time.
        """
        ...

    def statistics(self, terms: Collection[tuple[Field, str]]) -> TermStatistics:
        """Count the chunks that hold each term, whatever the scope."""
        ...

    def by_vector(self, vector: bytes, most: int, among: Sequence[int] | None = None) -> VectorMatches:
        """Return up to `most` chunks, the nearest first: of all in scope, or of those `among`.

        `vector` is little-endian float32, of the dimension told and of a length that is neither 0 nor infinite.
        """
        ...

    def without_vector(self, chunks: Sequence[int]) -> set[int]:
        """Return those of some chunks that have no vector yet, as those of a file that has just changed."""
        ...

    def texts(self, chunks: Sequence[int]) -> list[ChunkText]:
        """Return the texts of chunks, in any order."""
        ...

    def chunks(self, ids: Sequence[int]) -> dict[int, StoredChunk]:
        """Return chunks by their ids; those that may not answer any more are missing."""
        ...


class ChunkStore(Protocol):
    """Chunks of sources and their vectors, in a worker. Blocking; several processes may use one at the same time.

    What a method has returned from is on disk: a process that is killed loses nothing before that and doubles nothing.
    Every method raises `StorageError`.
    """

    def known(self) -> list[KnownRow]:
        """Return what the store holds of each source; of one there may be a complete version and one that isn't."""
        ...

    def begin(self, source: IndexedSource) -> int:
        """Get ready for a version of a source; returns how many of its chunks are there from an earlier attempt.

        Other versions of the source answer no more once this one is complete.
        """
        ...

    def put(self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None) -> bool:
        """Put in chunks of a source begun before, the first of them being number `first` of the source, from 0.

        With an `ending` they are the last: the source is complete, and takes the place of its other versions in one
        step. Returns False, and does nothing, where they aren't the next ones of a version begun.
        """
        ...

    def drop(self, keys: Sequence[str]) -> None:
        """Forget sources."""
        ...

    def without_vector(self, model: str, most: int) -> list[EmbeddingInput]:
        """Return texts that have no vector of a model yet and that no other server is working on; each text once.

        They count as being worked on for a minute.
        """
        ...

    def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        """Put in vectors: little-endian float32, one after another, in the order of `digests`.

        The name of the model tells how they are compared (`spec.metric_of`). Raises `InvalidInputError` where they are
        no vectors of so many texts.
        """
        ...

    def size(self, model: str) -> IndexSize:
        """Tell how much there is, and how much of it has vectors of a model."""
        ...

    def retrieve(self, job: Job, scope: RetrievalScope, use: Callable[[Retriever], T]) -> T:
        """Run `use` on one state of the store; once more where what it met was damaged and had to be made anew.

        Raises what `use` raises, and `DeadlineExceededError`.
        """
        ...

    def maintain(self, job: Job) -> RemainingWork:
        """Bring what is made of the chunks up to date, for about a second; returns what is left to be done."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class Index(Protocol):
    """A store as the server uses it: the methods of `ChunkStore`, awaited, and the search over it.

    Every method raises the workers' errors, too.
    """

    async def known(self) -> Sequence[KnownSource]:
        """Return what the store holds of each source."""
        ...

    async def begin(self, source: IndexedSource) -> int:
        """Get ready for a version of a source; returns how many of its chunks are there."""
        ...

    async def put(
        self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None = None
    ) -> bool:
        """Put in the next chunks of a version of a source; False where another server has put them in already."""
        ...

    async def drop(self, keys: Collection[str]) -> None:
        """Forget sources."""
        ...

    async def without_vector(self, model: str, most: int) -> Sequence[EmbeddingInput]:
        """Claim texts that have no vector of a model yet."""
        ...

    async def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        """Put in vectors of texts."""
        ...

    async def search(self, query: IndexQuery, *, deadline: float) -> IndexAnswer:
        """Find chunks of complete sources, within `deadline` seconds."""
        ...

    async def mark(self, text: str, texts: Sequence[str]) -> Sequence[Spans]:
        """Return where words of a query stand in each of some texts, as `Hit.matched` tells it."""
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
