"""One search: both rankings, one order of them, and the chunks found with the places of the words in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from mcp_context_resources.index.analysis.folding import fold
from mcp_context_resources.index.analysis.marking import Marking
from mcp_context_resources.index.analysis.phrases import plain
from mcp_context_resources.index.analysis.query import wanted_of
from mcp_context_resources.index.analysis.terms import terms_of
from mcp_context_resources.index.local_engine import lexical_ranking
from mcp_context_resources.index.local_engine.chunk_tables import read_chunks, select_in
from mcp_context_resources.index.local_engine.fusion import DEPTH, fuse
from mcp_context_resources.index.local_engine.vector_ranking import RankingByVectors
from mcp_context_resources.index.local_engine.vector_tables import pending_of
from mcp_context_resources.index.spec import Hit, IndexAnswer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from mcp_context_resources.index.analysis.query import Wanted
    from mcp_context_resources.index.local_engine.source_filter import Reach
    from mcp_context_resources.index.local_engine.vector_search import Vectors
    from mcp_context_resources.index.local_engine.vector_tables import Matrix
    from mcp_context_resources.index.spec import IndexQuery, Places

MOST_HITS: Final = 1_000
"""More hits are never returned."""

_DEEPEST: Final = 16_000
_DEEPER: Final = 4
_CHECKED_BY_WORDS: Final = 2_000
_WORDS_TO_A_VECTOR: Final = 10
_READ_AT_ONCE: Final = 100


class Ground(NamedTuple):
    """What is searched: the database, the cache of words and its schema, the vectors of the query's model, if any."""

    connection: sqlite3.Connection
    schema: Any
    searcher: Any
    vectors: Vectors | None


class _Both(NamedTuple):
    words: lexical_ranking.Ranking
    vectors: list[tuple[int, float]]
    exact: bool


def search(ground: Ground, query: IndexQuery, reach: Reach, with_vector: int) -> IndexAnswer:
    """Search for a query; `with_vector` is how many chunks in reach have a vector of its model."""
    wanted = wanted_of(query.text)
    most = max(1, min(query.most, MOST_HITS))
    depth = max(DEPTH, most)
    while True:
        both = _rank(ground, query, wanted, reach, depth)
        words = both.words.found if query.mode != "vector" else []
        unknown: set[int] = set()
        if both.vectors and ground.vectors is not None and with_vector < reach.chunks:
            unknown = pending_of(ground.connection, ground.vectors.family.model, [number for number, _ in words])
        fused = fuse(words, both.vectors, both.words.exact, without_vector=unknown)
        hits = _hits(ground, query, fused, most, both, wanted)
        drained = len(both.words.found) < depth and len(both.vectors) < depth
        if len(hits) >= most or drained or depth >= _DEEPEST:
            break
        depth *= _DEEPER
    return IndexAnswer(
        hits=tuple(hits),
        total=both.words.total if query.mode != "vector" else 0,
        terms=wanted.shown if query.mode != "vector" else (),
        chunks=reach.chunks,
        vectors=with_vector,
        exact=both.exact,
    )


def mark(text: str, texts: Sequence[str], stops: Callable[[], bool]) -> list[Places]:
    """Return the places of the words of a query in each of some texts; none in those after `stops`."""
    marking = Marking(wanted_of(text))
    return [() if stops() else marking.places(one) for one in texts]


