"""Model table writer: the rows as they were kept, and beside each what was found in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.cache import Cache
from mcp_context_resources.tables.duckdb_engine.connections import scratch_connection
from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names
from mcp_context_resources.tables.duckdb_engine.loaders.python_values import as_array
from mcp_context_resources.tables.model_tables.journal import Finding, Journal, value_of
from mcp_context_resources.tables.model_tables.spec import KIND, NOT_DONE, PROBLEM, MapMade, MapWork
from mcp_context_resources.tables.quoting import exact_path, identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from mcp_context_resources.tables.model_tables.journal import Kept
    from mcp_context_resources.tables.model_tables.spec import MapColumn
    from mcp_context_resources.tables.spec import EngineLimits
    from mcp_context_resources.workers.job import Job

_AT_ONCE: Final = 2_000
_NUMBERS_AT_ONCE: Final = 2_000_000
_NUMBER: Final = "<f4"
_NUMBER_BYTES: Final = 4


def write_map(job: Job, work: MapWork, limits: EngineLimits) -> MapMade:
    """Join rows with what the journal says of their texts, in the order of the rows, into a new file of the cache.

    A value that its column can't hold is null, and the row's problem says so.
    """
    folder = Path(limits.cache_dir) / KIND
    wanted = {key for key in work.keys if key is not None}
    cache = Cache(Path(limits.cache_dir), KIND, limits.max_cache_bytes)
    with (
        Journal(folder / work.journal).kept(wanted) as kept,
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
        dimensions = _dimensions(work, kept)
        at_once = max(1, min(_AT_ONCE, _NUMBERS_AT_ONCE // max([1, *dimensions.values()])))
        for start in range(0, len(work.keys), at_once):
            keys = work.keys[start : start + at_once]
            _insert(connection, work, [_finding(key, kept, work.problems) for key in keys], dimensions)
        connection.execute(
            f"COPY (SELECT * FROM {rows} POSITIONAL JOIN found) TO {quoted(str(target))}"
            " (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
        )
        size = target.stat().st_size
        missing = {key for key in wanted if key not in kept and key not in work.problems}
    return MapMade(tuple(names), size, tuple(sorted(missing)), sum(key in missing for key in work.keys))


def _finding(key: str | None, kept: Kept, problems: dict[str, str]) -> Finding:
    if key is None:
        return Finding({})
    return kept.get(key) or Finding({}, problems.get(key, NOT_DONE))


def _dimensions(work: MapWork, kept: Kept) -> dict[str, int]:
    """Return how long the vectors of each column of vectors are, which the first one tells."""
    found: dict[str, int] = {}
    vectors = {column.name for column in work.columns if column.vectors}
    for key in work.keys:
        if not vectors - found.keys():
            break
        finding = None if key is None else kept.get(key)
        if finding is None:
            continue
        for name in vectors - found.keys():
            if (vector := _vector(finding.values.get(name))) is not None:
                found[name] = len(vector) // _NUMBER_BYTES
    return found


def _insert(
    connection: duckdb.DuckDBPyConnection, work: MapWork, findings: Sequence[Finding], dimensions: dict[str, int]
) -> None:
    arrays: dict[str, Any] = {}
    selected: list[str] = []
    unfit: list[str] = []
    for place, column in enumerate(work.columns):
        given = f"c{place}"
        values = [value_of(column, finding) for finding in findings]
        if column.vectors:
            size = dimensions.get(column.name, 0)
            arrays |= _vectors(given, values, size)
            numbers = ", ".join(f"{given}_{number}" for number in range(size))
            read = f"CASE WHEN {given} = 2 THEN [{numbers}]::{column.type} END"
            fits = f"{given} <> 1"
        else:
            arrays[given] = as_array([_cell(value) for value in values], "VARCHAR")
            read = _read(column, given)
            fits = f"({given} IS NULL OR {read} IS NOT NULL)"
            if column.type.endswith("[]"):  # an element that can't be cast is null in its list
                arrays[f"{given}_count"] = as_array([_count(value) for value in values], "BIGINT")
                fits = f"({given} IS NULL OR list_count({read}) = {given}_count)"
        selected.append(read)
        says = f"{column.name} can't be held by a column of type {column.type}."
        unfit.append(f"WHEN ({fits}) IS NOT true THEN {quoted(says)}")
    arrays[PROBLEM] = as_array([finding.problem or None for finding in findings], "VARCHAR")
    problem = f"CASE WHEN {PROBLEM} IS NOT NULL THEN {PROBLEM} {' '.join(unfit)} END"
    connection.register("chunk", arrays)
    try:
        connection.execute(f"INSERT INTO found SELECT {', '.join([*selected, problem])} FROM chunk")
    finally:
        connection.unregister("chunk")


def _vectors(name: str, values: Sequence[Any], size: int) -> dict[str, Any]:
    """Hand vectors over as a column for each dimension, and one that tells: 2 a vector, 1 none that fits, 0 null."""
    import numpy as np

    numbers = np.zeros((size, len(values)), "=f4")
    states = np.zeros(len(values), np.int8)
    for row, value in enumerate(values):
        if value is None:
            continue
        vector = _vector(value)
        if vector is None or not size or len(vector) != size * _NUMBER_BYTES:
            states[row] = 1
            continue
        states[row] = 2
        numbers[:, row] = np.frombuffer(vector, _NUMBER)
    return {name: states} | {f"{name}_{number}": numbers[number] for number in range(size)}


def _vector(value: Any) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except ValueError:
        return None


def _count(value: Any) -> int:
    return sum(part is not None for part in value) if isinstance(value, list) else 0


def _cell(value: Any) -> str | None:
    """Write a value of the journal as the text that is cast to its type."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _read(column: MapColumn, name: str) -> str:
    nested = any(mark in column.type for mark in "[(")
    given = f"TRY_CAST({name} AS JSON)" if nested else name
    return f"TRY_CAST({given} AS {column.type})"
