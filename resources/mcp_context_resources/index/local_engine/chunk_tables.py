"""Chunk tables: sources and their chunks in SQLite, begun, put in, completed in one step, dropped, swept away."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast, get_args

from mcp_context_resources.index.local_engine.database import COMPLETE, DEAD, PARTIAL
from mcp_context_resources.index.spec import Chunk, ChunkKind, Ending, IndexedSource

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from mcp_context_resources.index.spec import KnownRow

KINDS: Final[tuple[ChunkKind, ...]] = get_args(ChunkKind)
"""Kinds of chunks in the order of their numbers in the database; new ones are added at the end."""

_SWEPT_AT_ONCE: Final = 2_000
_MOST_VARIABLES: Final = 10_000
_LEAST_ORPHANS: Final = 20_000
_DIGEST_BYTES: Final = 20
_MOST_TEXT_CHARS: Final = 100_000
_MOST_HEADING_CHARS: Final = 2_000


class Stored(NamedTuple):
    """A chunk as it is kept, and the source it stands in."""

    id: int
    source: int
    passage: int
    digest: str
    chunk: Chunk
    of: IndexedSource


def known(connection: sqlite3.Connection) -> list[KnownRow]:
    """Return all versions of sources that aren't dead."""
    return connection.execute(
        "SELECT key, kind, name, file, fingerprint, modified, size, chunks, state = 1, problem, note FROM sources"
        " WHERE state < 2"
    ).fetchall()


def begin(connection: sqlite3.Connection, source: IndexedSource) -> int:
    """Note a version of a source; returns how many chunks of it there are."""
    connection.execute(
        "INSERT INTO sources (key, fingerprint, kind, name, file, modified, size) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key, fingerprint) DO UPDATE SET name = excluded.name, file = excluded.file,"
        " modified = excluded.modified, size = excluded.size",
        (source.key, source.fingerprint, source.kind, source.name, source.file, source.modified, source.size),
    )
    return int(_version(connection, source)[2])


def put(
    connection: sqlite3.Connection,
    source: IndexedSource,
    first: int,
    chunks: Sequence[Chunk],
    ending: Ending | None,
) -> bool:
    """Put in the chunks from number `first` on, the last ones where there is an `ending`.

    False where they aren't the next ones of a version begun.
    """
    found = _version(connection, source)
    if found is None or found[1] != PARTIAL or found[2] != first:
        return False
    number = int(found[0])
    for place, chunk in enumerate(chunks, first):
        connection.execute(
            "INSERT INTO chunks (source, number, passage, kind, page, start, end, row, heading, text)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, place, _passage(connection, chunk), *_fields(chunk)),
        )
    connection.execute(
        "UPDATE sources SET chunks = ?, state = ?, problem = ?, note = ? WHERE id = ?",
        (first + len(chunks), PARTIAL if ending is None else COMPLETE, *(ending or Ending()), number),
    )
    if ending is not None:
        others = connection.execute(
            "SELECT id FROM sources WHERE key = ? AND id <> ? AND (state = ? OR id < ?)",
            (source.key, number, COMPLETE, number),  # a newer version may be half put in by another server
        ).fetchall()
        _kill(connection, [row[0] for row in others])
        if ending.problem:
            _empty(connection, number)
    return True


def drop(connection: sqlite3.Connection, keys: Collection[str]) -> None:
    """Mark all versions of sources as dead."""
    doomed = [row[0] for row in _in(connection, "SELECT id FROM sources WHERE key IN", list(keys))]
    _kill(connection, doomed)


def sweep(connection: sqlite3.Connection) -> bool:
    """Remove some of the chunks of dead sources, then what nobody points to; returns whether more is left to do."""
    row = connection.execute("SELECT id FROM sources WHERE state = ? LIMIT 1", (DEAD,)).fetchone()
    if row is not None:
        gone = connection.execute(
            "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE source = ? LIMIT ?)", (row[0], _SWEPT_AT_ONCE)
        ).rowcount
        if gone < _SWEPT_AT_ONCE:
            connection.execute("DELETE FROM sources WHERE id = ?", (row[0],))
        return True
    return False


def sweep_passages(connection: sqlite3.Connection) -> None:
    """Remove passages and vectors that no chunk has, once they outweigh the others: renamed files need them again."""
    passages = connection.execute("SELECT count(*) FROM passages").fetchone()[0]
    chunks = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    if passages <= chunks + chunks // 2 + _LEAST_ORPHANS:
        return
    orphans = "NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.passage = {0})"
    connection.execute(f"DELETE FROM vectors WHERE {orphans.format('vectors.passage')}")  # noqa: S608 - our own words
    connection.execute(f"DELETE FROM pending WHERE {orphans.format('pending.passage')}")  # noqa: S608
    connection.execute(f"DELETE FROM passages WHERE {orphans.format('passages.id')}")  # noqa: S608


