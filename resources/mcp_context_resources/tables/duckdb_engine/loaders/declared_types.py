"""Column types that SQLite only declares (its values don't follow them), taken over where every value fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mcp_context_resources.tables.duckdb_engine.loaders.single_row import single_row
from mcp_context_resources.tables.duckdb_engine.loaders.text_types import settle_texts
from mcp_context_resources.tables.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

_BOOLEAN: Final = re.compile(r"\s*BOOL(EAN)?\s*", re.IGNORECASE)
_MOMENT: Final = re.compile(r"\s*(DATE|DATETIME|TIMESTAMP)\b", re.IGNORECASE)
_EXACT: Final = re.compile(r"\s*(DECIMAL|NUMERIC|MONEY)\b", re.IGNORECASE)
_NOTED_COLUMNS: Final = 10


def settle_declared(
    connection: duckdb.DuckDBPyConnection, declared: Mapping[str, str], stored: Mapping[str, str]
) -> tuple[set[str], list[str]]:
    """Retype columns of `data` whose values all are what their declared type says.

    Returns the columns that were retyped and notes on dates that are stored as numbers.
    """
    notes: list[str] = []
    settled: set[str] = set()
    texts: dict[str, tuple[str, ...]] = {}
    for name, declaration in declared.items():
        kind = stored[name]
        if kind == "BIGINT" and _BOOLEAN.fullmatch(declaration) and _is_zero_or_one(connection, name):
            connection.execute(f"ALTER TABLE data ALTER {identifier(name)} TYPE BOOLEAN")
            settled.add(name)
        elif kind in ("BIGINT", "DOUBLE") and _MOMENT.match(declaration):
            notes.append(_stored_as_number(connection, name, declaration))
        elif kind == "VARCHAR" and _MOMENT.match(declaration):
            texts[name] = ("DATE", "TIMESTAMP", "TIMESTAMPTZ")
        elif kind == "VARCHAR" and _EXACT.match(declaration):
            texts[name] = ("DECIMAL",)
    settled |= settle_texts(connection, texts)
    return settled, notes[:_NOTED_COLUMNS]


def _is_zero_or_one(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    return single_row(connection, f"SELECT count(*) FROM data WHERE {identifier(name)} NOT IN (0, 1)") == (0,)


def _stored_as_number(connection: duckdb.DuckDBPyConnection, name: str, declaration: str) -> str:
    note = f"{name} is declared {declaration} but holds numbers"
    low, high = single_row(connection, f"SELECT min({identifier(name)}), max({identifier(name)}) FROM data")
    if low is not None and high is not None:
        if low >= 1e8 and high < 1e11:
            return f"{note}; if they are Unix seconds, write to_timestamp({identifier(name)})."
        if low >= 1e11 and high < 1e14:
            return f"{note}; if they are Unix milliseconds, write to_timestamp({identifier(name)} / 1000)."
    return f"{note}, kept as they are."
