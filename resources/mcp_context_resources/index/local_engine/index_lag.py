"""Which complete sources the cache of words doesn't know all of yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.index.local_engine.chunk_tables import select_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_FEW: Final = 2_000
# One look into an index for each source, not for each of its chunks.
_LAST_CHUNKS: Final = (
    "SELECT s.id, c.id FROM sources s JOIN chunks c ON c.source = s.id AND c.number = s.chunks - 1 WHERE s.state = 1"
)


def unsorted(connection: sqlite3.Connection, known: int) -> list[int]:
    """Return the numbers of complete sources with chunks after number `known`, the last one in the cache."""
    last = connection.execute("SELECT max(id) FROM chunks").fetchone()[0] or 0
    if last <= known:
        return []
    if last - known > _FEW:
        return [row[0] for row in connection.execute(f"{_LAST_CHUNKS} AND c.id > ?", (known,))]
    rows = connection.execute(
        "SELECT DISTINCT c.source FROM chunks c JOIN sources s ON s.id = c.source WHERE c.id > ? AND s.state = 1",
        (known,),
    )
    return [row[0] for row in rows]


def last_of_sources(connection: sqlite3.Connection, keys: Sequence[str]) -> int:
    """Return the number of the last chunk of some sources, of those that are complete; 0 where there is none."""
    return max((row[1] for row in select_in(connection, f"{_LAST_CHUNKS} AND s.key IN", keys)), default=0)
