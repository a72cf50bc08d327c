"""Statements, inside a worker process: run over locked connections, and their rows fetched."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

import duckdb

from mcp_context_resources.cut_text import first_names
from mcp_context_resources.errors import ContextError, DeadlineExceededError
from mcp_context_resources.tables.duckdb_engine import gate, pivot
from mcp_context_resources.tables.duckdb_engine.connections import connection_for, despite_samples, left_out
from mcp_context_resources.tables.duckdb_engine.embed_function import define_embed
from mcp_context_resources.tables.duckdb_engine.file_versions import check_unchanged
from mcp_context_resources.tables.duckdb_engine.sql_errors import explain, without_folders
from mcp_context_resources.tables.quoting import identifier
from mcp_context_resources.tables.result_rows import fetch_rows
from mcp_context_resources.tables.spec import Column, Fetch, Fetched, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.job import Job

_NAMED_MISSING: Final = 10
# Types whose values Python's own can't hold exactly: a month has no number of days.
_ROUNDED_BY_PYTHON: Final = frozenset({"INTERVAL", "TIMESTAMP_NS"})


def query(job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, limits: EngineLimits) -> Fetched:
    """Run one admitted statement and fetch the rows asked for.

    Raises `SqlError`, `UnreadableSourceError`, `DeadlineExceededError`, `StaleCursorError`.
    """
    started = time.perf_counter()
    with one_version(tables):
        result = despite_samples(tables, lambda: _query(job, statement, tables, fetch, limits))
    result.seconds = time.perf_counter() - started
    return result


@contextlib.contextmanager
def one_version(tables: Sequence[TableSpec]) -> Iterator[None]:
    """Make sure that what the block reads is of one version of each file, whether it ends well or with an error."""
    try:
        yield
    except ContextError:
        check_unchanged(tables)
        raise
    check_unchanged(tables)


def _query(job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, limits: EngineLimits) -> Fetched:
    cursor = connection_for(job, tables, limits, skip_unreadable=statement.every_table)
    with translated(job, statement.sql), job.interruptible(cursor.interrupt, cursor.query_progress):
        define_embed(cursor, statement.vectors)
        sql = written_out(cursor, statement)
        if statement.explain:
            return _explanation(cursor, statement.explain, sql, fetch)
        # One row more than wanted tells whether there are more. The blanks keep error positions in the wrapper apart
        # from those in the statement.
        blanks, most = " " * (len(sql.encode()) + 1), fetch.skip + fetch.max_rows + 1
        cursor.execute(f"{blanks}SELECT * FROM query($1) LIMIT $2", [sql, most])
        columns = columns_of(cursor)
        rounded = [identifier(column.name) for column in columns if column.type in _ROUNDED_BY_PYTHON]
        if rounded:
            exact = ", ".join(f"{name}::VARCHAR AS {name}" for name in rounded)
            cursor.execute(f"{blanks}SELECT * REPLACE ({exact}) FROM query($1) LIMIT $2", [sql, most])
        result = fetch_rows(cursor, columns, fetch)
    if missing := left_out(tables) if statement.every_table else ():
        result.notes.append(f"Left out because they can't be read: {first_names(missing, _NAMED_MISSING)}.")
    return result


def written_out(cursor: duckdb.DuckDBPyConnection, statement: Statement) -> str:
    """Return a statement with the values of its pivots filled in from the data, and judged once more."""
    if not statement.pivots:
        return statement.sql

    def look_up(sql: str) -> list[str]:
        gate.admit_again(sql)
        return [value for (value,) in cursor.execute("SELECT * FROM query($1)", [sql]).fetchall()]

    sql = pivot.with_values(statement.sql, look_up)
    gate.admit_again(sql)
    return sql


def _explanation(cursor: duckdb.DuckDBPyConnection, explain: str, sql: str, fetch: Fetch) -> Fetched:
    """Return a plan line by line; files are named without their folders."""
    plans = cursor.execute(f"{explain} SELECT * FROM query($1)", [sql]).fetchall()
    lines = [line for *_, plan in plans for line in without_folders(str(plan)).splitlines()]
    cursor.execute("SELECT unnest($1::VARCHAR[]) AS plan", [lines])
    return fetch_rows(cursor, columns_of(cursor), fetch)


def columns_of(cursor: duckdb.DuckDBPyConnection) -> list[Column]:
    """Return names and types of a result's columns."""
    return [Column(name, str(kind)) for name, kind, *_ in cursor.description or ()]


@contextlib.contextmanager
def translated(job: Job, sql: str) -> Iterator[None]:
    """Turn the engine's errors inside the block into ours; `sql` is what their positions are about."""
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
