"""Retriever: one state of the index in a folder, as SQLite, the index of words and the vectors tell of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcp_context_resources.index.analysis.terms import heading_line
from mcp_context_resources.index.local_engine.chunk_tables import read_chunks, select_in
from mcp_context_resources.index.local_engine.vector_search import ChunksByVector
from mcp_context_resources.index.local_engine.vector_tables import pending_of
from mcp_context_resources.index.store import ChunkText, StoredChunk, VectorMatches

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from mcp_context_resources.index.analysis.terms import Field
    from mcp_context_resources.index.local_engine.lexical_search import LexicalSearch
    from mcp_context_resources.index.local_engine.source_filter import SourceFilter
    from mcp_context_resources.index.local_engine.vector_search import Vectors
    from mcp_context_resources.index.local_engine.vector_tables import Matrix
    from mcp_context_resources.index.store import Coverage, LexicalQuery, TermMatches, TermStatistics


class View(NamedTuple):
    """What a retriever reads: the database, the index of words, the vectors of the model asked for, if any."""

    connection: sqlite3.Connection
    words: LexicalSearch
    vectors: Vectors | None
    admitted: SourceFilter


class LocalRetriever:
    """A `Retriever` inside one transaction of the database."""

    def __init__(self, view: View, coverage: Coverage) -> None:
        self._view = view
        self._coverage = coverage
        self._nearest: tuple[bytes, ChunksByVector] | None = None

    @property
    def coverage(self) -> Coverage:
        """What can be reached."""
        return self._coverage

    def by_terms(self, query: LexicalQuery, start: int, stop: int) -> TermMatches:
        """Return matches in the order of their BM25 scores, those of very long lists of sources sorted out after."""
        return self._view.words.matches(query, start, stop)

    def statistics(self, terms: Collection[tuple[Field, str]]) -> TermStatistics:
        """Count the chunks that hold each term."""
        return self._view.words.statistics(terms)

    def by_vector(self, vector: bytes, most: int, among: Sequence[int] | None = None) -> VectorMatches:
        """Return the nearest chunks, of many vectors with candidates that a graph names."""
        if self._view.vectors is None or not len(self._view.vectors):
            return VectorMatches([], exact=True)
        if self._nearest is None or self._nearest[0] != vector:
            query = _query_vector(vector, self._view.vectors)
            ranking = ChunksByVector(self._view.connection, self._view.vectors, query, self._view.admitted)
            self._nearest = vector, ranking
        ranking = self._nearest[1]
        return ranking.of_all(most) if among is None else ranking.of_chunks(among, most)

    def without_vector(self, chunks: Sequence[int]) -> set[int]:
        """Return those of some chunks that have no vector of the model yet."""
        if self._view.vectors is None:
            return set(chunks)
        return pending_of(self._view.connection, self._view.vectors.space.model, chunks)

    def texts(self, chunks: Sequence[int]) -> list[ChunkText]:
        """Return the texts of chunks."""
        rows = select_in(self._view.connection, "SELECT id, heading, text FROM chunks WHERE id IN", chunks)
        return [ChunkText(number, heading_line(json.loads(heading)), text) for number, heading, text in rows]

    def chunks(self, ids: Sequence[int]) -> dict[int, StoredChunk]:
        """Return chunks of complete sources by their ids."""
        found = read_chunks(self._view.connection, ids)
        return {number: StoredChunk(one.chunk, one.of, one.digest) for number, one in found.items()}


def _query_vector(vector: bytes, vectors: Vectors) -> Matrix:
    """Read a vector; where angles are compared it gets the length 1."""
    query = np.frombuffer(vector, dtype="<f4").astype(np.float32)
    unit: Matrix = query / float(np.linalg.norm(query)) if vectors.space.metric == "cosine" else query
    return unit
