"""The SQL engine inside a worker process: statements over locked connections, and tables described."""

from __future__ import annotations

import contextlib
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import duckdb

from mcp_context_resources.errors import ContextError, DeadlineExceededError, SqlError, StaleCursorError
from mcp_context_resources.tables.connections import connection_for, forget_samples, relation_of
from mcp_context_resources.tables.readers import identifier
from mcp_context_resources.tables.spec import Column, ColumnProfile, Fetch, Fetched, Profile, RowCount, Statement
from mcp_context_resources.tables.sql_errors import explain
from mcp_context_resources.tables.values import CellCutter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.job import Job

T = TypeVar("T")

_BATCH_ROWS: Final = 1_000
_PROFILED_COLUMNS: Final = 200
_COUNTED_BYTES: Final = 16 << 20
_PACKED_TO: Final = 20
# Types whose values Python's own can't hold exactly: a month has no number of days.
_ROUNDED_BY_PYTHON: Final = frozenset({"INTERVAL", "TIMESTAMP_NS"})
_COUNTING_SECONDS: Final = 3.0
_HABIT_ROWS: Final = 10_000
_VALUE_NOTES: Final = 10
# Thousands separators, currency and percent signs: a pattern as SQL text.
_NUMBER_MARKS: Final = "'[, $€£¥￥%]'"


def query(job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, limits: EngineLimits) -> Fetched:
    """Run one admitted statement and fetch the rows asked for.

    Raises `SqlError`, `UnreadableSourceError`, `DeadlineExceededError`, `StaleCursorError`.
    """
    started = time.perf_counter()
    result = _despite_samples(tables, lambda: _query(job, statement, tables, fetch, limits))
    result.seconds = time.perf_counter() - started
    return result


def _despite_samples(tables: Sequence[TableSpec], read: Callable[[], T]) -> T:
    """Read; where a value far down contradicts types found from a sample, look at whole files and read once more."""
    try:
        return read()
    except SqlError as error:
        contradicted = "CSV Error" in error.message or "JSON transform error" in error.message
        if not contradicted or not forget_samples(tables):
            raise
    return read()


def _query(job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, limits: EngineLimits) -> Fetched:
    sql = statement.sql
    cursor = connection_for(job, tables, limits, skip_unreadable=statement.every_table).cursor()
    with _translated(job, sql), job.interruptible(cursor.interrupt):
        # One row more than wanted tells whether there are more. The blanks keep error positions in the wrapper apart
        # from those in the statement.
        blanks, most = " " * (len(sql.encode()) + 1), fetch.skip + fetch.max_rows + 1
        cursor.execute(f"{blanks}SELECT * FROM query($1) LIMIT $2", [sql, most])
        columns = [Column(name, str(kind)) for name, kind, *_ in cursor.description or ()]
        rounded = [identifier(column.name) for column in columns if column.type in _ROUNDED_BY_PYTHON]
        if rounded:
            exact = ", ".join(f"{name}::VARCHAR AS {name}" for name in rounded)
            cursor.execute(f"{blanks}SELECT * REPLACE ({exact}) FROM query($1) LIMIT $2", [sql, most])
        return _fetch(cursor, columns, fetch)


def profile(job: Job, table: TableSpec, example_rows: int, max_cell_chars: int, limits: EngineLimits) -> Profile:
    """Describe a table: rows, and for each column its type, nulls, distinct values, range; and its first rows.

    Columns beyond the first 200 are listed with their type only, and a note says so.
    """
    return _despite_samples([table], lambda: _profile(job, table, example_rows, max_cell_chars, limits))


def _profile(job: Job, table: TableSpec, example_rows: int, max_cell_chars: int, limits: EngineLimits) -> Profile:
    cursor = connection_for(job, [table], limits).cursor()
    name = identifier(table.name)
    with _translated(job, ""), job.interruptible(cursor.interrupt):
        described = cursor.execute(f"DESCRIBE FROM {name}").fetchall()
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
        value_notes = _value_notes(cursor, table, described)
    relation = relation_of(table)
    notes = [*relation.notes, *value_notes]
    if len(described) > len(measured):
        notes.append(f"Only the first {len(measured)} columns were measured.")
    return Profile(
        rows=counted[0],
        columns=_profiles(described, counted),
        examples=examples,
        encoding=relation.encoding,
        notes=notes,
    )


def _value_notes(
    cursor: duckdb.DuckDBPyConnection, table: TableSpec, described: Sequence[tuple[Any, ...]]
) -> list[str]:
    """Say what a reader of the values would get wrong: numbers kept as text, times shown in another zone."""
    notes = []
    if any("WITH TIME ZONE" in kind for _, kind, *_ in described):
        zone = cursor.execute("SELECT strftime(now(), '%Z')").fetchone() or ("",)
        notes.append(
            f"Times with an offset are shown in {zone[0] or 'UTC'}, dates taken from them too; for another zone write"
            " timezone('Asia/Tokyo', column)."
        )
    texts = [column for column, kind, *_ in described[:_PROFILED_COLUMNS] if kind == "VARCHAR"]
    if not texts:
        return notes
    counts = ", ".join(
        f"count(try_cast(regexp_replace({identifier(column)}, {_NUMBER_MARKS}, '', 'g') AS DOUBLE)),"
        f" count(nullif(trim({identifier(column)}), ''))"
        for column in texts
    )
    # The first rows show the habit of the whole column.
    sample = f"(SELECT * FROM {identifier(table.name)} LIMIT {_HABIT_ROWS})"
    found = cursor.execute(f"SELECT {counts} FROM {sample}").fetchone() or ()
    for column, numbers, filled in zip(texts, found[::2], found[1::2], strict=True):
        if filled and numbers * 2 > filled:
            notes.append(
                f"{column} is text though {numbers} of its first {filled} values are numbers: compare and sum it as"
                f" try_cast(regexp_replace({identifier(column)}, {_NUMBER_MARKS}, '', 'g') AS DOUBLE)."
            )
    return notes[:_VALUE_NOTES]


def count_rows(job: Job, tables: Sequence[TableSpec], limits: EngineLimits) -> list[RowCount]:
    """Count the rows of each table: exactly for Parquet and files up to 16 MB, not at all for larger ones.

    A file that can't be read becomes a `problem`, not an error. What is left when three seconds are over is unknown.
    """
    ends = time.monotonic() + _COUNTING_SECONDS
    counts = []
    for table in tables:
        try:
            if time.monotonic() > ends or not _is_quick_to_count(table):
                counts.append(RowCount(None, unknown=True))
                continue
            cursor = connection_for(job, [table], limits).cursor()
            with _translated(job, ""), job.interruptible(cursor.interrupt):
                row = cursor.execute(f"SELECT count(*) FROM {identifier(table.name)}").fetchone()
            counts.append(RowCount(row[0] if row else 0))
        except ContextError as error:
            counts.append(RowCount(None, problem=error.message.splitlines()[0]))
        except OSError as error:
            counts.append(RowCount(None, problem=error.strerror or "unreadable"))
    return counts


def _is_quick_to_count(table: TableSpec) -> bool:
    size = Path(table.path).stat().st_size
    packed = table.path.lower().endswith((".gz", ".zst"))
    return table.format == "parquet" or size * (_PACKED_TO if packed else 1) <= _COUNTED_BYTES


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


def _fetch(cursor: duckdb.DuckDBPyConnection, columns: list[Column], fetch: Fetch) -> Fetched:
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
