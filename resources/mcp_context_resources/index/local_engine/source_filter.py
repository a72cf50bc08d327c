"""Source filter: which chunks may answer, those of complete sources, of the sources and kinds asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_context_resources.index.local_engine.chunk_tables import KINDS, select_in

if TYPE_CHECKING:
    import sqlite3

    from mcp_context_resources.index.spec import ChunkKind


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """Chunks that may answer.

    `sources` are the numbers of the sources that may (None: all that are complete), `kinds` the numbers of the kinds
    of chunks (empty: all). `hidden` are sources with chunks that must not answer: half put in, or dropped.
    """

    sources: frozenset[int] | None
    kinds: frozenset[int]
    hidden: frozenset[int]
    chunks: int

    def admits_source(self, source: int) -> bool:
        """Tell whether chunks of a source may answer."""
        return (self.sources is None or source in self.sources) and source not in self.hidden

    def admits(self, source: int, kind: int) -> bool:
        """Tell whether a chunk of a source may answer."""
        return self.admits_source(source) and (not self.kinds or kind in self.kinds)


class SourceFilters:
    """Makes filters; remembers the last one, since a long list of sources is often asked twice."""

    def __init__(self) -> None:
        self._last: tuple[object, SourceFilter] | None = None

    def of(
        self,
        connection: sqlite3.Connection,
        sources: tuple[str, ...] | None,
        kinds: tuple[ChunkKind, ...],
        dropped_after: int,
    ) -> SourceFilter:
        """Make a filter; sources dropped after that number of the list of drops may still be in the index of words."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        changes = connection.total_changes
        key = (version, changes, dropped_after, sources, kinds)
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        made = _filter(connection, sources, kinds, dropped_after)
        self._last = (key, made)
        return made


def _filter(
    connection: sqlite3.Connection,
    sources: tuple[str, ...] | None,
    kinds: tuple[ChunkKind, ...],
    dropped_after: int,
) -> SourceFilter:
    hidden = {row[0] for row in connection.execute("SELECT id FROM sources WHERE state <> 1")}
    hidden.update(row[0] for row in connection.execute("SELECT source FROM drops WHERE id > ?", (dropped_after,)))
    numbers: frozenset[int] | None = None
    if sources is not None:
        rows = select_in(connection, "SELECT id, chunks FROM sources WHERE state = 1 AND key IN", sources)
        numbers = frozenset(row[0] for row in rows)
        chunks = sum(row[1] for row in rows)
        if len(numbers) == connection.execute("SELECT count(*) FROM sources WHERE state = 1").fetchone()[0]:
            numbers = None
    else:
        chunks = connection.execute("SELECT coalesce(sum(chunks), 0) FROM sources WHERE state = 1").fetchone()[0]
    wanted = frozenset(KINDS.index(kind) for kind in kinds)
    if wanted and len(wanted) < len(KINDS):
        chunks = _count_kinds(connection, numbers, hidden, wanted)
    return SourceFilter(numbers, wanted, frozenset(hidden), chunks)


def _count_kinds(
    connection: sqlite3.Connection, sources: frozenset[int] | None, hidden: set[int], kinds: frozenset[int]
) -> int:
    marks = ",".join("?" * len(kinds))
    rows = connection.execute(
        f"SELECT source, count(*) FROM chunks WHERE kind IN ({marks}) GROUP BY source",  # noqa: S608 - question marks
        tuple(kinds),
    )
    return sum(count for source, count in rows if source not in hidden and (sources is None or source in sources))
