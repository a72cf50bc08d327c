"""Loader registry: which tables are in a file of another program, and one of them as the DuckDB relation `data`."""

from __future__ import annotations

import contextlib
import gc
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

import duckdb

from mcp_context_resources.errors import ContextError, NotFoundError, OutOfMemoryError, UnreadableSourceError
from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import check, reason
from mcp_context_resources.tables.reader import BY_FORMAT, DERIVED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.tables.reader import TableReader
    from mcp_context_resources.workers.job import Job

_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_DUCKDB_MAGIC: Final = b"DUCK"


class _Load(Protocol):
    def __call__(
        self, job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path, /
    ) -> list[str]: ...


class _Parts(Protocol):
    def __call__(self, job: Job, path: str, scratch: Path, /) -> list[str]: ...


def parts(job: Job, path: str, reader: TableReader, scratch: Path) -> list[str]:
    """Return the names of the tables in a file; `[""]` for a format that holds one without a name.

    `scratch` is a folder for temporary files. Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    if not reader.parts:
        return [""]
    try:
        check(job)
        found = cast("_Parts", _function(_by_content(path, reader).parts, reader, path))
        return [str(part) for part in found(job, path, scratch)]
    except ContextError:
        raise
    except Exception as error:
        raise _translated(job, path, error) from error


def load(
    job: Job,
    connection: duckdb.DuckDBPyConnection,
    path: str,
    reader: TableReader,
    part: str,
    scratch: Path,
) -> list[str]:
    """Make the table or view `data` in a connection from one part of a file; return notes for a reader.

    `data` may rest on files in `scratch`, so that folder must outlive its use.

    Raises `NotFoundError` for a part that isn't there, `UnreadableSourceError`, `PasswordRequiredError`,
    `OutOfMemoryError`, `DeadlineExceededError`.
    """
    if part and not reader.parts and reader.format != DERIVED:
        raise NotFoundError(f"{Path(path).name!r} is one table and holds no {part!r}.", "Leave the part out.")
    try:
        check(job)
        read = cast("_Load", _function(_by_content(path, reader).load, reader, path))
        with job.interruptible(connection.interrupt), _without_collector():
            notes = read(job, connection, path, part, scratch)
        return [str(note) for note in notes or ()]
    except ContextError:
        raise
    except Exception as error:
        raise _translated(job, path, error) from error


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from going through millions of rows again and again; none is in a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _function(target: str, reader: TableReader, path: str) -> object:
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise broken(path, f"needs the package {error.name}.", f"Install {reader.extra or error.name}.") from error


def _by_content(path: str, reader: TableReader) -> TableReader:
    """Tell SQLite and DuckDB databases apart, which share file name endings."""
    if reader not in (BY_FORMAT["sqlite"], BY_FORMAT["duckdb"]):
        return reader
    with open(path, "rb") as file:
        start = file.read(16)
    if not start:
        raise broken(path, "is empty.", "There is nothing to read in it.")
    if start == _SQLITE_MAGIC:
        return BY_FORMAT["sqlite"]
    if start[8:12] == _DUCKDB_MAGIC:
        return BY_FORMAT["duckdb"]
    raise broken(path, "is neither a SQLite nor a DuckDB database, or it is encrypted.")


def _translated(job: Job, path: str, error: Exception) -> Exception:
    """Return the error of ours for what a library raised on a stranger's bytes."""
    if isinstance(error, duckdb.InterruptException):
        check(job)
    if isinstance(error, duckdb.OutOfMemoryException):
        return OutOfMemoryError(
            f"Reading {Path(path).name!r} needed more memory or disk space than its worker may use.",
            "Raise tables.memory_mb or tables.max_spill_mb.",
        )
    if isinstance(error, MemoryError):
        return error
    if isinstance(error, OSError) and not isinstance(error, UnreadableSourceError):
        return broken(path, f"can't be read: {error.strerror or type(error).__name__}.")
    return broken(path, f"can't be read: {reason(error, path)}.")
