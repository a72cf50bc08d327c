"""View tables: the tables on pages, each with the name under which SQL finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.page_range import merged_ranges
from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.rendering import Untrusted, compact_json, csv_line, provenance
from mcp_context_tools.tool import Report, Services, ToolResult, telling

if TYPE_CHECKING:
    from mcp_context_resources.documents.spec import DocumentTable, FromDocument, TablesFound
    from mcp_context_tools.document_views.arguments import ReadDocumentInput

_MOST_CELLS: Final = 20_000
_TABLE_FRAME_CHARS: Final = 250
_COLUMN_CHARS: Final = 200
_LEAST_COLUMN_CHARS: Final = 20
_CAPTION_CHARS: Final = 300
_SHOWN_PAGES: Final = 12


async def read(services: Services, arguments: ReadDocumentInput, report: Report) -> ToolResult:
    """Return the tables that begin on the pages."""
    budget = services.budget.max_chars
    found = await services.documents.tables(
        arguments.document,
        pages=arguments.pages or "",
        max_cells=_MOST_CELLS,
        version=arguments.version or "",
        on_progress=telling(report, "looking for tables"),
    )
    prefix = await services.documents.table_prefix(found.source)
    notes = shared.few_notes(found.content.notes, budget)
    return shared.within(
        budget, arguments.max_chars, lambda room: _render(found, prefix, arguments.offset, notes, room)
    )


def _render(found: FromDocument[TablesFound], prefix: str, skip: int, notes: list[str], room: int) -> ToolResult:
    content = found.content
    room = max(0, room - 2 * len(compact_json(content.searched)))
    left = room
    untrusted = Untrusted()
    shown: list[_Shown] = []
    remaining, offset = content.remaining, 0
    # On the first page the answer before may have shown some already.
    for place, table in enumerate(content.tables[skip:]):
        part = _table(table, f"{prefix}_{table.part}", left, room, untrusted)
        if shown and part.cost > left:
            remaining = merged_ranges(content.searched, content.remaining, since=table.pages[0])
            offset = sum(other.pages[0] == table.pages[0] for other in content.tables[: skip + place])
            break
        left -= part.cost
        shown.append(part)
    shortened = any(part.shortened for part in shown)
    if shortened:
        notes = [*notes, "Of some tables only a part is shown; query_tables reads them whole."]
    data = shared.frame(found) | {"searched_pages": content.searched, "tables": [part.entry for part in shown]}
    if remaining:
        data["next"] = shared.going_on(found.ref, remaining, offset)
    number = f"{len(shown)} table{'' if len(shown) == 1 else 's'}"
    count = f"{number} on {shared.noun(found)} {content.searched} of {content.total_pages}"
    text = "\n".join([shared.heading(found, count, untrusted), *(part.text for part in shown), *notes])
    text += f"\n{'Query them with query_tables by their names.' if shown else _none(found, skip)}"
    text += shared.more(data)
    data = shared.finished(data, found, notes, shortened=shortened)
    return ToolResult(f"{text}\n{provenance([found.ref])}", data)


def _none(found: FromDocument[TablesFound], skip: int) -> str:
    pages = f"these {shared.noun(found)}s"
    if skip and found.content.tables:
        return f"There are no more tables on {pages}."
    # A note says why a table may have been missed: a scan, a page that can't be read.
    why = "" if found.content.notes else " Text that isn't set in rows and columns is not taken for one."
    return f"No table begins on {pages}.{why}"


@dataclass(frozen=True, slots=True)
class _Shown:
    """A table as both channels show it, and what it costs there; more than there is room for if it holds no row."""

    entry: dict[str, Any]
    text: str
    cost: int
    shortened: bool


def _table(table: DocumentTable, name: str, left: int, whole: int, untrusted: Untrusted) -> _Shown:
    """Show as many rows of a table as fit into `left`, and as many columns as fit into half of a `whole` answer."""
    caption = shared.cut(table.caption, min(_CAPTION_CHARS, whole // 8))
    columns, used = _columns(table, whole // 2)
    used += _TABLE_FRAME_CHARS + 2 * len(compact_json(caption))
    lines = [csv_line(columns)]
    rows: list[list[str]] = []
    body = table.rows[table.header_rows :]
    for row in body:
        cells = list(row[: len(columns)])
        line = csv_line(cells)
        cost = len(compact_json(cells)) + len(compact_json(line))
        if used + cost > left:
            break
        used += cost
        lines.append(line)
        rows.append(cells)
    entry: dict[str, Any] = {
        "name": name,
        "pages": list(table.pages[:_SHOWN_PAGES]),
        "columns": columns,
        "rows": rows,
        "total_rows": len(body),
    }
    if len(table.pages) > _SHOWN_PAGES:
        entry["last_page"] = table.pages[-1]
    if len(columns) < len(table.columns):
        entry["total_columns"] = len(table.columns)
    if caption:
        entry["caption"] = caption
        lines.insert(0, f"{caption}\n")
    if table.box is not None:
        entry["box"] = table.box.rounded()
    return _Shown(
        entry,
        untrusted.wrap("".join(lines).rstrip("\n"), _label(table, name, len(rows), len(columns))),
        used if rows or not body else left + 1,
        len(rows) < len(body) or columns != list(table.columns),
    )


def _columns(table: DocumentTable, room: int) -> tuple[list[str], int]:
    """Return the names of the columns that fit, at least one, and what they cost in both channels."""
    shown: list[str] = []
    used = 0
    for name in table.columns:
        short = shared.cut(name, max(_LEAST_COLUMN_CHARS, min(_COLUMN_CHARS, room // 4)))
        cost = 2 * len(compact_json(short))
        if used + cost > room and shown:
            break
        used += cost
        shown.append(short)
    return shown, used


def _label(table: DocumentTable, name: str, rows: int, columns: int) -> str:
    pages = f"page {table.pages[0]}" + (f"-{table.pages[-1]}" if len(table.pages) > 1 else "")
    total = len(table.rows) - table.header_rows
    label = f"table {name}, {pages}, {total} rows" + (f", the first {rows}" if rows < total else "")
    if columns < len(table.columns):
        label += f", {len(table.columns)} columns, the first {columns}"
    return label
