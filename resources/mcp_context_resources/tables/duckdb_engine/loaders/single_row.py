"""Single row: statements whose result is one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


def single_row(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """Return the one row of a result, read to its end so that the connection is free for the next statement."""
    [row] = connection.execute(sql).fetchall()
    return tuple(row)
