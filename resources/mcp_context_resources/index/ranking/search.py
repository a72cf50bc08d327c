"""Search: candidates by terms and by vectors, fused into one order, and the chunks read with their words marked.

It runs in a worker, over any `Retriever`, so that a search is one way there and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from mcp_context_resources.index.ranking.fusion import DEPTH, fuse
from mcp_context_resources.index.ranking.lexical_query import (
    full_score,
    identifier_query,
    lexical_query,
    terms_of_query,
)
from mcp_context_resources.index.ranking.marking import Marker
from mcp_context_resources.index.ranking.phrases import PhraseCheck
from mcp_context_resources.index.ranking.query import parse_query
from mcp_context_resources.index.spec import Hit, IndexAnswer
from mcp_context_resources.index.store import RetrievalScope, VectorMatches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.index.ranking.query import ParsedQuery
    from mcp_context_resources.index.spec import IndexQuery
    from mcp_context_resources.index.store import ChunkStore, LexicalQuery, Retriever
    from mcp_context_resources.workers.job import Job

    Accepts = Callable[[Sequence[int]], set[int]]
    """Returns those of some chunks that really hold what must be there."""

MOST_HITS: Final = 1_000
"""More hits are never returned."""

_DEEPEST: Final = 16_000
_DEEPEST_BY_WORDS: Final = 20_000
_DEEPER: Final = 4
_CHECKED_BY_WORDS: Final = 2_000
_WORDS_TO_A_VECTOR: Final = 10
_READ_AT_ONCE: Final = 100


def search(store: ChunkStore, job: Job, query: IndexQuery) -> IndexAnswer:
    """Search a store. Raises `StorageError`, `DeadlineExceededError`."""
    parsed = parse_query(query.text)
    scope = RetrievalScope(
        query.sources,
        query.kinds,
        query.model if query.mode != "lexical" else "",
        by_terms=query.mode != "vector" or bool(parsed.phrases),
        fresh=query.fresh,
    )
    return store.retrieve(job, scope, lambda retriever: _Search(retriever, query, parsed).answer())


class _ByWords(NamedTuple):
    """Chunks and their shares of the query, the best first; how many match; those that hold an identifier whole."""

    found: list[tuple[int, float]]
    total: int
    exact: frozenset[int]


class _Candidates(NamedTuple):
    words: _ByWords
    vectors: list[tuple[int, float]]
    exact: bool


class _Search:
    """One query over one state of a store."""

    def __init__(self, retriever: Retriever, query: IndexQuery, parsed: ParsedQuery) -> None:
        self._retriever = retriever
        self._query = query
        self._parsed = parsed
        self._check = PhraseCheck(retriever, parsed.phrases, parsed.without_phrases, parsed.without_terms)

    def answer(self) -> IndexAnswer:
        """Look deeper and deeper until there are as many hits as asked for, or there is nothing more."""
        query, coverage = self._query, self._retriever.coverage
        by_words = query.mode != "vector"
        most = max(1, min(query.most, MOST_HITS))
        depth = max(DEPTH, most)
        while True:
            found = self._candidates(depth)
            words = found.words.found if by_words else []
            unknown: set[int] = set()
            if found.vectors and coverage.vectors < coverage.chunks:
                unknown = self._retriever.without_vector([number for number, _ in words])
            fused = fuse(words, found.vectors, found.words.exact, without_vector=unknown)
            hits = self._hits(fused, most, found)
            drained = len(found.words.found) < depth and len(found.vectors) < depth
            if len(hits) >= most or drained or depth >= _DEEPEST:
                break
            depth *= _DEEPER
        return IndexAnswer(
            hits=tuple(hits),
            total=found.words.total if by_words else 0,
            terms=self._parsed.shown if by_words else (),
            chunks=coverage.chunks,
            vectors=coverage.vectors,
            exact=found.exact,
            index_lag=coverage.index_lag,
            problem=coverage.problem,
            identity=coverage.identity,
        )

    def _candidates(self, depth: int) -> _Candidates:
        query, parsed = self._query, self._parsed
        compares = query.mode != "lexical" and _is_comparable(query.vector, self._retriever.coverage.dimension)
        words = _ByWords([], 0, frozenset())
        if query.mode != "vector" or parsed.phrases:
            # What is near may be further down in the list by words, and counts there, too.
            most = depth * _WORDS_TO_A_VECTOR if compares else depth
            if parsed.phrases and compares:
                most = max(most, _CHECKED_BY_WORDS)
            words = self._by_words(most)
        if not compares:
            return _Candidates(words, [], exact=True)
        accepts = self._check.everything if parsed.without_terms or parsed.without_phrases else None
        if parsed.phrases:  # what doesn't hold them is no answer, however near
            near = self._near_among([number for number, _ in words.found], accepts)
        else:
            near = self._near(depth, accepts)
        return _Candidates(words, near.found[:depth], near.exact)

    def _by_words(self, most: int) -> _ByWords:
        """Rank up to `most` chunks by the words of the query."""
        parsed, retriever = self._parsed, self._retriever
        if not parsed.words:
            return _ByWords([], 0, frozenset())
        accepts = self._check.phrases if parsed.phrases or parsed.without_phrases else None
        found, total = self._matches(lexical_query(parsed), most, accepts)
        full = full_score(parsed, retriever.statistics(terms_of_query(parsed)))
        identifiers = identifier_query(parsed)
        whole = retriever.by_terms(identifiers, 0, most).found if identifiers is not None else []
        return _ByWords(
            [(chunk, score / full) for chunk, score in found], total, frozenset(chunk for chunk, _ in whole)
        )

    def _matches(self, query: LexicalQuery, most: int, accepts: Accepts | None) -> tuple[list[tuple[int, float]], int]:
        """Look deeper and deeper until there are enough chunks that may answer."""
        start, stop = 0, most if accepts is None else most * _DEEPER
        total = 0
        found: list[tuple[int, float]] = []
        while True:
            matches = self._retriever.by_terms(query, start, stop)
            total = total if start else matches.total
            found += _accepted(matches.found, accepts)
            if matches.ended or len(found) >= most or stop >= _DEEPEST_BY_WORDS:
                return found[:most], total
            start, stop = stop, min(stop * _DEEPER, _DEEPEST_BY_WORDS)

    def _near(self, most: int, accepts: Accepts | None) -> VectorMatches:
        """Rank up to `most` chunks by their vectors."""
        asked = most
        while True:
            near = self._retriever.by_vector(self._query.vector, asked)
            found = _accepted(near.found, accepts)
            if len(found) >= most or len(near.found) < asked:
                return VectorMatches(found, near.exact)
            asked *= _DEEPER

    def _near_among(self, chunks: Sequence[int], accepts: Accepts | None) -> VectorMatches:
        near = self._retriever.by_vector(self._query.vector, len(chunks), chunks)
        return VectorMatches(_accepted(near.found, accepts), exact=True)

    def _hits(self, fused: Sequence[tuple[int, float]], most: int, found: _Candidates) -> list[Hit]:
        """Read the best chunks, no more than allowed of one source."""
        query = self._query
        words = found.words.found if query.mode != "vector" else []
        word_rank = {number: rank for rank, (number, _) in enumerate(words, 1)}
        vector_rank = {number: rank for rank, (number, _) in enumerate(found.vectors, 1)}
        per_source = max(1, query.per_source)
        of_source: dict[str, int] = {}
        hits: list[Hit] = []
        marker = Marker(self._parsed)
        step = max(_READ_AT_ONCE, most)
        for first in range(0, len(fused), step):
            some = fused[first : first + step]
            stored = self._retriever.chunks([number for number, _ in some])
            for number, score in some:
                one = stored.get(number)
                if one is None or of_source.get(one.source.key, 0) >= per_source:
                    continue
                of_source[one.source.key] = of_source.get(one.source.key, 0) + 1
                hits.append(
                    Hit(
                        chunk=one.chunk,
                        source=one.source,
                        score=min(1.0, max(0.0, score)),
                        lexical_rank=word_rank.get(number),
                        vector_rank=vector_rank.get(number),
                        matched=marker.spans(one.chunk.text) if len(hits) < query.marked else (),
                        digest=one.digest,
                    )
                )
                if len(hits) >= most:
                    return hits
        return hits


def _accepted(found: list[tuple[int, float]], accepts: Accepts | None) -> list[tuple[int, float]]:
    if accepts is None or not found:
        return found
    accepted = accepts([number for number, _ in found])
    return [match for match in found if match[0] in accepted]


def _is_comparable(vector: bytes, dimension: int) -> bool:
    """Tell whether there is a vector of the model's length that points anywhere."""
    if not vector or len(vector) != 4 * dimension:
        return False
    length = float(np.linalg.norm(np.frombuffer(vector, dtype="<f4").astype(np.float32)))
    return bool(np.isfinite(length)) and length > 0
