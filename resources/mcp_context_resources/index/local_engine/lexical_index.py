"""Lexical index: the terms of all chunks in tantivy, a cache of the database that whoever holds its writer maintains.

It is stamped, in the commit itself, with the last chunk and the last drop of the database that it knows of. Each way of
taking texts apart has a folder of its own, so that servers of different versions don't disturb each other.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import tantivy

from mcp_context_resources.index.analysis.terms import fields_of
from mcp_context_resources.index.local_engine.chunk_tables import select_in
from mcp_context_resources.index.local_engine.database import full, get_meta, set_meta, set_note

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mcp_context_resources.index.local_engine.database import Database

LAYOUT: Final = 2
"""Changes with the fields below."""

_PREFIX: Final = "words-"
_STEP: Final = 500
_WRITER_BYTES: Final = 48 << 20
_TOKENIZER: Final = "ours"
_OLD_SECONDS: Final = 14 * 24 * 3600.0
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SIGNS_OF_NO_ROOM: Final = (*(f"(os error {number})" for number in _NO_ROOM), "StorageFull", "QuotaExceeded")
_PROBE_BYTES: Final = 1 << 20
_FEW_CHUNKS: Final = 2_000
# One look into an index for each source, not for each of its chunks.
_LAST_CHUNKS: Final = (
    "SELECT s.id, c.id FROM sources s JOIN chunks c ON c.source = s.id AND c.number = s.chunks - 1 WHERE s.state = 1"
)


class Stamp(NamedTuple):
    """What of the database the cache knows of: numbers of its last chunk and its last drop."""

    chunk: int
    drop: int

    def lacks(self, last: Stamp) -> bool:
        """Tell whether there is more; the last chunks may have been swept away since."""
        return self.chunk < last.chunk or self.drop < last.drop


class BrokenCacheError(Exception):
    """The cache holds nonsense and must be made anew."""


class LexicalIndex:
    """The cache of one database in a folder; `version` identifies how texts are taken apart."""

    def __init__(self, folder: Path, version: str) -> None:
        self._folder = folder
        self._version = hashlib.blake2b(f"{LAYOUT} {version}".encode(), digest_size=6).hexdigest()
        self._name = ""
        self._index: Any = None
        self.schema: Any = _schema()

    def open(self, connection: sqlite3.Connection) -> None:
        """Open the cache that belongs to the database, made empty where it is missing.

        Raises `BrokenCacheError`, and `StorageError` where there is no room for it.
        """
        name = self._current(connection)
        path = self._folder / name
        if self._index is not None and name == self._name and path.is_dir():
            return
        with guarded():
            path.mkdir(mode=0o700, exist_ok=True)
            self._index = tantivy.Index(self.schema, path=str(path))
            analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
            self._index.register_tokenizer(_TOKENIZER, analyzer)
            self._name = name

    def close(self) -> None:
        """Let go of the files."""
        self._index = None

    def searcher(self) -> Any:
        """Return a view of what was committed last."""
        with guarded():
            self._index.reload()
            return self._index.searcher()

    def stamp(self) -> Stamp:
        """Tell how far the cache has come."""
        return self.stamp_of(self.searcher())

    def stamp_of(self, searcher: Any) -> Stamp:
        """Tell how far a view of the cache has come."""
        return _stamp(self.schema, searcher)

    def remake(self, database: Database, why: str) -> None:
        """Start an empty cache in the place of this one; the database remembers `why`."""
        found = self._name
        self.close()
        with database.writing() as connection:
            current = self._current(connection)
            if current == found or not found:  # else another process was quicker
                set_meta(connection, f"words {self._version}", str(self._generation(connection) + 1))
                set_note(connection, why)
        shutil.rmtree(self._folder / (found or current), ignore_errors=True)

    def catch_up(self, database: Database, most: int, seconds: float) -> bool:
        """Take in up to `most` chunks, for about so many seconds; False where another process is at it.

        Raises `BrokenCacheError`, and `StorageError` where there is no room.
        """
        writer = self._writer()
        if writer is None:
            return False
        with guarded(), self._room_made_sure():
            writer.garbage_collect_files()  # what a write left that found no room is in the way of the next one
            stamp = self.stamp()  # read with the writer held: nobody else moves it now
            stamp, changed = self._take_in(database, writer, stamp, most, time.monotonic() + seconds)
            if changed:
                self._delete(writer, "is_stamp", 1)
                document = tantivy.Document()
                document.add_unsigned("is_stamp", 1)
                document.add_unsigned("id", stamp.chunk)
                document.add_unsigned("source", stamp.drop)
                writer.add_document(document)
                writer.commit()
            writer.wait_merging_threads()
        return True

    def sweep(self, connection: sqlite3.Connection) -> None:
        """Remove caches of other databases, and those of other versions that nobody has used for two weeks."""
        identity = get_meta(connection, "identity")
        for entry in self._folder.iterdir():
            if not entry.name.startswith(_PREFIX) or entry.name == self._name:
                continue
            parts = entry.name.split("-")
            with contextlib.suppress(OSError):
                old = time.time() - entry.stat().st_mtime > _OLD_SECONDS
                if old or parts[1] != identity or parts[2:3] == [self._version]:
                    shutil.rmtree(entry, ignore_errors=True)

    @contextmanager
    def _room_made_sure(self) -> Iterator[None]:
        """Blame a full disk for what fails while there is one: a writer that dies of it says nothing of it."""
        try:
            yield
        except ValueError:
            with guarded(), tempfile.TemporaryFile(dir=self._folder) as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
            raise

    def _delete(self, writer: Any, field: str, value: int) -> None:
        # Deleting by term finds no unsigned numbers in tantivy 0.27.
        writer.delete_documents_by_query(tantivy.Query.term_query(self.schema, field, value))

    def _current(self, connection: sqlite3.Connection) -> str:
        return f"{_PREFIX}{get_meta(connection, 'identity')}-{self._version}-{self._generation(connection)}"

    def _generation(self, connection: sqlite3.Connection) -> int:
        return int(get_meta(connection, f"words {self._version}") or 0)

    def _writer(self) -> Any:
        with guarded():
            try:
                return self._index.writer(_WRITER_BYTES, 1)
            except ValueError as error:
                if "LockBusy" in str(error):
                    return None
                raise

    def _take_in(self, database: Database, writer: Any, stamp: Stamp, most: int, ends: float) -> tuple[Stamp, bool]:
        with database.reading() as connection:
            begin, last = stamp, last_of(connection)
            if _knows_more(connection, stamp, last):
                writer.delete_all_documents()
                stamp = Stamp(0, last.drop)
            elif stamp.chunk == 0:
                stamp = Stamp(0, last.drop)
            for (source,) in connection.execute("SELECT source FROM drops WHERE id > ?", (stamp.drop,)):
                self._delete(writer, "source", source)
            stamp = Stamp(stamp.chunk, last.drop)
            taken = 0
            while taken < most and stamp.chunk < last.chunk:
                rows = connection.execute(
                    "SELECT c.id, c.source, c.kind, c.heading, c.text, s.name FROM chunks c"
                    " JOIN sources s ON s.id = c.source WHERE c.id > ? AND s.state < 2 ORDER BY c.id LIMIT ?",
                    (stamp.chunk, min(_STEP, most - taken)),
                ).fetchall()
                for row in rows:
                    writer.add_document(_document(row))
                taken += len(rows)
                stamp = Stamp(rows[-1][0] if rows else last.chunk, last.drop)
                if time.monotonic() > ends:
                    break
        return stamp, stamp != begin


def last_of(connection: sqlite3.Connection) -> Stamp:
    """Return the stamp of a cache that knows all of the database."""
    chunk = connection.execute("SELECT max(id) FROM chunks").fetchone()[0] or 0
    drop = connection.execute("SELECT max(id) FROM drops").fetchone()[0] or 0
    return Stamp(chunk, drop)


def index_lag(connection: sqlite3.Connection, known: int) -> list[int]:
    """Return the numbers of complete sources with chunks after number `known`, the last one in the index of words."""
    last = connection.execute("SELECT max(id) FROM chunks").fetchone()[0] or 0
    if last <= known:
        return []
    if last - known > _FEW_CHUNKS:
        return [row[0] for row in connection.execute(f"{_LAST_CHUNKS} AND c.id > ?", (known,))]
    rows = connection.execute(
        "SELECT DISTINCT c.source FROM chunks c JOIN sources s ON s.id = c.source WHERE c.id > ? AND s.state = 1",
        (known,),
    )
    return [row[0] for row in rows]


def last_of_sources(connection: sqlite3.Connection, keys: Sequence[str]) -> int:
    """Return the number of the last chunk of some sources, of those that are complete; 0 where there is none."""
    return max((row[1] for row in select_in(connection, f"{_LAST_CHUNKS} AND s.key IN", keys)), default=0)


@contextmanager
def guarded() -> Iterator[None]:
    """Turn tantivy's errors into `BrokenCacheError`, or `StorageError` where the disk is full."""
    try:
        yield
    except (ValueError, OSError) as error:
        text = str(error)
        if isinstance(error, OSError) or _is_full(error):
            raise full("there is no space left" if _is_full(error) else text[:200]) from error
        raise BrokenCacheError(text[:500]) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # how Rust's assertions arrive: no Exception
            raise
        raise BrokenCacheError(str(error)[:500]) from error


