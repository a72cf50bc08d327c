"""Types of text columns, found from all of their values: a type is taken only if it holds every one without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.tables.duckdb_engine.loaders.single_row import single_row
from mcp_context_resources.tables.quoting import identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

ALL_TYPES: Final = ("BOOLEAN", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMPTZ")
_TIME: Final = r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"
# A leading zero makes a code, not a number; more digits than a type holds would be rounded.
_PATTERNS: Final[dict[str, str]] = {
    "BOOLEAN": "(?i)true|false",
    "BIGINT": r"-?(0|[1-9]\d{0,18})",
    "DOUBLE": r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d{1,3})?",
    "DATE": r"\d{4}-\d{2}-\d{2}",
    "TIMESTAMP": rf"({_TIME}|\d{{4}}-\d{{2}}-\d{{2}})",
    "TIMESTAMPTZ": rf"{_TIME} ?(Z|[+-]\d{{2}}(:?\d{{2}})?)",
    "DECIMAL": r"-?\d{1,20}(\.\d{1,18})?",
}
_CASTS: Final = {"DECIMAL": "DECIMAL(38, 18)"}
_SAMPLE_ROWS: Final = 1_000
_LONGEST: Final = {"DOUBLE": 18}
_ANY_LENGTH: Final = 100


def settle_texts(connection: duckdb.DuckDBPyConnection, candidates: Mapping[str, Iterable[str]]) -> set[str]:
    """Retype text columns of `data`, each to the first of its candidate types that all its values fit.

    Empty texts are null then. Returns the columns that were retyped.
    """
    found = {
        name: _type_of(connection, name, kinds) for name, kinds in candidates.items() if _has_any(connection, name)
    }
    settled = {name: kind for name, kind in found.items() if kind}
    if settled:
        retyped = ", ".join(
            f"CAST(nullif(trim({identifier(name)}), '') AS {kind}) AS {identifier(name)}"
            for name, kind in settled.items()
        )
        connection.execute(f"CREATE OR REPLACE TABLE data AS SELECT * REPLACE ({retyped}) FROM data")
    return set(settled)


def _type_of(connection: duckdb.DuckDBPyConnection, name: str, candidates: Iterable[str]) -> str | None:
    for kind in _fitting(connection, name, candidates, f"(SELECT {identifier(name)} FROM data LIMIT {_SAMPLE_ROWS})"):
        if _fitting(connection, name, [kind], "data"):
            return _with_scale(connection, name) if kind == "DECIMAL" else kind
    return None


def _fitting(connection: duckdb.DuckDBPyConnection, name: str, candidates: Iterable[str], rows: str) -> list[str]:
    """Return the types that hold every value of some rows; all of them where there is no value."""
    kinds, value = list(candidates), f"nullif(trim({identifier(name)}), '')"
    fitting = ", ".join(
        f"count(*) FILTER (regexp_full_match({value}, {quoted(_PATTERNS[kind])})"
        f" AND length({value}) <= {_LONGEST.get(kind, _ANY_LENGTH)} AND try_cast({value} AS {_CASTS.get(kind, kind)})"
        " IS NOT NULL)"
        for kind in kinds
    )
    filled, *numbers = single_row(connection, f"SELECT count({value}), {fitting} FROM {rows}")
    return [kind for kind, number in zip(kinds, numbers, strict=True) if number == filled]


def _with_scale(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    [scale] = single_row(connection, f"SELECT max(length(split_part(trim({identifier(name)}), '.', 2))) FROM data")
    return f"DECIMAL(38, {scale or 0})"


def _has_any(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    [found] = single_row(connection, f"SELECT EXISTS (FROM data WHERE trim({identifier(name)}) <> '')")
    return bool(found)
