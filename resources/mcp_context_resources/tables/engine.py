"""The SQL engine inside a worker process: one locked in-memory DuckDB for each set of table versions.

The settings follow DuckDB's "Securing DuckDB" guide. Files are opened through views over an allow-list of exact
paths, then external access is switched off and the configuration locked, before any caller's SQL runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from mcp_context_resources.cache import Cache
from mcp_context_resources.errors import ContextError, DeadlineExceededError, StaleCursorError, UnreadableSourceError
from mcp_context_resources.tables.readers import Relation, identifier, quoted, relation_for
from mcp_context_resources.tables.spec import Column, ColumnProfile, Fetch, Fetched, Profile, RowCount, Statement
from mcp_context_resources.tables.sql_errors import explain
from mcp_context_resources.tables.values import CellCutter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.job import Job

_KEPT_CONNECTIONS: Final = 4
_KEPT_RELATIONS: Final = 2_000
_BATCH_ROWS: Final = 1_000
_PROFILED_COLUMNS: Final = 200
_COUNTED_BYTES: Final = 16 << 20
_COUNTING_SECONDS: Final = 3.0

_connections: OrderedDict[tuple[tuple[str, str, str], ...], duckdb.DuckDBPyConnection] = OrderedDict()
_relations: OrderedDict[str, Relation] = OrderedDict()


def query(job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, limits: EngineLimits) -> Fetched:
    """Run one admitted statement and fetch the rows asked for.

    Raises `SqlError`, `UnreadableSourceError`, `DeadlineExceededError`, `StaleCursorError`.
    """
    started = time.perf_counter()
    sql = statement.sql
    cursor = _connection(job, tables, limits, skip_unreadable=statement.every_table).cursor()
    with _translated(job, sql), job.interruptible(cursor.interrupt):
        # One row more than wanted tells whether there are more.
        cursor.execute("SELECT * FROM query($1) LIMIT $2", [sql, fetch.skip + fetch.max_rows + 1])
        result = _fetch(cursor, fetch)
    result.seconds = time.perf_counter() - started
    return result


def profile(job: Job, table: TableSpec, example_rows: int, max_cell_chars: int, limits: EngineLimits) -> Profile:
    """Describe a table: rows, and for each column its type, nulls, distinct values, range; and its first rows.

    Columns beyond the first 200 are listed with their type only, and a note says so.
    """
    cursor = _connection(job, [table], limits).cursor()
    name = identifier(table.name)
    with _translated(job, ""), job.interruptible(cursor.interrupt):
        described = cursor.execute(f"DESCRIBE {name}").fetchall()
        cutter = CellCutter(max_cell_chars)
        rows = cursor.execute(f"SELECT * FROM {name} LIMIT {int(example_rows)}").fetchall()
        examples = [cutter.row(row) for row in rows]
        measured = described[:_PROFILED_COLUMNS]
        aggregates = ["count(*)"]
        for column, *_ in measured:
            quoted_name = identifier(column)
            aggregates += [f"count({quoted_name})", f"approx_count_distinct({quoted_name})"]
            aggregates += [f"left(min({quoted_name})::VARCHAR, 80)", f"left(max({quoted_name})::VARCHAR, 80)"]
        counted = cursor.execute(f"SELECT {', '.join(aggregates)} FROM {name}").fetchone() or (0,)
    return Profile(
        rows=counted[0],
        columns=_profiles(described, counted),
        examples=examples,
        encoding=_relations[table.fingerprint].encoding,
        notes=[f"Only the first {len(measured)} columns were measured."] if len(described) > len(measured) else [],
    )


def count_rows(job: Job, tables: Sequence[TableSpec], limits: EngineLimits) -> list[RowCount]:
    """Count the rows of each table: exactly for Parquet and files up to 16 MB, not at all for larger ones.

    A file that can't be read becomes a `problem`, not an error. What is left when three seconds are over is unknown.
    """
    ends = time.monotonic() + _COUNTING_SECONDS
    counts = []
    for table in tables:
        large = table.format != "parquet" and Path(table.path).stat().st_size > _COUNTED_BYTES
        if large or time.monotonic() > ends:
            counts.append(RowCount(None, unknown=True))
            continue
        try:
            cursor = _connection(job, [table], limits).cursor()
            with _translated(job, ""), job.interruptible(cursor.interrupt):
                row = cursor.execute(f"SELECT count(*) FROM {identifier(table.name)}").fetchone()
            counts.append(RowCount(row[0] if row else 0))
        except (ContextError, OSError) as error:
            counts.append(RowCount(None, problem=str(error).splitlines()[0]))
    return counts


def _profiles(described: Sequence[tuple[Any, ...]], counted: Sequence[Any]) -> list[ColumnProfile]:
    columns = []
    for position, (column, kind, *_) in enumerate(described):
        values = counted[1 + 4 * position : 5 + 4 * position]
        if not values:
            columns.append(ColumnProfile(column, kind, -1, -1, None, None))
            continue
        filled, distinct, minimum, maximum = values
        columns.append(ColumnProfile(column, kind, counted[0] - filled, min(distinct, filled), minimum, maximum))
    return columns


def _fetch(cursor: duckdb.DuckDBPyConnection, fetch: Fetch) -> Fetched:
    columns = [Column(name, str(kind)) for name, kind, *_ in cursor.description or ()]
    result = Fetched(columns)
    digest = _skip(cursor, fetch)
    cutter = CellCutter(fetch.max_cell_chars)
    chars = 0
    while batch := cursor.fetchmany(min(_BATCH_ROWS, fetch.max_rows + 1 - len(result.rows))):
        for row in batch:
            if len(result.rows) == fetch.max_rows or chars > fetch.max_chars:
                result.more, result.cells_cut = True, cutter.cut
                return result
            digest = _chain(digest, row)
            values = cutter.row(row)
            chars += sum(len(str(value)) for value in values) + len(values)
            result.rows.append(values)
            result.digests.append(digest)
    result.cells_cut = cutter.cut
    return result


def _skip(cursor: duckdb.DuckDBPyConnection, fetch: Fetch) -> str:
    """Pass over the rows already delivered, and make sure that they are still the same ones."""
    digest, left = "", fetch.skip
    while left and (batch := cursor.fetchmany(min(_BATCH_ROWS, left))):
        left -= len(batch)
        for row in batch:
            digest = _chain(digest, row)
    if digest != fetch.skip_digest:
        raise StaleCursorError(
            "The rows no longer come in the order in which the earlier ones were read.",
            "Add an ORDER BY that decides every tie, and start again without a cursor.",
        )
    return digest


def _chain(digest: str, row: tuple[Any, ...]) -> str:
    return hashlib.blake2b(f"{digest}{row!r}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@contextlib.contextmanager
def _translated(job: Job, sql: str) -> Iterator[None]:
    try:
        yield
    except ContextError:
        raise
    except duckdb.InterruptException as error:
        raise DeadlineExceededError(
            f"The statement was stopped after its limit of {job.deadline_seconds:g} s.",
            "Filter or aggregate more, or raise tables.deadline_seconds.",
        ) from error
    except duckdb.Error as error:
        raise explain(error, sql) from error


def _connection(
    job: Job, tables: Sequence[TableSpec], limits: EngineLimits, *, skip_unreadable: bool = False
) -> duckdb.DuckDBPyConnection:
    """Return the locked connection for exactly these versions of these tables, made on first use.

    An unreadable table is an error where it was named, and left out where a statement is about all tables.
    """
    key = tuple(sorted((table.name, table.path, table.fingerprint) for table in tables))
    if key in _connections:
        _connections.move_to_end(key)
        return _connections[key]
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
        relation = relation_for(table, connection, cache)
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
    if not _spill:
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
