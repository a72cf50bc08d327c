"""Joining tables that go on over pages, and the names of their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.pdf.tables.grid import PageTable
from mcp_context_resources.documents.pdf.tables.numbers import is_number, is_value

if TYPE_CHECKING:
    from collections.abc import Sequence

_SAME_END: Final = 8.0
_NEAR_END: Final = 0.25
_NAME_CHARS: Final = 200


def continues(earlier: PageTable, later: PageTable, *, earlier_height: float, later_height: float) -> bool:
    """Tell whether a table goes on: `earlier` is the last of its page, `later` the first of the next.

    The heights are those of their pages in points. A table goes on when both have the same columns, the one reaches
    down to the end of its page and the other begins at the top, and the later one repeats the header or begins with
    a row like those before.
    """
    if len(earlier.rows[0]) != len(later.rows[0]) or earlier.ruled != later.ruled:
        return False
    if earlier.box.bottom < (1 - _NEAR_END) * earlier_height or later.box.top > _NEAR_END * later_height:
        return False
    if repeats_header(earlier, later):
        return True
    if later.caption and later.caption != earlier.caption:
        return False
    slack = _SAME_END if later.ruled else 4 * _SAME_END
    if abs(earlier.box.left - later.box.left) > slack or abs(earlier.box.right - later.box.right) > slack:
        return False
    return _like_body(earlier, later.rows[0])


def repeats_header(earlier: PageTable, later: PageTable) -> bool:
    """Tell whether the later table begins with the header rows of the earlier one."""
    count = earlier.header_rows
    return 0 < count < len(later.rows) and later.rows[:count] == earlier.rows[:count]


def joined(parts: Sequence[PageTable]) -> PageTable:
    """Make one table of parts that continue each other, all as wide as the first; a repeated header counts once.

    Its box is that of the first part.
    """
    first = parts[0]
    rows = list(first.rows)
    for part in parts[1:]:
        rows += part.rows[first.header_rows :] if repeats_header(first, part) else part.rows
    return PageTable(first.box, tuple(rows), first.header_rows, first.ruled, first.caption)


def column_names(table: PageTable) -> list[str]:
    """Return a name for each column: its header rows joined by ` / `, `column_3` where there is none, all different."""
    names: list[str] = []
    taken: set[str] = set()
    for column in range(len(table.rows[0])):
        levels: list[str] = []
        for row in table.rows[: table.header_rows]:
            text = " ".join(row[column].split())
            if text and text not in levels[-1:]:
                levels.append(text)
        base = " / ".join(levels)[:_NAME_CHARS] or f"column_{column + 1}"
        name, number = base, 1
        while name.lower() in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def _like_body(table: PageTable, row: Sequence[str]) -> bool:
    """Tell whether a row holds numbers where the body of a table does."""
    body = table.rows[table.header_rows :]
    if not body:
        return False
    compared = agreeing = 0
    for column, text in enumerate(row):
        below = [each[column] for each in body if each[column]]
        if not below or not text:
            continue
        numeric = sum(map(is_value, below)) / len(below)
        if numeric > 0.7 or numeric < 0.3:
            compared += 1
            agreeing += (numeric > 0.7) == (is_number(text) or is_value(text))
    return compared > 0 and agreeing == compared
