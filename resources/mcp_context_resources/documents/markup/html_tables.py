"""Tables of HTML pages as grids of text; tables that lay out a page are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.markup.conversion_errors import check
from mcp_context_resources.documents.markup.hidden_elements import local_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mcp_context_resources.workers.job import Job

_MAX_SPAN: Final = 1_000
_MAX_CELLS: Final = 500_000
_BLOCKS: Final = frozenset("h1 h2 h3 h4 h5 h6 pre blockquote".split())


def is_data(table: Any) -> bool:
    """Tell a table of data from one that lays out a page: no table or heading inside, two columns at least."""
    if table.get("role") == "presentation":
        return False
    inner = {local_name(element) for element in table.iterdescendants()}
    if "table" in inner or (inner & _BLOCKS and "th" not in inner):
        return False
    return any(sum(1 for _ in _cells(row)) > 1 for row in _rows(table))


def grid(job: Job, table: Any, text_of: Callable[[Any], str]) -> list[list[str]]:
    """Lay out the cells of a table; one that spans several places is repeated in each.

    Raises `DeadlineExceededError`.
    """
    rows: list[list[str]] = []
    filled = 0
    below: dict[int, tuple[int, str]] = {}  # column → rows still to fill from a cell above, and its text
    for row in _rows(table):
        check(job)
        line: list[str] = []
        for cell in _cells(row):
            _from_above(line, below)
            text, down = text_of(cell), _span(cell, "rowspan") - 1
            for _ in range(_span(cell, "colspan")):
                if down:
                    below[len(line)] = (down, text)
                line.append(text)
        _from_above(line, below)
        filled += len(line)
        if filled > _MAX_CELLS:
            break
        if line:
            rows.append(line)
    return rows


def _rows(table: Any) -> Iterator[Any]:
    for child in table:
        if local_name(child) == "tr":
            yield child
        elif local_name(child) in ("thead", "tbody", "tfoot"):
            yield from (row for row in child if local_name(row) == "tr")


def _cells(row: Any) -> Iterator[Any]:
    return (cell for cell in row if local_name(cell) in ("td", "th"))


def _from_above(line: list[str], below: dict[int, tuple[int, str]]) -> None:
    while len(line) in below:
        left, text = below.pop(len(line))
        if left > 1:
            below[len(line)] = (left - 1, text)
        line.append(text)


def _span(cell: Any, attribute: str) -> int:
    value = str(cell.get(attribute) or "1").strip()
    return max(1, min(int(value[:6]), _MAX_SPAN)) if value.isascii() and value.isdigit() else 1
