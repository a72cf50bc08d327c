"""The engine's connections: one locked in-memory DuckDB for each set of table versions.

The settings follow DuckDB's "Securing DuckDB" guide. Files are opened through views over an allow-list of exact
paths, then external access is switched off and the configuration locked, before any caller's SQL runs.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import duckdb

from mcp_context_resources.cache import Cache
from mcp_context_resources.errors import (
    ContextError,
    DeadlineExceededError,
    OutOfMemoryError,
    SourceBusyError,
    SqlError,
    UnreadableSourceError,
)
from mcp_context_resources.tables.duckdb_engine.columnar_files import copied_relation
from mcp_context_resources.tables.duckdb_engine.embed_function import define_similarity
from mcp_context_resources.tables.duckdb_engine.encoding import PACKING_ERRORS
from mcp_context_resources.tables.duckdb_engine.folder_tables import folder_relation
from mcp_context_resources.tables.duckdb_engine.relations import Relation, relation_for
from mcp_context_resources.tables.duckdb_engine.sql_errors import contradicts_sample, explain
from mcp_context_resources.tables.quoting import exact_path, identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.job import Job

T = TypeVar("T")

_KEPT_CONNECTIONS: Final = 4
_KEPT_RELATIONS: Final = 2_000

# Each with the names of the tables it does without.
_connections: OrderedDict[tuple[TableSpec, ...], tuple[duckdb.DuckDBPyConnection, list[str]]] = OrderedDict()
_relations: OrderedDict[str, Relation] = OrderedDict()
_read_whole: set[str] = set()


def despite_samples(tables: Sequence[TableSpec], read: Callable[[], T]) -> T:
    """Read; where a value far down contradicts types found from a sample, look at whole files and read once more."""
    try:
        return read()
    except (SqlError, duckdb.Error) as error:
        if not contradicts_sample(error) or not _forget_samples(tables):
            raise
    return read()


def _forget_samples(tables: Sequence[TableSpec]) -> bool:
    """Have files of which only a sample was sniffed sniffed whole the next time; tells whether there are any."""
    files = [file for table in tables for file in (table, *table.members)]
    sampled = {_key(file) for file in files if _key(file) in _relations and _relations[_key(file)].sampled}
    for key in sampled:
        del _relations[key]
    _read_whole.update(sampled)
    stale = [key for key in _connections if any(_key(f) in sampled for table in key for f in (table, *table.members))]
    for connected in stale:
        _close(connected)
    return bool(sampled)


def connection_for(
    job: Job, tables: Sequence[TableSpec], limits: EngineLimits, *, skip_unreadable: bool = False
) -> duckdb.DuckDBPyConnection:
    """Return the locked connection for exactly these versions of these tables, made on first use.

    An unreadable table is an error where it was named, and left out where a statement is about all tables.
    """
    key = _set_of(tables)
    if key in _connections:
        _connections.move_to_end(key)
        # A cached copy may have been evicted by another server.
        if all(_is_there(_relations[_key(table)]) for table in tables if _key(table) in _relations):
            return _connections[key][0]
        _close(key)
    _connections[key] = locked_connection(job, tables, limits, skip_unreadable=skip_unreadable)
    while len(_connections) > _KEPT_CONNECTIONS:
        _close(next(iter(_connections)))
    return _connections[key][0]


def left_out(tables: Sequence[TableSpec]) -> list[str]:
    """Name the unreadable tables that the open connection of these tables does without."""
    return _connections[_set_of(tables)][1]


def locked_connection(
    job: Job,
    tables: Sequence[TableSpec],
    limits: EngineLimits,
    *,
    skip_unreadable: bool = False,
    writable: Sequence[str] = (),
) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    """Make a connection that reaches these tables and, to write results to, the paths in `writable`; nothing else.

    Returns it with the names of the tables left out.
    """
    connection = connect(limits)
    try:
        with job.interruptible(connection.interrupt):
            paths, missing = list(writable), []
            for table in tables:
                try:
                    relation = relation_of(table, connection, limits)
                    _create_view(table, relation, connection)
                except (UnreadableSourceError, OutOfMemoryError):
                    if not skip_unreadable:
                        raise
                    missing.append(table.name)
                    continue
                paths += {*relation.paths, *map(exact_path, relation.paths)}
            define_similarity(connection)
            connection.execute(f"SET allowed_paths=[{', '.join(map(quoted, paths))}]")
            # `x -> x + 1` is how lambdas are mostly written; the engine's newer spelling works as well.
            connection.execute("SET lambda_syntax='ENABLE_SINGLE_ARROW'")
            # How far a statement is can be asked only where a bar would be drawn; none is.
            connection.execute("SET enable_progress_bar=true")
            connection.execute("SET enable_progress_bar_print=false")
            connection.execute("SET enable_external_access=false")
            connection.execute("SET lock_configuration=true")
    except BaseException:
        connection.close()
        raise
    return connection, missing


def relation_of(table: TableSpec, connection: duckdb.DuckDBPyConnection, limits: EngineLimits) -> Relation:
    """Return how a table is read, worked out once for each version of it; `connection` must not be locked yet.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    known = _relations.get(_key(table))
    if known is not None and _is_there(known):
        return known
    cache = Cache(Path(limits.cache_dir), "tables", limits.max_cache_bytes)
    try:
        if table.copy and Path(table.copy).exists():
            relation = copied_relation(table.copy, connection)
        elif table.reader is not None:
            raise SourceBusyError(f"The copy of {table.name} was removed meanwhile.", "Call again: it is made anew.")
        elif table.members:
            relation = folder_relation(table, connection, lambda member: relation_of(member, connection, limits))
        else:
            relation = relation_for(table, connection, cache, whole=_key(table) in _read_whole)
    except (duckdb.Error, UnicodeError, *PACKING_ERRORS) as error:
        raise unreadable(table, error) from error
    _relations[_key(table)] = relation
    while len(_relations) > _KEPT_RELATIONS:
        _relations.popitem(last=False)
    return relation


