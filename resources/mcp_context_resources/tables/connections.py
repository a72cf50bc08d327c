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
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from mcp_context_resources.cache import Cache
from mcp_context_resources.errors import ContextError, DeadlineExceededError, UnreadableSourceError
from mcp_context_resources.tables.readers import Relation, identifier, quoted, relation_for
from mcp_context_resources.tables.sql_errors import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.job import Job

_KEPT_CONNECTIONS: Final = 4
_KEPT_RELATIONS: Final = 2_000

_connections: OrderedDict[tuple[tuple[str, str, str], ...], duckdb.DuckDBPyConnection] = OrderedDict()
_relations: OrderedDict[str, Relation] = OrderedDict()
_read_whole: set[str] = set()


def relation_of(table: TableSpec) -> Relation:
    """Return how a table with an open connection is read."""
    return _relations[table.fingerprint]


def forget_samples(tables: Sequence[TableSpec]) -> bool:
    """Have files of which only a sample was sniffed sniffed whole the next time; tells whether there are any."""
    sampled = {t.fingerprint for t in tables if t.fingerprint in _relations and _relations[t.fingerprint].sampled}
    for fingerprint in sampled:
        del _relations[fingerprint]
    _read_whole.update(sampled)
    for key in [key for key in _connections if any(fingerprint in sampled for _, _, fingerprint in key)]:
        _connections.pop(key).close()
    return bool(sampled)


def connection_for(
    job: Job, tables: Sequence[TableSpec], limits: EngineLimits, *, skip_unreadable: bool = False
) -> duckdb.DuckDBPyConnection:
    """Return the locked connection for exactly these versions of these tables, made on first use.

    An unreadable table is an error where it was named, and left out where a statement is about all tables.
    """
    key = tuple(sorted((table.name, table.path, table.fingerprint) for table in tables))
    if key in _connections:
        _connections.move_to_end(key)
        # A cached copy may have been evicted by another server.
        if all(Path(_relations[t.fingerprint].path).exists() for t in tables if t.fingerprint in _relations):
            return _connections[key]
        _connections.pop(key).close()
    connection = _connect(limits)
    try:
        with job.interruptible(connection.interrupt):
            paths = []
            for table in tables:
                try:
                    relation = _relation(table, connection, limits)
                    _create_view(table, relation, connection)
                except UnreadableSourceError:
                    if not skip_unreadable:
                        raise
                    continue
                paths.append(quoted(relation.path))
            connection.execute(f"SET allowed_paths=[{', '.join(paths)}]")
            # `x -> x + 1` is how lambdas are mostly written; the engine's newer spelling works as well.
            connection.execute("SET lambda_syntax='ENABLE_SINGLE_ARROW'")
            connection.execute("SET enable_external_access=false")
            connection.execute("SET lock_configuration=true")
    except BaseException:
        connection.close()
        raise
    _connections[key] = connection
    while len(_connections) > _KEPT_CONNECTIONS:
        _connections.popitem(last=False)[1].close()
    return connection


def _relation(table: TableSpec, connection: duckdb.DuckDBPyConnection, limits: EngineLimits) -> Relation:
    """Return how the file is read, worked out once for each version of it."""
    known = _relations.get(table.fingerprint)
    if known is not None and Path(known.path).exists():
        return known
    cache = Cache(Path(limits.cache_dir) / "utf8", limits.max_cache_bytes)
    try:
        relation = relation_for(table, connection, cache, whole=table.fingerprint in _read_whole)
    except (duckdb.Error, OSError, EOFError, UnicodeError) as error:
        raise _unreadable(table, error) from error
    _relations[table.fingerprint] = relation
    while len(_relations) > _KEPT_RELATIONS:
        _relations.popitem(last=False)
    return relation


def _create_view(table: TableSpec, relation: Relation, connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute(f"CREATE VIEW {identifier(table.name)} AS FROM {relation.sql}")
    except duckdb.Error as error:
        raise _unreadable(table, error) from error


def _unreadable(table: TableSpec, error: Exception) -> ContextError:
    if isinstance(error, duckdb.InterruptException):
        return DeadlineExceededError(
            f"Reading {table.name} for the first time took longer than the limit.", "Raise tables.deadline_seconds."
        )
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
    else:
        reason = explain(error, "").message if isinstance(error, duckdb.Error) else str(error)
    file = Path(table.path).name
    return UnreadableSourceError(
        f"{file!r} can't be read as {table.format}: {reason.splitlines()[0][:300]}", "Check the file, or leave it out."
    )


def _connect(limits: EngineLimits) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={
            "memory_limit": f"{limits.memory_mb}MB",
            "threads": limits.threads,
            "max_execution_time": int(limits.deadline_seconds * 1000),
            "max_temp_directory_size": f"{limits.max_spill_mb}MB",
            "temp_directory": _spill_folder(limits),
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


def _spill_folder(limits: EngineLimits) -> str:
    """Make this process's own spill folder, and clear away those of processes that are gone."""
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
