"""Vector search: every vector compared as long as that is quick, beyond that candidates of a graph; then their chunks.

Vectors are those of a mapped file, and those the database got since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mcp_context_resources.index.local_engine import vector_files
from mcp_context_resources.index.local_engine.chunk_tables import select_in
from mcp_context_resources.index.local_engine.vector_tables import count_vectors, read_vectors
from mcp_context_resources.index.store import VectorMatches

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from mcp_context_resources.index.local_engine.source_filter import SourceFilter
    from mcp_context_resources.index.local_engine.vector_files import MappedVectors
    from mcp_context_resources.index.local_engine.vector_tables import Matrix, Numbers, VectorSpace
    from mcp_context_resources.index.spec import Metric

OVERSAMPLING: Final = 5
"""How many times as many candidates as asked for are taken from the graph, and compared exactly."""

_LEAST_CANDIDATES: Final = 400
_MOST_CANDIDATES: Final = 20_000
_BLOCK: Final = 16_384
_READ_AT_ONCE: Final = 10_000
_BLOCKS_KEPT: Final = 8
_FEW: Final = 20_000
_SHARE: Final = 5
_DEEPER: Final = 4


class Vectors:
    """All vectors of a model there are; above `most_exact` a graph names the candidates, where it is built.

    Of those that came since the file was written only so many are held: where many come at once, the others are
    `unread` until there is a new file.
    """

    def __init__(self, folder: Path, space: VectorSpace, most_exact: int) -> None:
        self.space = space
        self._folder = folder
        self._most_exact = most_exact
        self._mapped: MappedVectors | None = None
        self._graph: Any = None
        self._tail: list[tuple[Numbers, Matrix]] = []
        self._last = 0
        self.unread = 0
        """How many there are that are compared with no query yet."""
        self._order: Numbers | None = None
        self._all: Numbers = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def mapped(self) -> MappedVectors | None:
        """The file they are read from, where there is one."""
        return self._mapped

    @property
    def outgrew_file(self) -> bool:
        """Whether so many came since the file was written that a new one is worth its while."""
        mapped = 0 if self._mapped is None else len(self._mapped.passages)
        return len(self) - mapped + self.unread >= vector_files.most_outside(mapped, self.space.dimension)

    @property
    def lacks_graph(self) -> bool:
        """Whether there are more than are compared one by one, and no graph over the file."""
        return self._mapped is not None and len(self._mapped.passages) > self._most_exact and self._graph is None

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Take in what is new since."""
        if self._mapped is None or self.outgrew_file:
            self._remap()
        if self.lacks_graph and self._mapped is not None:
            self._graph = vector_files.open_graph(self._mapped, self.space)
        changed = False
        room = vector_files.MOST_OUTSIDE_BYTES // (4 * self.space.dimension)
        while (left := room - sum(len(passages) for passages, _ in self._tail)) > 0:
            passages, matrix, last = read_vectors(connection, self.space, self._last, min(left, _READ_AT_ONCE))
            if last == self._last:
                break
            self._tail.append((passages, matrix))
            self._last = last
            changed = True
        if changed:
            self._gather()
        self.unread = 0 if left > 0 else count_vectors(connection, self.space.model, self._last)

    def scores(self, query: Matrix) -> Matrix:
        """Compare every vector with a query, higher is nearer, in the order of `passages`."""
        scores = np.empty(len(self), np.float32)
        place = 0
        for matrix in self._matrices():
            for number, first in enumerate(range(0, len(matrix), _BLOCK), start=1):
                block = matrix[first : first + _BLOCK]
                scores[place : place + len(block)] = _likeness(self.space.metric, block, query)
                place += len(block)
                if self._mapped is not None and number % _BLOCKS_KEPT == 0:
                    self._mapped.give_back()
        if self._mapped is not None:
            self._mapped.give_back()
        return scores

    def best(self, scores: Matrix, most: int) -> tuple[Numbers, Matrix]:
        """Return the `most` passages with the highest of all `scores`, the best first."""
        rows = _highest(scores, most)
        return self._all[rows], scores[rows]

    def likely_best(self, query: Matrix, most: int) -> tuple[Numbers, Matrix] | None:
        """Return the best of what the graph finds and of what isn't in it; None where all must be compared."""
        candidates = max(_LEAST_CANDIDATES, most * OVERSAMPLING)
        if self._graph is None or self._mapped is None or candidates > _MOST_CANDIDATES:
            return None
        keys = np.asarray(self._graph.search(query, candidates).keys, dtype=np.int64)
        rows = np.concatenate([np.unique(keys), np.arange(len(self._mapped.passages), len(self))])
        return self._compared(query, rows, most)

    def among(self, query: Matrix, passages: Numbers, most: int) -> tuple[Numbers, Matrix]:
        """Return the best of some passages."""
        if self._order is None:
            self._order = np.argsort(self._all, kind="stable")
        places = np.searchsorted(self._all, passages, sorter=self._order)
        rows = self._order[np.minimum(places, len(self) - 1)] if len(self) else places[:0]
        rows = np.unique(rows[self._all[rows] == passages] if len(self) else rows)
        return self._compared(query, rows, most)

    def _compared(self, query: Matrix, rows: Numbers, most: int) -> tuple[Numbers, Matrix]:
        scores = np.empty(len(rows), np.float32)
        start = 0
        for matrix in self._matrices():
            inside = np.nonzero((rows >= start) & (rows < start + len(matrix)))[0]
            for first in range(0, len(inside), _BLOCK):
                some = inside[first : first + _BLOCK]
                scores[some] = _likeness(self.space.metric, matrix[rows[some] - start], query)
            start += len(matrix)
        if self._mapped is not None:
            self._mapped.give_back()
        best = _highest(scores, most)
        return self._all[rows[best]], scores[best]

    def _matrices(self) -> list[Matrix]:
        mapped = [] if self._mapped is None else [self._mapped.matrix]
        return [*mapped, *(matrix for _, matrix in self._tail)]

    def _remap(self) -> None:
        mapped = vector_files.newest(self._folder, self.space)
        if mapped is None or (self._mapped is not None and mapped.path == self._mapped.path):
            return
        self._mapped, self._graph, self._tail, self._last = mapped, None, [], mapped.last
        self._gather()

    def _gather(self) -> None:
        if len(self._tail) > 1:
            joined = tuple(np.concatenate(parts) for parts in zip(*self._tail, strict=True))
            self._tail = [(joined[0], joined[1])]
        mapped = [] if self._mapped is None else [self._mapped.passages]
        self._all = np.concatenate([*mapped, *(passages for passages, _ in self._tail)])
        self._order = None


