"""Opening a SQLite file for reading only, beside programs that write it and where its folder can't be written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import busy, check, reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.errors import ContextError
    from mcp_context_resources.workers.job import Job

_LOCK_SECONDS: Final = 3.0
_COPY_TRIES: Final = 5
_COPY_BLOCK_BYTES: Final = 8 << 20
_STEPS_BETWEEN_CHECKS: Final = 20_000
_MAX_VALUE_BYTES: Final = 256 << 20
_BESIDE: Final = ("", "-wal", "-journal")
_NEEDS_COPY: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


@contextlib.contextmanager
def opened(job: Job, path: str, scratch: Path, *, lock_seconds: float = _LOCK_SECONDS) -> Iterator[sqlite3.Connection]:
    """Open a database within one read transaction; errors of SQLite in the block become ours.

    Another program's lock is waited for up to `lock_seconds`.

    What is committed is seen, also where it is only in the write-ahead log. A file that can't be opened without
    writing beside it is copied to `scratch` and opened there.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    with contextlib.ExitStack() as stack:
        try:
            try:
                connection = stack.enter_context(contextlib.closing(_begin(job, path, "ro", lock_seconds)))
            except sqlite3.OperationalError as error:
                if _primary(error) not in _NEEDS_COPY:
                    raise
                folder = stack.enter_context(tempfile.TemporaryDirectory(dir=scratch))
                copy = copied(job, path, Path(folder))
                connection = stack.enter_context(contextlib.closing(_begin(job, str(copy), "rw", lock_seconds)))
            _refuse_half_a_page(path, connection)
            yield connection
        except sqlite3.Error as error:
            raise explained(job, path, error) from error


def copied(job: Job, path: str, folder: Path) -> Path:
    """Copy a database with its log or journal, as they were at one moment.

    Raises `UnreadableSourceError` when the file keeps changing, `DeadlineExceededError`.
    """
    copy = folder / "copy.sqlite"
    for _ in range(_COPY_TRIES):
        before = _state(path)
        with contextlib.suppress(FileNotFoundError):  # a log that went away in between changes the state, too
            for ending in _BESIDE:
                Path(f"{copy}{ending}").unlink(missing_ok=True)
                if before[ending] is not None:
                    _copy_file(job, path + ending, f"{copy}{ending}")
            if _state(path) == before:
                return copy
    raise busy(path, "is being written too often to copy it.", "Try again when the other program is done.")


def explained(job: Job, path: str, error: sqlite3.Error) -> ContextError:
    """Return the error of ours for one of SQLite's; raises `DeadlineExceededError` where it came from stopping."""
    code = _primary(error)
    if code == sqlite3.SQLITE_INTERRUPT:
        check(job)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return busy(path, "is locked by another program that is writing it.", "Try again in a moment.")
    if code == sqlite3.SQLITE_NOTADB:
        return broken(path, "is not a SQLite database, or it is encrypted.")
    if code == sqlite3.SQLITE_CORRUPT:
        return broken(path, f"is damaged: {reason(error, path)}.", "Restore it, or repair it with sqlite3's .recover.")
    return broken(path, f"can't be read as a SQLite database: {reason(error, path)}.")


def _begin(job: Job, path: str, mode: str, lock_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?mode={mode}", uri=True, timeout=lock_seconds, isolation_level=None
    )
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        if mode == "ro":
            connection.execute("PRAGMA query_only=ON")
        connection.set_progress_handler(lambda: job.should_stop, _STEPS_BETWEEN_CHECKS)
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on the state is fixed
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_half_a_page(path: str, connection: sqlite3.Connection) -> None:
    """Refuse a file that was cut short within a page: SQLite would take what is missing for zeros."""
    [page_bytes] = connection.execute("PRAGMA page_size").fetchone()
    if os.stat(path).st_size % page_bytes:
        raise broken(path, "is damaged: it ends in the middle of a page.", "Copy or download it again.")


def _primary(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _state(path: str) -> dict[str, tuple[int, int] | None]:
    state: dict[str, tuple[int, int] | None] = {}
    for ending in _BESIDE:
        try:
            status = os.stat(path + ending)
        except FileNotFoundError:
            state[ending] = None
        else:
            state[ending] = (status.st_mtime_ns, status.st_size)
    return state


def _copy_file(job: Job, source: str, target: str) -> None:
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while block := reader.read(_COPY_BLOCK_BYTES):
            check(job)
            writer.write(block)
