"""Tables of files of other programs: which there are in a file, and one of them as the DuckDB relation `data`."""

from __future__ import annotations

import contextlib
import gc
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

import duckdb

from mcp_context_resources.errors import ContextError, NotFoundError, OutOfMemoryError, UnreadableSourceError
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import broken, check, reason
from mcp_context_resources.tables.loaded_formats import CONTAINERS, DERIVED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.workers.job import Job

_HOME: Final = "mcp_context_resources.tables.duckdb_engine.loaders"
_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_DUCKDB_MAGIC: Final = b"DUCK"


class _Load(Protocol):
    def __call__(
        self, job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path, /
    ) -> list[str]: ...


class _Parts(Protocol):
    def __call__(self, job: Job, path: str, scratch: Path, /) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class _Loader:
    """Where a format's functions are; modules are imported when a file of the format is read."""

    module: str
    load: str = "load"


_LOADERS: Final = {
    "excel": _Loader("excel"),
    "sqlite": _Loader("sqlite"),
    "duckdb": _Loader("duckdb_files"),
    "arrow": _Loader("arrow", "load_arrow"),
    "orc": _Loader("arrow", "load_orc"),
    "stata": _Loader("statistics_files"),
    "sas": _Loader("statistics_files"),
    "spss": _Loader("statistics_files"),
    "html": _Loader("html"),
    "xml": _Loader("xml"),
    "fwf": _Loader("fixed_width"),
    "cells": _Loader("document_cells"),
}


def parts(job: Job, path: str, format: str, scratch: Path) -> list[str]:  # noqa: A002 - the field's word
    """Return the names of the tables in a file; `[""]` for a format that holds one without a name.

    `scratch` is a folder for temporary files. Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    if format not in CONTAINERS:
        return [""]
    try:
        check(job)
        actual = _by_content(path, format)
        found = cast("_Parts", _function(_LOADERS[actual].module, "parts"))
        return found(job, path, scratch)
    except ContextError:
        raise
    except Exception as error:
        raise _translated(job, path, error) from error


def load(
    job: Job,
    connection: duckdb.DuckDBPyConnection,
    path: str,
    format: str,  # noqa: A002 - the field's word
    part: str,
    scratch: Path,
) -> list[str]:
    """Make the table or view `data` in a connection from one part of a file; return notes for a reader.

    `data` may rest on files in `scratch`, so that folder must outlive its use.

    Raises `NotFoundError` for a part that isn't there, `UnreadableSourceError`, `PasswordRequiredError`,
    `OutOfMemoryError`, `DeadlineExceededError`.
    """
    if format not in (*CONTAINERS, DERIVED) and part:
        raise NotFoundError(f"{Path(path).name!r} is one table and holds no {part!r}.", "Leave the part out.")
    try:
        check(job)
        loader = _LOADERS[_by_content(path, format)]
        with job.interruptible(connection.interrupt), _without_collector():
            return cast("_Load", _function(loader.module, loader.load))(job, connection, path, part, scratch)
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


def _function(module: str, name: str) -> object:
    return getattr(importlib.import_module(f"{_HOME}.{module}"), name)


def _by_content(path: str, format: str) -> str:  # noqa: A002 - the field's word
    """Tell SQLite and DuckDB databases apart, which share file name endings."""
    if format not in ("sqlite", "duckdb"):
        return format
    with open(path, "rb") as file:
        start = file.read(16)
    if not start:
        raise broken(path, "is empty.", "There is nothing to read in it.")
    if start == _SQLITE_MAGIC:
        return "sqlite"
    if start[8:12] == _DUCKDB_MAGIC:
        return "duckdb"
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
