"""Profiles: tables described, shape, columns, values, examples; and the rows of many tables counted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import ContextError
from mcp_context_resources.tables.duckdb_engine.connections import connection_for, despite_samples, relation_of_open
from mcp_context_resources.tables.duckdb_engine.join_partners import join_partners
from mcp_context_resources.tables.duckdb_engine.statements import one_version, translated
from mcp_context_resources.tables.json_values import CellCutter
from mcp_context_resources.tables.quoting import identifier
from mcp_context_resources.tables.spec import ColumnProfile, Profile, RowCount

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.job import Job

    Described = Sequence[tuple[Any, ...]]

_PROFILED_COLUMNS: Final = 200
# The engine sets memory aside for each column whose different values it counts, whatever the number of rows.
_MEASURED_AT_ONCE: Final = 50
# Up to so many cells a table is measured whole, beyond by a sample of its rows.
_WHOLE_CELLS: Final = 40_000_000
_SAMPLE_CELLS: Final = 2_000_000
_LEAST_SAMPLE: Final = 10_000
_COUNTED_BYTES: Final = 16 << 20
_PACKED_TO: Final = 20
_COUNTING_SECONDS: Final = 3.0
_VALUE_NOTES: Final = 10
_FREQUENT: Final = 5
_FREQUENT_COLUMNS: Final = 60
_SHOWN_CHARS: Final = 80
# Thousands separators, currency and percent signs: a pattern as SQL text.
_NUMBER_MARKS: Final = "'[, $€£¥￥%]'"
_SAMPLE: Final = "profiled_rows"


def profile(
    job: Job,
    table: TableSpec,
    others: Sequence[TableSpec],
    example_rows: int,
    max_cell_chars: int,
    limits: EngineLimits,
) -> Profile:
    """Describe a table: rows, its columns, its first rows, and which of the `others` it can be joined with.

    Columns beyond the first 200 are listed with their type only, and a note says so.
    """
    with one_version([table]):
        found = despite_samples([table], lambda: _profile(job, table, example_rows, max_cell_chars, limits))
    found.partners, notes = join_partners(job, table, found, others, limits)
    found.notes += notes
    return found


def _profile(job: Job, table: TableSpec, example_rows: int, max_cell_chars: int, limits: EngineLimits) -> Profile:
    cursor = connection_for(job, [table], limits)
    name = identifier(table.name)
    with translated(job, ""), job.interruptible(cursor.interrupt):
        described = cursor.execute(f"DESCRIBE FROM {name}").fetchall()
        cutter = CellCutter(max_cell_chars)
        examples = [
            cutter.row(row) for row in cursor.execute(f"SELECT * FROM {name} LIMIT {int(example_rows)}").fetchall()
        ]
        rows: int = (cursor.execute(f"SELECT count(*) FROM {name}").fetchone() or (0,))[0]
        measured = described[:_PROFILED_COLUMNS]
        whole = rows * len(measured) <= _WHOLE_CELLS
        sampled = _take_sample(cursor, name, rows, [column for column, *_ in measured])
        try:
            # Where the sample is all there is, the file need not be read again.
            columns = _measured(cursor, name if whole and sampled else _SAMPLE, measured, exact=not sampled)
            notes = _value_notes(cursor, described)
        finally:
            cursor.execute(f"DROP TABLE IF EXISTS {_SAMPLE}")
    relation = relation_of_open(table)
    if not whole:
        notes.insert(0, f"Nulls, distinct values, ranges and frequent values are of {sampled:,} rows chosen at random.")
    elif sampled:
        notes.insert(0, f"Frequent values are of {sampled:,} rows chosen at random.")
    if len(described) > len(measured):
        notes.append(f"Only the first {len(measured)} columns were measured.")
        columns += [ColumnProfile(column, kind) for column, kind, *_ in described[len(measured) :]]
    return Profile(
        rows=rows,
        columns=columns,
        examples=examples,
        encoding=relation.encoding,
        dialect=relation.dialect,
        notes=[*relation.notes, *notes],
        sampled=0 if whole else sampled,
    )


def _take_sample(cursor: duckdb.DuckDBPyConnection, name: str, rows: int, columns: Sequence[str]) -> int:
    """Keep rows in memory that values are looked up in; returns their number, 0 where they are all there are."""
    most = max(_LEAST_SAMPLE, _SAMPLE_CELLS // max(len(columns), 1))
    kept = ", ".join(identifier(column) for column in columns)
    cut = f" USING SAMPLE {most} ROWS (reservoir, 7)" if rows > most else ""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_SAMPLE} AS SELECT {kept} FROM {name}{cut}")
    return most if cut else 0


def _measured(
    cursor: duckdb.DuckDBPyConnection, relation: str, described: Described, *, exact: bool
) -> list[ColumnProfile]:
    columns: list[ColumnProfile] = []
    for first in range(0, len(described), _MEASURED_AT_ONCE):
        some = described[first : first + _MEASURED_AT_ONCE]
        rows, counted = _counted(cursor, relation, some, exact=exact)
        for (column, kind, *_), (filled, approximate, minimum, maximum, exactly) in zip(some, counted, strict=True):
            distinct = exactly if exactly >= 0 else min(approximate, filled)
            looked_up = len(columns) < _FREQUENT_COLUMNS
            frequent = _frequent(cursor, column, kind, distinct, filled) if looked_up else ()
            unique = exactly == rows > 1
            columns.append(
                ColumnProfile(column, kind, rows - filled, distinct, minimum, maximum, frequent, unique=unique)
            )
    return columns


def _counted(
    cursor: duckdb.DuckDBPyConnection, relation: str, described: Described, *, exact: bool
) -> tuple[int, list[tuple[Any, ...]]]:
    """Return the number of rows, and of each column the filled cells, about how many values, ends, how many values.

    The last is exact, -1 where that isn't counted.
    """
    aggregates = ["count(*)"]
    for column, kind, *_ in described:
        quoted_name = identifier(column)
        aggregates += [f"count({quoted_name})", f"approx_count_distinct({quoted_name})"]
        aggregates += [f"left({end}({quoted_name})::VARCHAR, {_SHOWN_CHARS})" for end in ("min", "max")]
        # Exact, so that a key is one; of nested values the approximate count will do.
        unique = exact and not any(mark in kind for mark in "([")
        aggregates.append(f"count(DISTINCT {quoted_name})" if unique else "-1")
    found = cursor.execute(f"SELECT {', '.join(aggregates)} FROM {relation}").fetchone() or (0,)
    return found[0], [found[start : start + 5] for start in range(1, len(found), 5)]


def _frequent(
    cursor: duckdb.DuckDBPyConnection, column: str, kind: str, distinct: int, filled: int
) -> tuple[tuple[str, int], ...]:
    """Return the most frequent values where values repeat so much that it tells something."""
    if distinct * 2 > filled or kind.endswith("]") or "(" in kind.replace("DECIMAL(", ""):
        return ()
    found = cursor.execute(
        f"SELECT v, count(*) FROM (SELECT left({identifier(column)}::VARCHAR, {_SHOWN_CHARS}) FROM {_SAMPLE}) AS s(v)"
        f" WHERE v IS NOT NULL GROUP BY v ORDER BY count(*) DESC, v LIMIT {_FREQUENT}"
    ).fetchall()
    return tuple((value, count) for value, count in found if count > 1)


def _value_notes(cursor: duckdb.DuckDBPyConnection, described: Described) -> list[str]:
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
    found = cursor.execute(f"SELECT {counts} FROM {_SAMPLE}").fetchone() or ()
    for column, numbers, filled in zip(texts, found[::2], found[1::2], strict=True):
        if filled and numbers * 2 > filled:
            notes.append(
                f"{column} is text though {numbers} of {filled} values looked at are numbers: compare and sum it as"
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
            cursor = connection_for(job, [table], limits)
            with translated(job, ""), job.interruptible(cursor.interrupt):
                row = cursor.execute(f"SELECT count(*) FROM {identifier(table.name)}").fetchone()
            counts.append(RowCount(row[0] if row else 0))
        except ContextError as error:
            counts.append(RowCount(None, problem=error.message.splitlines()[0]))
        except OSError as error:
            counts.append(RowCount(None, problem=error.strerror or "unreadable"))
    return counts


def _is_quick_to_count(table: TableSpec) -> bool:
    if table.copy or table.format == "parquet":
        return True
    paths = [member.path for member in table.members] or [table.path]
    sizes = (
        Path(path).stat().st_size * (_PACKED_TO if path.lower().endswith((".gz", ".zst")) else 1) for path in paths
    )
    return sum(sizes) <= _COUNTED_BYTES
