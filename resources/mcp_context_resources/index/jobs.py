"""The index's functions by name, without importing the engines: what `LocalIndex` hands to its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.index.local_engine.chunk_tables import KnownRow
    from mcp_context_resources.index.local_engine.engine import Engine, Left
    from mcp_context_resources.index.spec import Chunk, Ending, IndexAnswer, IndexedSource, IndexQuery, Passage, Places
    from mcp_context_resources.workers.job import Job


class Place(NamedTuple):
    """Which index: its folder, the version of the analysis, up to how many vectors are compared one by one."""

    folder: str
    version: str
    exact_vectors: int


def known(_job: Job, place: Place) -> list[KnownRow]:
    """See `Index.known`."""
    return _engine(place).known()


def begin(_job: Job, place: Place, source: IndexedSource) -> int:
    """See `Index.begin`."""
    return _engine(place).begin(source)


def put(
    _job: Job, place: Place, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None = None
) -> bool:
    """See `Index.put`."""
    return _engine(place).put(source, first, chunks, ending)


def drop(_job: Job, place: Place, keys: Sequence[str]) -> None:
    """See `Index.drop`."""
    _engine(place).drop(keys)


def without_vector(_job: Job, place: Place, model: str, most: int) -> list[Passage]:
    """See `Index.without_vector`."""
    return _engine(place).without_vector(model, most)


def put_vectors(_job: Job, place: Place, model: str, digests: Sequence[str], vectors: bytes) -> None:
    """See `Index.put_vectors`."""
    _engine(place).put_vectors(model, digests, vectors)


def search(job: Job, place: Place, query: IndexQuery) -> IndexAnswer:
    """See `Index.search`."""
    return _engine(place).search(job, query)


def mark(job: Job, text: str, texts: Sequence[str]) -> list[Places]:
    """See `Index.mark`."""
    from mcp_context_resources.index.local_engine.searching import mark as places_in

    return places_in(text, texts, lambda: job.should_stop)


def size(_job: Job, place: Place, model: str) -> tuple[int, int, int, int, tuple[str, ...]]:
    """See `Index.size`."""
    return _engine(place).size(model)


def maintain(job: Job, place: Place) -> Left:
    """See `Engine.maintain`."""
    return _engine(place).maintain(job)


def _engine(place: Place) -> Engine:
    from mcp_context_resources.index.local_engine.engine import engine_of

    return engine_of(*place)