def embedded_text(chunk: Chunk) -> str:
    """Return what a chunk's vector is made of: its headings and its text."""
    heading = " / ".join(chunk.heading)
    return f"{heading}\n{chunk.text}" if heading else chunk.text


def digest_of(chunk: Chunk) -> bytes:
    """Identify the text a chunk's vector is made of."""
    return hashlib.blake2b(embedded_text(chunk).encode(errors="replace"), digest_size=_DIGEST_BYTES).digest()


def read_chunks(connection: sqlite3.Connection, ids: Iterable[int], *, partial: bool = False) -> dict[int, Stored]:
    """Return chunks by their ids; those of sources that aren't complete are missing, unless `partial`."""
    found = {}
    for row in _in(connection, f"{_SELECT_STORED} WHERE s.state {'< 2' if partial else '= 1'} AND c.id IN", list(ids)):
        chunk = Chunk(KINDS[row[3]], row[9], row[4], row[5], row[6], row[7], tuple(json.loads(row[8])))
        found[row[0]] = Stored(row[0], row[1], row[2], row[17].hex(), chunk, IndexedSource(*row[10:17]))
    return found


_SELECT_STORED: Final = (
    "SELECT c.id, c.source, c.passage, c.kind, c.page, c.start, c.end, c.row, c.heading, c.text,"
    " s.key, s.kind, s.name, s.file, s.fingerprint, s.modified, s.size, p.digest"
    " FROM chunks c JOIN sources s ON s.id = c.source JOIN passages p ON p.id = c.passage"
)


def select_in(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> list[Any]:
    """Run a statement that ends in `IN`, however many values there are."""
    return _in(connection, statement, values)


def _in(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> list[Any]:
    rows: list[Any] = []
    for first in range(0, len(values), _MOST_VARIABLES):
        some = values[first : first + _MOST_VARIABLES]
        rows += connection.execute(f"{statement} ({','.join('?' * len(some))})", some).fetchall()
    return rows


def _version(connection: sqlite3.Connection, source: IndexedSource) -> Any:
    return connection.execute(
        "SELECT id, state, chunks FROM sources WHERE key = ? AND fingerprint = ?", (source.key, source.fingerprint)
    ).fetchone()


def _fields(chunk: Chunk) -> tuple[Any, ...]:
    heading: list[str] = []
    left = _MOST_HEADING_CHARS
    for part in chunk.heading:
        heading.append(_clean(part[:left]))
        left -= len(part)
        if left <= 0:
            break
    text = _clean(chunk.text[:_MOST_TEXT_CHARS])
    kind = KINDS.index(chunk.kind)
    return kind, chunk.page, chunk.start, chunk.end, chunk.row, json.dumps(heading, ensure_ascii=False), text


def _clean(text: str) -> str:
    """Replace half characters, which no file can hold, by one of the same length."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _passage(connection: sqlite3.Connection, chunk: Chunk) -> int:
    """Return the number of a text, and note for every model that has no vector of it that it is missing."""
    digest = digest_of(chunk)
    row = connection.execute("SELECT id FROM passages WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        passage = cast("int", connection.execute("INSERT INTO passages (digest) VALUES (?)", (digest,)).lastrowid)
    else:
        passage = int(row[0])
    connection.execute(
        "INSERT OR IGNORE INTO pending (model, passage) SELECT id, ?1 FROM models WHERE NOT EXISTS"
        " (SELECT 1 FROM vectors WHERE vectors.passage = ?1 AND vectors.model = models.id)",
        (passage,),
    )
    return passage


def _kill(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Let versions of sources answer no more; their chunks are swept away later, in small steps."""
    connection.executemany(
        "UPDATE sources SET state = 2, key = '', fingerprint = id WHERE id = ?", [(number,) for number in numbers]
    )
    connection.executemany("INSERT INTO drops (source) VALUES (?)", [(number,) for number in numbers])


def _empty(connection: sqlite3.Connection, number: int) -> None:
    """Remove what was put in of a source that turned out to be unreadable."""
    if connection.execute("DELETE FROM chunks WHERE source = ?", (number,)).rowcount:
        connection.execute("UPDATE sources SET chunks = 0 WHERE id = ?", (number,))
        connection.execute("INSERT INTO drops (source) VALUES (?)", (number,))
