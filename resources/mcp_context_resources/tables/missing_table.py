"""Missing table: the error for a name in a statement that no table has, and the names it may have meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_context_resources.errors import SqlError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class MissingTableError(SqlError):
    """A `SqlError` that knows which table was not found."""

    def __init__(self, message: str, hint: str, missing_table: str) -> None:
        super().__init__(message, hint)
        self.missing_table = missing_table

    def __reduce__(self) -> tuple[type[MissingTableError], tuple[str, str, str]]:  # type: ignore[override] # one field more
        return type(self), (self.message, self.hint, self.missing_table)


def suggest_tables(error: SqlError, near: Callable[[str], Sequence[str]]) -> SqlError:
    """Add the table names nearest to one that was not found; `near` returns them."""
    if not isinstance(error, MissingTableError):
        return error
    names = near(error.missing_table)
    return SqlError(error.message, f"Did you mean {', '.join(names)}?" if names else "list_sources names every table.")
