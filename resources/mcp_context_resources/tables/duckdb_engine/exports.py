"""Exports: whole results as files. The result of a statement is kept once, written out and shown from."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from mcp_context_resources.cache import Cache
from mcp_context_resources.errors import InvalidInputError, SqlRefusedError
from mcp_context_resources.tables.duckdb_engine.connections import despite_samples, locked_connection
from mcp_context_resources.tables.duckdb_engine.embed_function import define_embed
from mcp_context_resources.tables.duckdb_engine.statements import (
    columns_of,
    one_version,
    translated,
    written_out,
)
from mcp_context_resources.tables.quoting import identifier, quoted
from mcp_context_resources.tables.result_rows import fetch_rows
from mcp_context_resources.tables.spec import Exported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp_context_resources.tables.spec import EngineLimits, Export, Fetch, Fetched, Statement, TableSpec
    from mcp_context_resources.workers.job import Job

_OPTIONS: Final = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


def export(
    job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, wanted: Export, limits: EngineLimits
) -> tuple[Fetched, Exported]:
    """Run an admitted statement, write its whole result to a file of the cache, and fetch its first rows.

    Raises what `engine.query` raises, and `InvalidInputError` when the file would outgrow its limit.
    """
    if statement.explain:
        raise SqlRefusedError("A plan can't be saved.", "Save the result of the query itself.")
    started = time.perf_counter()
    with one_version(tables):
        fetched, exported = despite_samples(tables, lambda: _export(job, statement, tables, fetch, wanted, limits))
    fetched.seconds = time.perf_counter() - started
    return fetched, exported


@contextmanager
def result_table(
    job: Job,
    statement: Statement,
    tables: Sequence[TableSpec],
    limits: EngineLimits,
    target: Path,
    *,
    max_rows: int | None = None,
    skip_unreadable: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Run an admitted statement and keep its rows (the first `max_rows`) in the temporary table `result`.

    Its connection, open while the block runs, may write the one file `target`; the gate lets no statement write at all.
    Tables that can't be read are passed over where `skip_unreadable`, else an error.
    """
    connection, _ = locked_connection(job, tables, limits, skip_unreadable=skip_unreadable, writable=[str(target)])
    with (
        connection,
        translated(job, statement.sql),
        job.interruptible(connection.interrupt, connection.query_progress),
    ):
        define_embed(connection, statement.vectors)
        sql = written_out(connection, statement)
        blanks = " " * (len(sql.encode()) + 1)
        most, limit = ("", []) if max_rows is None else (" LIMIT $2", [max_rows])
        connection.execute(f"{blanks}CREATE TEMP TABLE result AS SELECT * FROM query($1){most}", [sql, *limit])
        yield connection


def _export(
    job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, wanted: Export, limits: EngineLimits
) -> tuple[Fetched, Exported]:
    cache = Cache(Path(limits.cache_dir), "results", limits.max_cache_bytes)
    with cache.place(wanted.name) as target:
        with result_table(job, statement, tables, limits, target) as connection:
            with _files_up_to(wanted.max_bytes):
                _write(connection, target, wanted)
            rows = (connection.execute("SELECT count(*) FROM result").fetchone() or (0,))[0]
            connection.execute(f"SELECT * FROM result LIMIT {fetch.max_rows + 1}")
            fetched = fetch_rows(connection, columns_of(connection), fetch)
        return fetched, Exported(rows, target.stat().st_size)


def _write(connection: duckdb.DuckDBPyConnection, target: Path, wanted: Export) -> None:
    names = [name for name, *_ in connection.execute("DESCRIBE result").fetchall()]
    columns = ", ".join(identifier(name) for name in names)
    options = f"{_OPTIONS[wanted.format]}, USE_TMP_FILE false"
    try:
        connection.execute(f"COPY (SELECT {columns} FROM result) TO {quoted(str(target))} ({options})")
    except duckdb.IOException as error:
        raise InvalidInputError(
            f"The result does not fit: a saved result may have {wanted.max_bytes:,} bytes, and the disk must hold it.",
            "Aggregate or filter, save as parquet, or raise tables.max_result_bytes.",
        ) from error


@contextmanager
def _files_up_to(max_bytes: int) -> Iterator[None]:
    """Have the system refuse to let any file grow beyond `max_bytes`, where it can."""
    if sys.platform == "win32":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    most = max_bytes if before[1] == resource.RLIM_INFINITY else min(max_bytes, before[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
