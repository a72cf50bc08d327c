"""Database: the SQLite file that is the truth of the index, made anew when it is damaged, its errors in our words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import DeadlineExceededError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION: Final = 2
"""Changes with the tables; files of another version are thrown away."""

FILE_NAME: Final = "index.sqlite3"
"""The file's name in the folder of the index."""

PARTIAL: Final = 0
COMPLETE: Final = 1
DEAD: Final = 2
"""States of a version of a source: being put in, found by searches, to be swept away."""

_BUSY_SECONDS: Final = 20.0
_TOLD_SECONDS: Final = 3600.0
_SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, fingerprint TEXT NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL, file TEXT NOT NULL, modified INTEGER NOT NULL, size INTEGER NOT NULL DEFAULT 0,
    state INTEGER NOT NULL DEFAULT 0,
    chunks INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '',
    UNIQUE (key, fingerprint));
CREATE INDEX sources_not_complete ON sources (state) WHERE state <> 1;
CREATE TABLE passages (id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, number INTEGER NOT NULL, passage INTEGER NOT NULL,
    kind INTEGER NOT NULL, page INTEGER, start INTEGER NOT NULL, end INTEGER NOT NULL, row INTEGER,
    heading TEXT NOT NULL, text TEXT NOT NULL);
CREATE UNIQUE INDEX chunks_of_source ON chunks (source, number);
CREATE INDEX chunks_of_passage ON chunks (passage, source);
CREATE TABLE drops (id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL);
CREATE TABLE models (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL DEFAULT 0,
    used REAL NOT NULL);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL, passage INTEGER NOT NULL, vector BLOB NOT NULL);
CREATE UNIQUE INDEX vectors_of_passage ON vectors (passage, model);
CREATE INDEX vectors_of_model ON vectors (model, id);
CREATE TABLE pending (
    model INTEGER NOT NULL, passage INTEGER NOT NULL, until REAL NOT NULL DEFAULT 0, PRIMARY KEY (model, passage)
) WITHOUT ROWID;
"""
_FULL: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")


class DamagedError(Exception):
    """The file is no index of ours or holds nonsense."""


class Database:
    """A connection to the file `folder`/index.sqlite3, made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def connection(self) -> sqlite3.Connection:
        """Return the connection; opened anew where another process has replaced the file.

        Raises `StorageError`, and `DamagedError` where the file is no index of this version.
        """
        with contextlib.suppress(FileNotFoundError):
            if self._connection is not None and os.stat(self._path).st_ino == self._inode:
                return self._connection
        self.close()
        self._inode = _inode(self._path)  # known before anything can fail: another process may replace the file
        with translated():
            self._connection = _open(self._path)
        return self._connection

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def replace(self, why: str) -> None:
        """Throw the file away and start with an empty one that remembers `why`."""
        found = self._inode
        self.close()
        with contextlib.suppress(OSError):
            if found == os.stat(self._path).st_ino:  # else another process was quicker
                for ending in ("-wal", "-shm", ""):
                    self._path.with_name(FILE_NAME + ending).unlink(missing_ok=True)
        with self.writing() as connection:
            set_note(connection, why)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction that is on disk once it ends, or as if it never ran."""
        connection = self.connection()
        with translated():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Run a block that sees one state of the file, whatever others write."""
        connection = self.connection()
        with translated():
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("COMMIT")


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into `StorageError` and `DamagedError`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or _holds_nonsense(error):
            raise DamagedError(str(error)) from error
        if name == "SQLITE_INTERRUPT":
            raise DeadlineExceededError(
                "The search took longer than its time limit.", "Ask for fewer sources, or raise the limit."
            ) from error
        if name.startswith(_FULL):
            raise full(str(error)) from error
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StorageError(
                "Another server is writing to the search index.", "Try again in a moment; nothing was lost."
            ) from error
        raise


def full(what: str) -> StorageError:
    """Make the error for a folder that can't be written to."""
    return StorageError(
        f"The search index can't be written ({what}).",
        "Free some space where the cache folder is, or set another cache_dir; what was indexed before is kept.",
    )


def set_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Remember a fact about the whole file."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def get_meta(connection: sqlite3.Connection, name: str) -> str:
    """Return a fact about the whole file, or nothing."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return row[0] if row else ""


def set_note(connection: sqlite3.Connection, text: str) -> None:
    """Remember what is to be told to people for a while."""
    set_meta(connection, "note", f"{int(time.time())} {text}")


def get_note(connection: sqlite3.Connection) -> str:
    """Return what is to be told, or nothing."""
    since, _, text = get_meta(connection, "note").partition(" ")
    return text if since and abs(time.time() - int(since)) < _TOLD_SECONDS else ""


def _inode(path: Path) -> int:
    """Return what tells the file from one that took its place; it is made where it is missing."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        raise full(error.strerror or str(error)) from error
    try:
        return os.fstat(number).st_ino
    finally:
        os.close(number)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA cache_size = -32000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA trusted_schema = OFF")
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file; raises `DamagedError` where there are others."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        connection.execute("SELECT 1 FROM meta, sources, chunks, vectors, pending LIMIT 0")
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another server may have been quicker
        if version != SCHEMA_VERSION:
            if version or connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise DamagedError(f"it is of version {version}, not {SCHEMA_VERSION}")
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    connection.execute(statement)
            set_meta(connection, "identity", os.urandom(6).hex())
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _holds_nonsense(error: sqlite3.DatabaseError) -> bool:
    return str(error).startswith(("no such table", "no such column", "Could not decode to UTF-8"))