class ChunksByVector:
    """Finds the chunks nearest to one query that a filter admits."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        vectors: Vectors,
        query: Matrix,
        admitted: SourceFilter,
    ) -> None:
        self._connection = connection
        self._vectors = vectors
        self._query = query
        self._filter = admitted
        self._scores: Matrix | None = None

    def of_chunks(self, chunks: Sequence[int], most: int) -> VectorMatches:
        """Rank up to `most` of some chunks."""
        rows = select_in(self._connection, "SELECT passage FROM chunks WHERE id IN", chunks)
        passages = np.unique(np.array([row[0] for row in rows], dtype=np.int64))
        best = self._vectors.among(self._query, passages, len(passages))
        only = set(chunks)
        return VectorMatches([hit for hit in self._chunks(*best) if hit[0] in only][:most], exact=True)

    def of_all(self, most: int) -> VectorMatches:
        """Rank up to `most` chunks of all that are admitted."""
        total = len(self._vectors)
        sources = self._filter.sources
        if sources is not None and self._filter.chunks <= max(_FEW, total // _SHARE):
            return VectorMatches(self._of_sources(sorted(sources))[:most], exact=True)
        deep = most * 2
        while True:
            (passages, scores), exact = self._best(min(deep, total))
            found = self._chunks(passages, scores)
            if len(found) >= most or deep >= total:
                return VectorMatches(found[:most], exact)
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
        """Return the admitted chunks that hold passages, in the order of the passages."""
        rows = select_in(
            self._connection, "SELECT id, passage, source, kind FROM chunks WHERE passage IN", passages.tolist()
        )
        holders: dict[int, list[int]] = {}
        for number, passage, source, kind in rows:
            if self._filter.admits(source, kind):
                holders.setdefault(passage, []).append(number)
        return [
            (number, float(score))
            for passage, score in zip(passages.tolist(), scores, strict=True)
            for number in sorted(holders.get(passage, ()))
        ]


def _likeness(metric: Metric, matrix: Matrix, query: Matrix) -> Matrix:
    """Compare each row with a query, higher is nearer; cosines, products, or distances below zero.

    Cosines are those of vectors that have length 1 already.
    """
    if metric != "l2":
        return matrix @ query
    distances: Matrix = np.linalg.norm(matrix - query, axis=1)
    return -distances


def _highest(scores: Matrix, most: int) -> Numbers:
    """Return the places of the highest scores, the best first; of equal ones the earlier."""
    rows: Numbers = np.arange(len(scores))
    if most < len(scores):
        rows = np.sort(np.argpartition(-scores, most)[:most])
    order: Numbers = rows[np.argsort(-scores[rows], kind="stable")]
    return order