def relation_of_open(table: TableSpec) -> Relation:
    """Return how a table that a connection was made for is read."""
    return _relations[_key(table)]


@contextmanager
def scratch_connection(limits: EngineLimits) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection for statements of our own, closed behind the block."""
    connection = connect(limits)
    try:
        yield connection
    finally:
        connection.close()


def _key(table: TableSpec) -> str:
    """Tell versions of a table apart, and the file from its copy."""
    return f"{table.fingerprint}\0{table.copy}" + "".join(f"\0{member.copy}" for member in table.members)


def _is_there(relation: Relation) -> bool:
    return all(Path(path).exists() for path in relation.paths)


def _close(key: tuple[TableSpec, ...]) -> None:
    connection, _ = _connections.pop(key)
    connection.close()


def _set_of(tables: Sequence[TableSpec]) -> tuple[TableSpec, ...]:
    return tuple(sorted(tables, key=lambda table: table.name))


def _create_view(table: TableSpec, relation: Relation, connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute(f"CREATE VIEW {identifier(table.name)} AS FROM {relation.sql}")
    except duckdb.Error as error:
        raise unreadable(table, error) from error


def unreadable(table: TableSpec, error: Exception) -> ContextError:
    """Tell why a table's file can't be read."""
    if isinstance(error, duckdb.InterruptException):
        return DeadlineExceededError(
            f"Reading {table.name} for the first time took longer than the limit.", "Raise tables.deadline_seconds."
        )
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
    elif isinstance(error, duckdb.OutOfMemoryException):
        return explain(error, "")
    else:
        reason = explain(error, "").message if isinstance(error, duckdb.Error) else str(error)
    file = Path(table.path).name
    return UnreadableSourceError(
        f"{file!r} can't be read as {table.format}: {reason.splitlines()[0][:300]}", "Check the file, or leave it out."
    )


def connect(limits: EngineLimits) -> duckdb.DuckDBPyConnection:
    """Make a connection that is not locked yet: for statements of our own only."""
    return duckdb.connect(
        config={
            "memory_limit": f"{limits.memory_mb}MB",
            "threads": limits.threads,
            "max_execution_time": int(limits.deadline_seconds * 1000),
            "max_temp_directory_size": f"{limits.max_spill_mb}MB",
            "temp_directory": work_folder(limits),
            "errors_as_json": True,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_unsigned_extensions": False,
            "allow_persistent_secrets": False,
            "allow_unredacted_secrets": False,
            "allow_extension_repositories": "forbidden",
            "enable_external_file_cache": False,
        }
    )


_spill: list[str] = []


def work_folder(limits: EngineLimits) -> str:
    """Make this process's own folder for passing files, and clear away those of processes that are gone."""
    if not _spill or not Path(_spill[0]).is_dir():
        _spill.clear()
        base = Path(limits.cache_dir) / "spill"
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in base.iterdir():
            owner = old.name.partition("-")[0]
            if owner.isdigit() and not _alive(int(owner)):
                shutil.rmtree(old, ignore_errors=True)
        _spill.append(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=base))
    return _spill[0]


def _alive(pid: int) -> bool:
    """Tell whether a process is there; where that can't be asked safely (Windows), assume so."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there but not ours to signal
        return True
    return True
