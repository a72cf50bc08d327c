"""HTML grid: the cells of a table laid out in rows and columns; one that spans several places is repeated in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_MAX_SPAN: Final = 1_000
_MOST_DIGITS: Final = 6


def local_name(element: Any) -> str:
    """Return an element's name without its namespace, in lower case; empty for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def table_rows(table: Any) -> Iterator[Any]:
    """Give the rows of a table, not those of tables in its cells."""
    for child in table:
        if local_name(child) == "tr":
            yield child
        elif local_name(child) in ("thead", "tbody", "tfoot"):
            yield from (row for row in child if local_name(row) == "tr")


def row_cells(row: Any) -> list[Any]:
    """Return the cells of a row, headers among them."""
    return [cell for cell in row if local_name(cell) in ("td", "th")]


def span(cell: Any, attribute: str) -> int:
    """Return over how many columns (`colspan`) or rows (`rowspan`) a cell goes; a thousand at most."""
    value = str(cell.get(attribute) or "1").strip()
    return max(1, min(int(value[:_MOST_DIGITS]), _MAX_SPAN)) if value.isascii() and value.isdigit() else 1


def grid_lines(table: Any, text_of: Callable[[Any], T]) -> Iterator[tuple[list[Any], list[T]]]:
    """Lay out a table row by row: give the cells that a row has itself, and what stands in each of its columns."""
    below: dict[int, tuple[int, T]] = {}  # column → rows still to fill from a cell above, and its text
    for row in table_rows(table):
        cells = row_cells(row)
        line: list[T] = []
        for cell in cells:
            _from_above(line, below)
            text, down = text_of(cell), span(cell, "rowspan") - 1
            for _ in range(span(cell, "colspan")):
                if down:
                    below[len(line)] = (down, text)
                line.append(text)
        _from_above(line, below)
        yield cells, line


def _from_above(line: list[T], below: dict[int, tuple[int, T]]) -> None:
    while len(line) in below:
        left, text = below.pop(len(line))
        if left > 1:
            below[len(line)] = (left - 1, text)
        line.append(text)
