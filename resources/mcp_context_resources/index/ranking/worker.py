"""Worker entry: what the server has run in the index's processes, over the store that its location names.

The store's own methods are called by their names; a search and the marking of texts are this room's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mcp_context_resources.index.ranking.marking import Marker
from mcp_context_resources.index.ranking.query import parse_query
from mcp_context_resources.index.ranking.search import search as search_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.index.spec import IndexAnswer, IndexQuery, RemainingWork, Spans
    from mcp_context_resources.index.store import ChunkStore, StoreLocation
    from mcp_context_resources.workers.job import Job


def call(_job: Job, location: StoreLocation, method: str, arguments: tuple[Any, ...]) -> Any:
    """Call a method of `ChunkStore`; raises what it raises."""
    return getattr(_opened(location), method)(*arguments)


def maintain(job: Job, location: StoreLocation) -> RemainingWork:
    """Maintain a store for about a second; raises `StorageError`."""
    return _opened(location).maintain(job)


def search(job: Job, location: StoreLocation, query: IndexQuery) -> IndexAnswer:
    """Search a store; raises `StorageError`, `DeadlineExceededError`."""
    return search_store(_opened(location), job, query)


def mark(job: Job, text: str, texts: Sequence[str]) -> list[Spans]:
    """Return where words of a query stand in each of some texts; nowhere in those that there is no time left for."""
    marker = Marker(parse_query(text))
    return [() if job.should_stop else marker.spans(one) for one in texts]


class _Held:
    location: StoreLocation | None = None
    store: ChunkStore | None = None


def _opened(location: StoreLocation) -> ChunkStore:
    """Return the store of a location; a process holds one open."""
    if _Held.store is None or _Held.location != location:
        if _Held.store is not None:
            _Held.store.close()
        module, _, name = location.factory.partition(":")
        _Held.store, _Held.location = getattr(import_module(module), name)(location), location
    return _Held.store
