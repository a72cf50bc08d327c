"""Where in a sheet the table begins: titles above it, its header, its columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKED_AT_ROWS: Final = 50
_YEARS: Final = range(1800, 2201)
_LABEL_AND_VALUE: Final = 2
_WIDE: Final = 5


@dataclass(frozen=True, slots=True)
class Layout:
    """Column names, how many filled rows come before the first record, and what was assumed.

    `named` tells which columns have a name in the file.
    """

    names: list[str]
    named: list[bool]
    skipped: int
    notes: list[str]


def layout_of(rows: Sequence[Sequence[Any]]) -> Layout:
    """Find the header among the first filled rows of a sheet, all of one width; empty cells are ''."""
    filled = [len(row) - row.count("") for row in rows]
    titles = _titles(filled)
    notes = []
    if titles:
        first = next(str(cell) for cell in rows[0] if cell != "")
        lines = "One line" if titles == 1 else f"{titles} lines"
        notes.append(f"{lines} above the table left out, beginning with {first[:60]!r}.")
    header = list(rows[titles])
    if not _is_header(header):
        notes.append("It has no header line: the columns are named by their position.")
        return Layout(unique_names([None] * len(header)), [False] * len(header), titles, notes)
    return Layout(unique_names(map(_label, header)), [cell != "" for cell in header], titles + 1, notes)


def _titles(filled: Sequence[int]) -> int:
    """Count the rows above the table: a lone cell, or a label with its value above a wide table."""
    width = max(filled)
    most = _LABEL_AND_VALUE if width >= _WIDE else 1
    if width <= most:
        return 0
    return next(position for position, number in enumerate(filled) if number > most)


def _is_header(row: Sequence[Any]) -> bool:
    cells = [cell for cell in row if cell != ""]
    texts = sum(isinstance(cell, str) for cell in cells)
    return texts > 0 and all(isinstance(cell, str | date) or _is_year(cell) for cell in cells)


def _is_year(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool) and cell in _YEARS


def _label(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) else str(cell)
