"""Which chunks may answer a query: those of complete sources, of the sources and kinds asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_context_resources.index.local_engine.chunk_tables import KINDS, select_in

if TYPE_CHECKING:
    import sqlite3

    from mcp_context_resources.index.spec import ChunkKind


@dataclass(frozen=True, slots=True)
class Reach:
    """Chunks that may answer.

    `sources` are the numbers of the sources that may (None: all that are complete), `kinds` the numbers of the kinds
    of chunks (empty: all). `hidden` are sources with chunks that must not answer: half put in, or dropped.
    """

    sources: frozenset[int] | None
    kinds: frozenset[int]
    hidden: frozenset[int]
    chunks: int

    def admits(self, source: int, kind: int) -> bool:
        """Tell whether a chunk of a source may answer."""
        if self.sources is not None and source not in self.sources:
            return False
        return source not in self.hidden and (not self.kinds or kind in self.kinds)


class Reaches:
    """Makes the reach of queries; remembers the last one, since a long list of sources is often asked twice."""

    def __init__(self) -> None:
        self._last: tuple[object, Reach] | None = None

    def of(
        self,
        connection: sqlite3.Connection,
        sources: tuple[str, ...] | None,
        kinds: tuple[ChunkKind, ...],
        dropped_after: int,
    ) -> Reach:
        """Make a reach; sources dropped after that number of the list of drops may still be in the cache of words."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        changes = connection.total_changes
        key = (version, changes, dropped_after, sources, kinds)
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        reach = _reach(connection, sources, kinds, dropped_after)
        self._last = (key, reach)
        return reach


def _reach(
    connection: sqlite3.Connection,
    sources: tuple[str, ...] | None,
    kinds: tuple[ChunkKind, ...],
    dropped_after: int,
) -> Reach:
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
    return Reach(numbers, wanted, frozenset(hidden), chunks)


def _count_kinds(
    connection: sqlite3.Connection, sources: frozenset[int] | None, hidden: set[int], kinds: frozenset[int]
) -> int:
    marks = ",".join("?" * len(kinds))
    rows = connection.execute(
        f"SELECT source, count(*) FROM chunks WHERE kind IN ({marks}) GROUP BY source",  # noqa: S608 - question marks
        tuple(kinds),
    )
    return sum(count for source, count in rows if source not in hidden and (sources is None or source in sources))
