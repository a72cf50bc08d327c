"""Model table rows: those to be mapped, kept in a file, and their texts."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.cache import Cache
from mcp_context_resources.cut_text import first_names
from mcp_context_resources.errors import InvalidInputError, SqlRefusedError
from mcp_context_resources.tables.duckdb_engine.connections import despite_samples, scratch_connection
from mcp_context_resources.tables.duckdb_engine.exports import result_table
from mcp_context_resources.tables.duckdb_engine.loaders.python_values import as_array
from mcp_context_resources.tables.duckdb_engine.statements import one_version
from mcp_context_resources.tables.model_tables.spec import KIND, RowsWanted, TakenRows
from mcp_context_resources.tables.quoting import identifier, quoted
from mcp_context_resources.tables.spec import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from mcp_context_resources.tables.spec import EngineLimits, Statement, TableSpec
    from mcp_context_resources.workers.job import Job

MAX_TEXT_CHARS: Final = 100_000_000
"""Most characters of all texts of one mapping together."""

_FETCHED: Final = 1_000
_NAMED: Final = 8
_NESTED: Final = frozenset({"struct", "tuple", "list", "array", "map"})
_IN_BRACES: Final = re.compile(r"\{([^{}\n]{1,200})\}")
# What Parquet has no like for, or would round.
_KEPT_AS_TEXT: Final = frozenset(
    {"hugeint", "uhugeint", "bignum", "bit", "interval", "time with time zone", "union", "variant"}
)


def take_rows(
    job: Job, statement: Statement, tables: Sequence[TableSpec], wanted: RowsWanted, limits: EngineLimits
) -> TakenRows:
    """Run an admitted statement, keep its rows in a file of the cache, and return their texts.

    Raises what `engine.query` raises, and `InvalidInputError` for a column that isn't there or can't be told.
    """
    if statement.explain:
        raise SqlRefusedError("A plan has no rows to map.", "Give the query itself.")
    with one_version(tables):
        return despite_samples(tables, lambda: _take(job, statement, tables, wanted, limits))


def _take(
    job: Job, statement: Statement, tables: Sequence[TableSpec], wanted: RowsWanted, limits: EngineLimits
) -> TakenRows:
    cache = Cache(Path(limits.cache_dir), KIND, limits.max_cache_bytes)
    most, lenient = wanted.max_rows + 1, statement.every_table
    with (
        cache.place(wanted.file) as target,
        result_table(job, statement, tables, limits, target, max_rows=most, skip_unreadable=lenient) as connection,
    ):
        return _keep(connection, target, wanted)


def keep_rows(_job: Job, columns: dict[str, list[Any]], wanted: RowsWanted, limits: EngineLimits) -> TakenRows:
    """Keep rows that were given, column by column, texts and whole numbers; see `take_rows`."""
    cache = Cache(Path(limits.cache_dir), KIND, limits.max_cache_bytes)
    with cache.place(wanted.file) as target, scratch_connection(limits) as connection:
        kinds = {
            name: "BIGINT" if any(isinstance(value, int) for value in values) else "VARCHAR"
            for name, values in columns.items()
        }
        connection.execute("SET pandas_analyze_sample = 0")
        connection.register("given", {name: as_array(values, kinds[name]) for name, values in columns.items()})
        selected = ", ".join(f"{identifier(name)}::{kind} AS {identifier(name)}" for name, kind in kinds.items())
        connection.execute(f"CREATE TEMP TABLE result AS SELECT {selected} FROM given LIMIT {wanted.max_rows + 1}")
        return _keep(connection, target, wanted)


def _keep(connection: duckdb.DuckDBPyConnection, target: Path, wanted: RowsWanted) -> TakenRows:
    described = connection.execute("DESCRIBE result").fetchall()
    columns = tuple(Column(name, str(kind)) for name, kind, *_ in described)
    named = _text_columns(columns, wanted)
    (count,) = connection.execute("SELECT count(*) FROM result").fetchone() or (0,)
    texts, places, beyond = _texts(connection, named, wanted)
    kinds = [kind for _, kind, *_ in connection.execute("FROM result LIMIT 0").description or ()]
    kept = ", ".join(_kept(column.name, kind) for column, kind in zip(columns, kinds, strict=True))
    connection.execute(
        f"COPY (SELECT {kept} FROM result LIMIT {wanted.max_rows}) TO {quoted(str(target))}"
        " (FORMAT parquet, USE_TMP_FILE false)"
    )
    return TakenRows(columns, named, tuple(texts), tuple(places), tuple(beyond), more=count > wanted.max_rows)


def _kept(column: str, kind: Any) -> str:
    name = identifier(column)
    return f"{name}::VARCHAR AS {name}" if _is_kept_as_text(kind) else name


def _is_kept_as_text(kind: Any) -> bool:
    if kind.id in _KEPT_AS_TEXT:
        return True
    parts = kind.children if kind.id in _NESTED else ()
    return any(_is_kept_as_text(part) for _, part in parts if hasattr(part, "id"))


def _text_columns(columns: Sequence[Column], wanted: RowsWanted) -> tuple[str, ...]:
    by_key: dict[str, str] = {}
    # SQL tells names apart that differ by more than ASCII case: one as it was written comes first.
    for key in (str, _ascii_lower, str.casefold):
        for column in columns:
            by_key.setdefault(key(column.name), column.name)

    def named(name: str) -> str | None:
        return by_key.get(name) or by_key.get(_ascii_lower(name)) or by_key.get(name.casefold())

    for name in wanted.columns:
        if named(name) is None:
            near = difflib.get_close_matches(name.casefold(), by_key, n=1, cutoff=0.5)
            known = first_names([column.name for column in columns], _NAMED)
            raise InvalidInputError(
                f"The rows have no column {name!r}.", f"Did you mean {by_key[near[0]]!r}?" if near else f"Take {known}."
            )
    if wanted.columns:
        return tuple(filter(None, map(named, wanted.columns)))
    if in_prompt := tuple(dict.fromkeys(filter(None, map(named, _IN_BRACES.findall(wanted.prompt))))):
        return in_prompt
    texts = [column.name for column in columns if column.type == "VARCHAR"]
    if len(columns) == 1 or len(texts) == 1:
        return (texts[0] if texts else columns[0].name,)
    if not texts:
        raise InvalidInputError(
            "None of the columns holds text.",
            f"Say which one to map with column: {first_names([column.name for column in columns], _NAMED)}.",
        )
    raise InvalidInputError(
        f"{len(texts)} columns hold text: {first_names(texts, _NAMED)}.", "Say which one to map with column."
    )


def _texts(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], wanted: RowsWanted
) -> tuple[list[str], list[int | None], list[int]]:
    """Return the distinct texts, the position of each row's among them, and those of which there is more."""
    most = wanted.max_text_chars
    cells = ", ".join(f"left({identifier(name)}::VARCHAR, {most + 1})" for name in names)
    connection.execute(f"SELECT {cells} FROM result LIMIT {wanted.max_rows}")
    known: dict[str, int] = {}
    places: list[int | None] = []
    beyond: dict[int, None] = {}
    chars = 0
    while rows := connection.fetchmany(_FETCHED):
        for row in rows:
            text = _joined(names, row)
            if not text.strip():
                places.append(None)
                continue
            taken = text[:most]
            if taken not in known:
                known[taken] = len(known)
                chars += len(taken)
            places.append(known[taken])
            if len(text) > most:
                beyond[known[taken]] = None
        if chars > MAX_TEXT_CHARS:
            raise InvalidInputError(
                f"The rows have more than {MAX_TEXT_CHARS:,} characters of text.", "Map fewer rows at a time."
            )
    return list(known), places, list(beyond)


def _joined(names: Sequence[str], row: Sequence[str | None]) -> str:
    """Write a row as the model reads it: of several columns a line each, with its name."""
    if len(names) == 1:
        return row[0] or ""
    return "\n".join(f"{name}: {cell}" for name, cell in zip(names, row, strict=True) if cell and cell.strip())


def _ascii_lower(name: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in name)
