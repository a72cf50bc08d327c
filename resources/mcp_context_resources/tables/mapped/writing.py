"""Writing a mapped table, inside a worker: the rows as they were kept, and beside each what was found in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.cache import Cache
from mcp_context_resources.tables.connections import scratch_connection
from mcp_context_resources.tables.foreign.column_names import unique_names
from mcp_context_resources.tables.foreign.python_values import as_array
from mcp_context_resources.tables.mapped.journal import Finding, Journal, value_of
from mcp_context_resources.tables.mapped.spec import KIND, NOT_DONE, PROBLEM, MapMade, MapWork
from mcp_context_resources.tables.quoting import exact_path, identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from mcp_context_resources.tables.mapped.spec import MapColumn
    from mcp_context_resources.tables.spec import EngineLimits
    from mcp_context_resources.workers.job import Job

_AT_ONCE: Final = 2_000


def write_map(job: Job, work: MapWork, limits: EngineLimits) -> MapMade:
    """Join rows with what the journal says of their texts, in the order of the rows, into a new file of the cache."""
    folder = Path(limits.cache_dir) / KIND
    wanted = {key for key in work.keys if key is not None}
    found = {key: finding for key, finding in Journal(folder / work.journal).read() if key in wanted}
    cache = Cache(Path(limits.cache_dir), KIND, limits.max_cache_bytes)
    with (
        cache.place(work.target) as target,
        scratch_connection(limits) as connection,
        job.interruptible(connection.interrupt, connection.query_progress),
    ):
        rows = f"read_parquet({quoted(exact_path(str(folder / work.rows)))})"
        own = [name for name, *_ in connection.execute(f"DESCRIBE FROM {rows}").fetchall()]
        names = unique_names([*own, *(column.name for column in work.columns), PROBLEM])[len(own) :]
        kinds = [*(column.type for column in work.columns), "VARCHAR"]
        columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in zip(names, kinds, strict=True))
        connection.execute(f"CREATE TEMP TABLE found ({columns})")
        connection.execute("SET pandas_analyze_sample = 0")
        for start in range(0, len(work.keys), _AT_ONCE):
            keys = work.keys[start : start + _AT_ONCE]
            _insert(connection, work, [_finding(key, found, work.problems) for key in keys])
        connection.execute(
            f"COPY (SELECT * FROM {rows} POSITIONAL JOIN found) TO {quoted(str(target))}"
            " (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
        )
        size = target.stat().st_size
    return MapMade(tuple(names), size)


def _finding(key: str | None, found: dict[str, Finding], problems: dict[str, str]) -> Finding:
    if key is None:
        return Finding({})
    return found.get(key) or Finding({}, problems.get(key, NOT_DONE))


def _insert(connection: duckdb.DuckDBPyConnection, work: MapWork, findings: Sequence[Finding]) -> None:
    arrays = {
        f"c{place}": as_array([_cell(column, value_of(column, finding)) for finding in findings], "VARCHAR")
        for place, column in enumerate(work.columns)
    }
    arrays["problem"] = as_array([finding.problem or None for finding in findings], "VARCHAR")
    selected = [_read(column, f"c{place}") for place, column in enumerate(work.columns)]
    connection.register("chunk", arrays)
    try:
        connection.execute(f"INSERT INTO found SELECT {', '.join([*selected, 'problem'])} FROM chunk")
    finally:
        connection.unregister("chunk")


def _cell(column: MapColumn, value: Any) -> str | None:
    """Write a value of the journal as the text that is cast to its type."""
    if value is None:
        return None
    if column.vectors:
        import numpy as np

        numbers = np.frombuffer(base64.b64decode(value), "<f4")
        return "[" + ",".join(map(str, numbers)) + "]"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _read(column: MapColumn, name: str) -> str:
    nested = not column.vectors and any(mark in column.type for mark in "[(")
    return f"{name}::JSON::{column.type}" if nested else f"{name}::{column.type}"