def _rank(ground: Ground, query: IndexQuery, wanted: Wanted, reach: Reach, depth: int) -> _Both:
    question = _question(query, ground.vectors) if query.mode != "lexical" else None
    check = _Check(ground.connection, wanted)
    words = lexical_ranking.Ranking([], 0, frozenset())
    if query.mode != "vector" or wanted.phrases:
        # What is near may be further down in the list by words, and counts there, too.
        most = depth if question is None else depth * _WORDS_TO_A_VECTOR
        if wanted.phrases and question is not None:
            most = max(most, _CHECKED_BY_WORDS)
        accepts = check.phrases if wanted.phrases or wanted.without_phrases else None
        words = lexical_ranking.rank(ground.schema, ground.searcher, wanted, reach, most, accepts)
    if question is None or ground.vectors is None or not len(ground.vectors):
        return _Both(words, [], exact=True)
    accepts = check.all if wanted.without_terms or wanted.without_phrases else None
    ranking = RankingByVectors(ground.connection, ground.vectors, question, reach, accepts)
    # What doesn't hold the phrases is no answer, however near.
    near = ranking.of_chunks([number for number, _ in words.found]) if wanted.phrases else ranking.of_all(depth)
    return _Both(words, near.found[:depth], near.exact)


def _question(query: IndexQuery, vectors: Vectors | None) -> Matrix | None:
    """Return the vector of the query; None where there is none, or one of another length than the model's."""
    if vectors is None or not query.vector or len(query.vector) != 4 * vectors.family.dimension:
        return None
    question = np.frombuffer(query.vector, dtype="<f4").astype(np.float32)
    length = float(np.linalg.norm(question))
    if not np.isfinite(length) or length == 0:
        return None
    return question / length if vectors.family.metric == "cosine" else question


def _hits(
    ground: Ground, query: IndexQuery, fused: list[tuple[int, float]], most: int, both: _Both, wanted: Wanted
) -> list[Hit]:
    """Read the best chunks, no more than allowed of one source."""
    word_rank = {number: rank for rank, (number, _) in enumerate(both.words.found, 1)} if query.mode != "vector" else {}
    vector_rank = {number: rank for rank, (number, _) in enumerate(both.vectors, 1)}
    per_source = max(1, query.per_source)
    of_source: dict[int, int] = {}
    hits: list[Hit] = []
    marking = Marking(wanted)
    step = max(_READ_AT_ONCE, most)
    for first in range(0, len(fused), step):
        some = fused[first : first + step]
        stored = read_chunks(ground.connection, [number for number, _ in some])
        for number, score in some:
            found = stored.get(number)
            if found is None or of_source.get(found.source, 0) >= per_source:
                continue
            of_source[found.source] = of_source.get(found.source, 0) + 1
            hits.append(
                Hit(
                    chunk=found.chunk,
                    source=found.of,
                    score=min(1.0, max(0.0, score)),
                    lexical_rank=word_rank.get(number),
                    vector_rank=vector_rank.get(number),
                    matched=marking.places(found.chunk.text) if len(hits) < query.marked else (),
                    digest=found.digest,
                )
            )
            if len(hits) >= most:
                return hits
    return hits


class _Check:
    """Reads chunks again for what must stand in them, and what must not."""

    def __init__(self, connection: sqlite3.Connection, wanted: Wanted) -> None:
        self._connection = connection
        self._wanted = wanted

    def phrases(self, chunks: list[int]) -> set[int]:
        """Return those that hold every phrase, in the text or in a heading, and no unwanted one."""
        return {
            number
            for number, heading, text in self._read(chunks)
            if all(phrase.stands_in(text) or phrase.stands_in(heading) for phrase in self._wanted.phrases)
            and not any(phrase.stands_in(text) or phrase.stands_in(heading) for phrase in self._wanted.without_phrases)
        }

    def all(self, chunks: list[int]) -> set[int]:
        """Return those that hold no unwanted word either."""
        accepted = self.phrases(chunks)
        if not self._wanted.without_terms:
            return accepted
        return {
            number
            for number, heading, text in self._read(sorted(accepted))
            if self._wanted.without_terms.isdisjoint(terms_of(f"{heading}\n{text}").words)
        }

    def _read(self, chunks: list[int]) -> list[tuple[int, str, str]]:
        rows = select_in(self._connection, "SELECT id, heading, text FROM chunks WHERE id IN", chunks)
        return [
            (number, plain(fold(" / ".join(json.loads(heading)))), plain(fold(text))) for number, heading, text in rows
        ]
