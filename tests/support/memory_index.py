"""A second engine of the index, in memory, under the real ranking: what a shared database would do, plainly.

No library of the first one is in it: terms are compared by BM25 as its formula says, vectors one by one.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.index.analysis.terms import fields_of, heading_line
from mcp_context_resources.index.ranking import worker
from mcp_context_resources.index.ranking.search import search
from mcp_context_resources.index.spec import EmbeddingInput, IndexSize, KnownSource, metric_of
from mcp_context_resources.index.store import (
    ChunkText,
    Coverage,
    Match,
    StoredChunk,
    TermMatches,
    TermStatistics,
    VectorMatches,
)
from mcp_context_resources.workers.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from mcp_context_resources.index.analysis.terms import Field
    from mcp_context_resources.index.spec import (
        Chunk,
        Ending,
        IndexAnswer,
        IndexedSource,
        IndexQuery,
        KnownRow,
        RemainingWork,
        Spans,
    )
    from mcp_context_resources.index.store import (
        ChunkStore,
        Clause,
        Index,
        LexicalQuery,
        RetrievalScope,
        Retriever,
        StoreLocation,
    )

T = TypeVar("T")

_K1 = 1.2
_B = 0.75


@dataclass(eq=False)
class _Stored:
    """A chunk under its number, and its terms by field."""

    id: int
    chunk: Chunk
    source: IndexedSource

    @cached_property
    def fields(self) -> dict[Field, list[str]]:
        terms = fields_of(self.chunk.text, self.chunk.heading, self.source.name)
        return {one: list(terms.get(one, ())) for one in _FIELDS}

    @cached_property
    def counts(self) -> dict[Field, Counter[str]]:
        return {one: Counter(terms) for one, terms in self.fields.items()}

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256("\0".join((*self.chunk.heading, self.chunk.text)).encode()).hexdigest()[:16]


_FIELDS: tuple[Field, ...] = ("words", "surface", "characters", "loans", "heading", "name")


@dataclass
class _Version:
    source: IndexedSource
    chunks: list[Chunk] = field(default_factory=list)
    complete: bool = False
    problem: str = ""
    note: str = ""


class MemoryStore:
    """A `ChunkStore` in dictionaries."""

    def __init__(self) -> None:
        self.claim_seconds = 60.0
        self.least_near = -math.inf
        self.index_lag = 0
        self.problem = ""
        self.identity = "1"
        self.notes: tuple[str, ...] = ()
        self.held: dict[str, dict[str, _Version]] = {}
        self.vectors: dict[str, dict[str, bytes]] = defaultdict(dict)
        self._claimed: dict[tuple[str, str], float] = {}
        self._stored: dict[tuple[str, str, int], _Stored] = {}
        self._numbers = 0

    def known(self) -> list[KnownRow]:
        rows: list[KnownRow] = []
        for held in self.versions():
            one = held.source
            row = (one.key, one.kind, one.name, one.file, one.fingerprint, one.modified, one.size)
            rows.append((*row, len(held.chunks), int(held.complete), held.problem, held.note))
        return rows

    def begin(self, source: IndexedSource) -> int:
        held = self.held.setdefault(source.key, {}).setdefault(source.fingerprint, _Version(source))
        return len(held.chunks)

    def put(self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None) -> bool:
        held = self.held.get(source.key, {}).get(source.fingerprint)
        if held is None or held.complete or first != len(held.chunks):
            return False
        held.chunks += chunks
        if ending is not None:
            held.complete, held.problem, held.note = True, ending.problem, ending.note
            if ending.problem:
                held.chunks = []
            self.held[source.key] = {source.fingerprint: held}
        return True

    def drop(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.held.pop(key, None)

    def without_vector(self, model: str, most: int) -> list[EmbeddingInput]:
        now, found = time.monotonic(), dict[str, EmbeddingInput]()
        for one in self.complete_chunks():
            if len(found) == most:
                break
            if one.digest not in self.vectors[model] and self._claimed.get((model, one.digest), 0.0) <= now:
                heading = heading_line(one.chunk.heading)
                text = f"{heading}\n{one.chunk.text}" if heading else one.chunk.text
                found[one.digest] = EmbeddingInput(one.digest, text)
        self._claimed.update(((model, digest), now + self.claim_seconds) for digest in found)
        return list(found.values())

    def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        size = len(vectors) // len(digests)
        if not np.isfinite(np.frombuffer(vectors, "<f4")).all():
            raise InvalidInputError("These are no vectors.", "Check the embedding model.")
        for place, digest in enumerate(digests):
            self.vectors[model][digest] = vectors[place * size : (place + 1) * size]

    def size(self, model: str) -> IndexSize:
        chunks = list(self.complete_chunks())
        have = sum(one.digest in self.vectors[model] for one in chunks)
        sources = sum(held.complete for held in self.versions())
        return IndexSize(sources, len(chunks), have, sum(len(one.digest) for one in chunks), self.notes)

    def retrieve(self, job: Job, scope: RetrievalScope, use: Callable[[Retriever], T]) -> T:  # noqa: ARG002 - quick
        return use(MemoryRetriever(self, scope))

    def maintain(self, job: Job) -> RemainingWork:  # noqa: ARG002 - there is nothing to do
        return "nothing"

    def close(self) -> None:
        """Keep what there is: there are no files."""

    def versions(self) -> list[_Version]:
        return [held for versions in self.held.values() for held in versions.values()]

    def complete_chunks(self) -> Iterator[_Stored]:
        for held in self.versions():
            for place, chunk in enumerate(held.chunks if held.complete else ()):
                key = held.source.key, held.source.fingerprint, place
                if key not in self._stored or self._stored[key].chunk is not chunk:
                    self._numbers += 1
                    self._stored[key] = _Stored(self._numbers, chunk, held.source)
                yield self._stored[key]

    def lose(self, identity: str) -> None:
        self.held, self.vectors, self._claimed = {}, defaultdict(dict), {}
        self.identity = identity


class MemoryRetriever:
    """A `Retriever` that looks at every chunk."""

    def __init__(self, store: MemoryStore, scope: RetrievalScope) -> None:
        self._all = {one.id: one for one in store.complete_chunks()}
        allowed = None if scope.sources is None else set(scope.sources)
        self._admitted = {
            number: one
            for number, one in self._all.items()
            if (allowed is None or one.source.key in allowed) and (not scope.kinds or one.chunk.kind in scope.kinds)
        }
        self._vectors = store.vectors[scope.model] if scope.model else {}
        self._metric = metric_of(scope.model)
        self._least_near = store.least_near
        self._counted: dict[tuple[Field, str], int] = {}
        lengths = {one: [len(stored.fields[one]) for stored in self._all.values()] for one in _FIELDS}
        self._average = {one: sum(lengths[one]) / max(1, len(lengths[one])) for one in _FIELDS}
        self.coverage = Coverage(
            chunks=len(self._admitted),
            vectors=sum(one.digest in self._vectors for one in self._admitted.values()),
            dimension=len(next(iter(self._vectors.values()), b"")) // 4,
            index_lag=store.index_lag,
            problem=store.problem,
            identity=store.identity,
        )

    def by_terms(self, query: LexicalQuery, start: int, stop: int) -> TermMatches:
        scored = self._scores(query.scored)
        for clause in query.bonus:
            more = self._scores(clause)
            scored = {number: score + more.get(number, 0.0) for number, score in scored.items()}
        kept = set(self._admitted) & set(scored)
        for clause in query.required:
            kept &= set(self._scores(clause))
        for clause in query.excluded:
            kept -= set(self._scores(clause))
        ranked = sorted(((number, scored[number]) for number in kept), key=lambda match: (-match[1], match[0]))
        return TermMatches(ranked[start:stop], len(ranked), stop >= len(ranked))

    def statistics(self, terms: Collection[tuple[Field, str]]) -> TermStatistics:
        return TermStatistics(len(self._all), {(where, term): self._holding(where, term) for where, term in terms})

    def by_vector(self, vector: bytes, most: int, among: Sequence[int] | None = None) -> VectorMatches:
        query = np.frombuffer(vector, "<f4")
        chosen = self._admitted if among is None else {number: self._all[number] for number in among}
        near = {
            number: self._nearness(query, np.frombuffer(self._vectors[one.digest], "<f4"))
            for number, one in chosen.items()
            if one.digest in self._vectors
        }
        near = {number: nearness for number, nearness in near.items() if nearness >= self._least_near}
        return VectorMatches(sorted(near.items(), key=lambda match: (-match[1], match[0]))[:most], exact=True)

    def without_vector(self, chunks: Sequence[int]) -> set[int]:
        return {number for number in chunks if self._all[number].digest not in self._vectors}

    def texts(self, chunks: Sequence[int]) -> list[ChunkText]:
        stored = [self._all[number] for number in chunks]
        return [ChunkText(one.id, heading_line(one.chunk.heading), one.chunk.text) for one in stored]

    def chunks(self, ids: Sequence[int]) -> dict[int, StoredChunk]:
        stored = [self._all[number] for number in ids]
        return {one.id: StoredChunk(one.chunk, one.source, one.digest) for one in stored}

    def _nearness(self, one: Any, other: Any) -> float:
        if self._metric == "l2":
            return -float(np.linalg.norm(one - other))
        product = float(one @ other)
        return product if self._metric == "inner_product" else product / float(np.linalg.norm(one) or 1.0)

    def _scores(self, clause: Clause) -> dict[int, float]:
        """Return the chunks that match a clause, and their scores."""
        if isinstance(clause, Match):
            return self._matching(clause)
        scores = [self._scores(one) for one in clause.clauses]
        numbers = {number for some in scores for number in some}
        if clause.how == "all":
            numbers = {number for number in numbers if all(number in some for some in scores)}
        combine = max if clause.how == "best" else math.fsum
        return {number: combine([some[number] for some in scores if number in some]) for number in numbers}

    def _matching(self, match: Match) -> dict[int, float]:
        rarity = sum(self._rarity(match.field, term) for term in match.terms)
        scores = {}
        for number, one in self._all.items():
            if count := _count(one, match):
                relative = len(one.fields[match.field]) / max(self._average[match.field], 1e-9)
                frequency = count * (1 + _K1) / (count + _K1 * (1 - _B + _B * relative))
                scores[number] = match.weight * rarity * frequency
        return scores

    def _rarity(self, where: Field, term: str) -> float:
        holding = self._holding(where, term)
        return math.log(1 + (len(self._all) - holding + 0.5) / (holding + 0.5))

    def _holding(self, where: Field, term: str) -> int:
        if (where, term) not in self._counted:
            self._counted[where, term] = sum(term in one.counts[where] for one in self._all.values())
        return self._counted[where, term]


def _count(one: _Stored, match: Match) -> int:
    """Count how often the terms stand one after the other."""
    if len(match.terms) == 1:
        return one.counts[match.field][match.terms[0]]
    if not all(term in one.counts[match.field] for term in match.terms):
        return 0
    terms, length = one.fields[match.field], len(match.terms)
    return sum(tuple(terms[place : place + length]) == match.terms for place in range(len(terms) - length + 1))


class MemoryIndex:
    """An `Index` over a `MemoryStore` in this process.

    `before` is called with the name of a method before it does anything: a test raises there, or waits.
    """

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.before: Callable[[str], object] = lambda _method: None
        self.calls: list[str] = []
        self.queries: list[IndexQuery] = []

    async def known(self) -> list[KnownSource]:
        self._begin("known")
        return [KnownSource.of(row) for row in self.store.known()]

    async def begin(self, source: IndexedSource) -> int:
        self._begin("begin")
        return self.store.begin(source)

    async def put(
        self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None = None
    ) -> bool:
        self._begin("put")
        return self.store.put(source, first, chunks, ending)

    async def drop(self, keys: Collection[str]) -> None:
        self._begin("drop")
        self.store.drop(list(keys))

    async def without_vector(self, model: str, most: int) -> list[EmbeddingInput]:
        self._begin("without_vector")
        return self.store.without_vector(model, most)

    async def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        self._begin("put_vectors")
        self.store.put_vectors(model, digests, vectors)

    async def search(self, query: IndexQuery, *, deadline: float) -> IndexAnswer:
        self._begin("search")
        self.queries.append(query)
        if any(len(vector) != len(query.vector) for vector in self.store.vectors[query.model].values()):
            raise InvalidInputError("The vectors differ in length.", "Make them with one model.")
        return search(self.store, _job(deadline), query)

    async def mark(self, text: str, texts: Sequence[str]) -> Sequence[Spans]:
        self._begin("mark")
        return worker.mark(_job(60.0), text, texts)

    async def size(self, model: str = "") -> IndexSize:
        self._begin("size")
        return self.store.size(model)

    async def release(self) -> None:
        self._begin("release")

    async def aclose(self) -> None:
        self._begin("aclose")

    def lose(self, identity: str = "2") -> None:
        """Lose everything, as when its files are removed and made again."""
        self.store.lose(identity)

    def texts(self, key: str) -> list[str]:
        """Return the chunks of a source, whatever version they are of."""
        return [chunk.text for held in self.store.held.get(key, {}).values() for chunk in held.chunks]

    def versions(self) -> list[_Version]:
        return self.store.versions()

    def version_of(self, source: IndexedSource) -> _Version | None:
        return self.store.held.get(source.key, {}).get(source.fingerprint)

    def _begin(self, method: str) -> None:
        self.calls.append(method)
        self.before(method)


def open_store(location: StoreLocation) -> MemoryStore:
    """Open an empty store, for a worker that is given this name; its notes tell where."""
    store = MemoryStore()
    store.notes = (location.folder,)
    return store


def _job(seconds: float) -> Job:
    return Job(cast("Any", SimpleNamespace(stop_requested=False)), seconds)


if TYPE_CHECKING:
    _store: ChunkStore = MemoryStore()
    _index: Index = MemoryIndex()
