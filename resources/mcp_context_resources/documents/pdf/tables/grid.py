"""Grid of cells, some of them merged, and the table of text it comes to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.pdf.tables.numbers import is_number
from mcp_context_resources.documents.pdf.tables.words import cell_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.tables.words import Word

MAX_CELLS: Final = 20_000
_LEADERS: Final = re.compile(r"(?:\s?\.){4,}$|\s?…{2,}$")


@dataclass(slots=True)
class Cell:
    """A cell and how many rows and columns it spans."""

    words: list[Word] = field(default_factory=list)
    rows: int = 1
    columns: int = 1
    text: str = ""


@dataclass(slots=True)
class Grid:
    """Cells by the row and column of their top left corner; columns lie between neighbouring `xs`, rows between `ys`.

    `header_rows` is None where the rules don't tell.
    """

    xs: list[float]
    ys: list[float]
    cells: dict[tuple[int, int], Cell]
    header_rows: int | None = None

    def settle(self) -> None:
        """Write the text of every cell, once their words are known."""
        for cell in self.cells.values():
            cell.text = _LEADERS.sub("", cell_text(cell.words))

    def texts(self) -> list[list[str]]:
        """Return the rows with the text of a merged cell in its first place only."""
        rows = [[""] * (len(self.xs) - 1) for _ in range(len(self.ys) - 1)]
        for (row, column), cell in self.cells.items():
            rows[row][column] = cell.text
        return rows

    def title_row(self) -> bool:
        """Tell whether the first row is one cell over all of at least two columns, above at least two rows."""
        columns = len(self.xs) - 1
        first = self.cells.get((0, 0))
        return first is not None and first.columns == columns > 1 and first.rows == 1 and len(self.ys) > 3

    def drop_first_row(self) -> str:
        """Take the first row away and return its text."""
        text = self.cells.pop((0, 0)).text
        self.cells = {(row - 1, column): cell for (row, column), cell in self.cells.items()}
        self.ys = self.ys[1:]
        if self.header_rows:
            self.header_rows -= 1
        return text

    def repeated(self, header_rows: int) -> list[list[str]]:
        """Return the rows with merged cells repeated: in the header everywhere, in the body downwards."""
        rows = self.texts()
        for (row, column), cell in self.cells.items():
            across = cell.columns if row < header_rows else 1
            for down in range(cell.rows):
                for right in range(across):
                    rows[row + down][column + right] = cell.text
        return rows


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table on one page.

    `rows` is rectangular, all text, and begins with the `header_rows` rows of the header. The text of a merged cell is
    in every cell it spans where it belongs to the header, so that each column has its full name; in the body it is
    repeated down but not across, so that a label counts for each of its rows and a value is never counted twice.
    """

    box: Box
    rows: tuple[tuple[str, ...], ...]
    header_rows: int
    ruled: bool
    caption: str = ""


def spanned_header_rows(grid: Grid) -> int:
    """Return how many rows merged cells of the first row bind together as a header: 0 if none."""
    columns = len(grid.xs) - 1
    first = [cell for (row, _), cell in grid.cells.items() if row == 0 and cell.text]
    if not any(cell.columns > 1 and cell.columns < columns for cell in first):
        return 0
    rows = grid.texts()
    deep = max([2, *(cell.rows for cell in first)])
    if len(rows) <= deep or any(is_number(text) for row in rows[: deep - 1] for text in row if not _year(text)):
        return 1
    numeric = sum(is_number(text) and not _year(text) for text in rows[deep - 1])
    return deep if not numeric else 1


def header_rows_of(rows: Sequence[Sequence[str]], *, marked: bool) -> int:
    """Guess from the text whether the first row is a header; `marked` tells that it looks different from the body."""
    if len(rows) < 2:
        return 0
    first, body = rows[0], rows[1:]
    filled = [text for text in first if text]
    if not filled or len(filled) < 0.5 * len(first):
        return 0
    numbers = [text for text in filled if is_number(text)]
    if len(numbers) > 0.5 * len(filled) and not all(_year(text) for text in numbers):
        return 0
    if marked:
        return 1
    for column, title in enumerate(first):
        below = [row[column] for row in body if row[column]]
        numeric = sum(map(is_number, below))
        if below and numeric >= 0.7 * len(below) and title and (not is_number(title) or _year(title)):
            return 1
    return int(not numbers and len(filled) == len(first) and len(set(filled)) == len(filled) and _heads(first, body))


def _heads(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Tell whether a row of words alone reads as names of columns: short, and none of them seen again below."""
    for column, title in enumerate(first):
        below = [row[column] for row in body if row[column]]
        if _has_digit(title) and sum(map(_has_digit, below)) >= 0.7 * len(below):
            return False
    seen = {(column, text) for row in body for column, text in enumerate(row)}
    longest = max(map(len, first))
    typical = sorted(len(text) for row in body for text in row if text)
    most = typical[int(0.9 * (len(typical) - 1))] if typical else 0
    return longest <= max(most, 24) and not any((column, text) in seen for column, text in enumerate(first))


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _year(text: str) -> bool:
    plain = text.strip().removesuffix("年").removesuffix("年度")
    return len(plain) == 4 and plain.isdigit() and plain[:2] in ("18", "19", "20", "21")