def _is_full(error: Exception) -> bool:
    number = getattr(error, "errno", None)
    return number in _NO_ROOM or any(sign in str(error) for sign in _SIGNS_OF_NO_ROOM)


def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    for name in ("id", "source", "kind"):
        builder.add_unsigned_field(name, indexed=name != "id", fast=True)
    builder.add_unsigned_field("is_stamp", indexed=True)
    for name in ("name", "heading", "words", "characters", "loans"):
        builder.add_text_field(name, tokenizer_name=_TOKENIZER, index_option="freq")
    builder.add_text_field("surface", tokenizer_name=_TOKENIZER, index_option="position")
    return builder.build()


def _document(row: Any) -> Any:
    number, source, kind, heading, text, name = row
    document = tantivy.Document()
    document.add_unsigned("id", number)
    document.add_unsigned("source", source)
    document.add_unsigned("kind", kind)
    for field, terms in fields_of(text, json.loads(heading), name).items():
        document.add_text(field, " ".join(terms))
    return document


def _stamp(schema: Any, searcher: Any) -> Stamp:
    with guarded():
        query = tantivy.Query.term_query(schema, "is_stamp", 1)
        addresses = [address for _, address in searcher.search(query, 1).hits]
        if not addresses:
            return Stamp(0, 0)
        chunk, drop = (searcher.fast_field_values(name, addresses)[0] for name in ("id", "source"))
        return Stamp(chunk, drop)


def _knows_more(connection: sqlite3.Connection, stamp: Stamp, last: Stamp) -> bool:
    """Tell whether the database is an older one than the cache was made from, or has forgotten drops since."""
    highest = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    first = connection.execute("SELECT min(id) FROM drops").fetchone()[0]
    return stamp.chunk > (highest[0] if highest else 0) or stamp.drop > last.drop or (first or 0) > stamp.drop + 1
