"""Tables of HTML pages as grids of text; tables that lay out a page are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.markup.conversion_errors import check
from mcp_context_resources.html_grid import grid_lines, local_name, row_cells, table_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp_context_resources.workers.job import Job

_MAX_CELLS: Final = 500_000
_BLOCKS: Final = frozenset("h1 h2 h3 h4 h5 h6 pre blockquote".split())


def is_data(table: Any) -> bool:
    """Tell a table of data from one that lays out a page: no table or heading inside, two columns at least."""
    if table.get("role") == "presentation":
        return False
    inner = {local_name(element) for element in table.iterdescendants()}
    if "table" in inner or (inner & _BLOCKS and "th" not in inner):
        return False
    return any(len(row_cells(row)) > 1 for row in table_rows(table))


def grid(job: Job, table: Any, text_of: Callable[[Any], str]) -> list[list[str]]:
    """Lay out the cells of a table, up to half a million; one that spans several places is repeated in each.

    Raises `DeadlineExceededError`.
    """
    rows: list[list[str]] = []
    filled = 0
    for _, line in grid_lines(table, text_of):
        check(job)
        filled += len(line)
        if filled > _MAX_CELLS:
            break
        if line:
            rows.append(line)
    return rows
