"""Tables in HTML pages through lxml, which is given text and fetches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.file_errors import broken
from mcp_context_resources.html_grid import grid_lines, row_cells, span, table_rows
from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names
from mcp_context_resources.tables.duckdb_engine.loaders.growing_table import GrowingTable
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import check, no_such_part, optional_module, reason
from mcp_context_resources.tables.duckdb_engine.loaders.marked_text import decoded
from mcp_context_resources.tables.duckdb_engine.loaders.text_types import ALL_TYPES, settle_texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from mcp_context_resources.workers.job import Job

_MAX_BYTES: Final = 64 << 20
_MAX_CELLS: Final = 5_000_000
_CHUNK_ROWS: Final = 20_000
_LEAST: Final = 2


def parts(job: Job, path: str, scratch: Path) -> list[str]:  # noqa: ARG001 - one signature for all formats
    """Return the captions of the tables of a page, `table1` and so on where they have none.

    Only tables of at least two rows and two columns count, and none that is there to lay out others.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    page, _ = _page(path)
    return list(_tables(job, page))


def load(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:  # noqa: ARG001
    """Make the table `data` from a table of a page; cells that span several places are repeated in each.

    Raises `NotFoundError`, `UnreadableSourceError`, `DeadlineExceededError`.
    """
    page, notes = _page(path)
    tables = _tables(job, page)
    if part not in tables:
        raise no_such_part(path, part, tables)
    rows, heads = _grid(job, tables[part], path)
    width = max(map(len, rows))
    rows = [[*row, *[None] * (width - len(row))] for row in rows]
    if heads or _names_columns(rows[0]):
        names, rows = _headed(rows, max(heads, 1))
    else:
        names = unique_names([None] * width)
        notes.append("It has no header line: the columns are named by their position.")
    table = GrowingTable(job, connection, names)
    for start in range(0, len(rows), _CHUNK_ROWS):
        table.append(list(zip(*rows[start : start + _CHUNK_ROWS], strict=True)))
        job.progress(table.rows, len(rows))
    notes += table.finish()
    settle_texts(connection, dict.fromkeys(names, ALL_TYPES))
    return notes


def _page(path: str) -> tuple[Any, list[str]]:
    html = optional_module("lxml.html", path)
    etree = optional_module("lxml.etree", path)
    text, notes = decoded(path, _MAX_BYTES)
    try:
        parser = html.HTMLParser(no_network=True, huge_tree=False, encoding="utf-8")
        page = html.document_fromstring(text.encode(errors="replace"), parser=parser)
    except (etree.LxmlError, ValueError) as error:
        raise broken(path, f"can't be read as HTML: {reason(error, path)}.") from error
    for line_break in page.iter("br"):
        line_break.tail = f"\n{line_break.tail or ''}"
    return page, notes


def _tables(job: Job, page: Any) -> dict[str, Any]:
    found, captions = [], []
    for table in page.iter("table"):
        check(job)
        rows = list(table_rows(table))
        if next(table.iterdescendants("table"), None) is not None or len(rows) < _LEAST:
            continue
        if max(sum(span(cell, "colspan") for cell in row_cells(row)) for row in rows) < _LEAST:
            continue
        caption = next((_text(child) for child in table if child.tag == "caption"), None)
        found.append(table)
        captions.append(caption or f"table{len(found)}")
    return dict(zip(unique_names(captions), found, strict=True))


def _grid(job: Job, table: Any, path: str) -> tuple[list[list[str | None]], int]:
    """Lay out the cells, and count the rows at the top that are headers through and through."""
    rows: list[list[str | None]] = []
    heads, in_head, filled = 0, True, 0
    for cells, line in grid_lines(table, lambda cell: _text(cell) or None):
        check(job)
        filled += len(line)
        if filled > _MAX_CELLS:
            raise broken(path, f"holds a table of more than {_MAX_CELLS:,} cells.", "Save it as CSV or Parquet.")
        in_head = in_head and bool(cells) and all(cell.tag == "th" for cell in cells)
        heads += in_head
        if line:
            rows.append(line)
    return rows, min(heads, len(rows) - 1)


def _headed(rows: list[list[str | None]], heads: int) -> tuple[list[str], list[list[str | None]]]:
    """Take the header off; of several header lines a column's differing names are joined."""
    joined = [" ".join(dict.fromkeys(filter(None, labels))) for labels in zip(*rows[:heads], strict=True)]
    return unique_names(joined), rows[heads:]


def _names_columns(row: Sequence[str | None]) -> bool:
    return all(row) and len(set(row)) == len(row) and not any(_is_number(cell) for cell in row)


def _is_number(cell: str | None) -> bool:
    return bool(cell) and not any(character.isalpha() for character in cell or "")


def _text(element: Any) -> str:
    return " ".join(str(element.text_content()).split())
