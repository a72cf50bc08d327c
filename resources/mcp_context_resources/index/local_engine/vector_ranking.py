"""Rank chunks by their vectors: exactly as long as that is quick, by candidates of a graph beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from mcp_context_resources.index.local_engine.chunk_tables import select_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from mcp_context_resources.index.local_engine.source_filter import Reach
    from mcp_context_resources.index.local_engine.vector_search import Vectors
    from mcp_context_resources.index.local_engine.vector_tables import Matrix, Numbers

_FEW: Final = 20_000
_SHARE: Final = 5
_DEEPER: Final = 4


class Ranking(NamedTuple):
    """Chunks and how near their vectors are, the best first; whether every vector in reach was compared."""

    found: list[tuple[int, float]]
    exact: bool


class RankingByVectors:
    """Ranks for one query; `accepts` returns those of some chunks that really may answer."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        vectors: Vectors,
        query: Matrix,
        reach: Reach,
        accepts: Callable[[list[int]], set[int]] | None = None,
    ) -> None:
        self._connection = connection
        self._vectors = vectors
        self._query = query
        self._reach = reach
        self._accepts = accepts
        self._scores: Matrix | None = None

    def of_chunks(self, chunks: list[int]) -> Ranking:
        """Rank some chunks."""
        rows = select_in(self._connection, "SELECT passage FROM chunks WHERE id IN", chunks)
        passages = np.unique(np.array([row[0] for row in rows], dtype=np.int64))
        best = self._vectors.among(self._query, passages, len(passages))
        only = set(chunks)
        return Ranking([hit for hit in self._chunks(*best) if hit[0] in only], exact=True)

    def of_all(self, most: int) -> Ranking:
        """Rank up to `most` chunks of all in reach."""
        total = len(self._vectors)
        sources = self._reach.sources
        if sources is not None and self._reach.chunks <= max(_FEW, total // _SHARE):
            return Ranking(self._of_sources(sorted(sources))[:most], exact=True)
        deep = most * 2
        while True:
            (passages, scores), exact = self._best(min(deep, total))
            found = self._chunks(passages, scores)
            if len(found) >= most or deep >= total:
                return Ranking(found[:most], exact)
            deep *= _DEEPER

    def _best(self, most: int) -> tuple[tuple[Numbers, Matrix], bool]:
        if self._scores is None and (likely := self._vectors.likely_best(self._query, most)) is not None:
            return likely, False
        if self._scores is None:
            self._scores = self._vectors.scores(self._query)
        return self._vectors.best(self._scores, most), True

    def _of_sources(self, sources: list[int]) -> list[tuple[int, float]]:
        rows = select_in(self._connection, "SELECT passage FROM chunks WHERE source IN", sources)
        passages = np.unique(np.array([row[0] for row in rows], dtype=np.int64))
        return self._chunks(*self._vectors.among(self._query, passages, len(passages)))

    def _chunks(self, passages: Numbers, scores: Matrix) -> list[tuple[int, float]]:
        """Return the chunks in reach that hold passages, in the order of the passages."""
        rows = select_in(
            self._connection, "SELECT id, passage, source, kind FROM chunks WHERE passage IN", passages.tolist()
        )
        holders: dict[int, list[int]] = {}
        for number, passage, source, kind in rows:
            if self._reach.admits(source, kind):
                holders.setdefault(passage, []).append(number)
        if self._accepts is not None:
            accepted = self._accepts([number for numbers in holders.values() for number in numbers])
            holders = {passage: [one for one in numbers if one in accepted] for passage, numbers in holders.items()}
        return [
            (number, float(score))
            for passage, score in zip(passages.tolist(), scores, strict=True)
            for number in sorted(holders.get(passage, ()))
        ]
