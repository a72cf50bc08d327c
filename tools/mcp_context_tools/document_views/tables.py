"""View tables: the tables on pages, each with the name under which SQL finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.page_range import merged_ranges
from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.rendering import Untrusted, compact_json, csv_line, provenance
from mcp_context_tools.tool import Report, Services, ToolResult, telling

if TYPE_CHECKING:
    from mcp_context_resources.documents.spec import DocumentTable
    from mcp_context_tools.document_views.arguments import ReadDocumentInput

_MOST_CELLS: Final = 20_000
_TABLE_FRAME_CHARS: Final = 400


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
    content = found.content
    prefix = await services.documents.table_prefix(found.source)
    left = min(arguments.max_chars * 2 if arguments.max_chars else budget, budget) - shared.FRAME_CHARS
    left -= 2 * len(compact_json([content.title, content.notes, content.searched]))
    untrusted = Untrusted()
    entries: list[dict[str, Any]] = []
    texts: list[str] = []
    remaining, offset = content.remaining, 0
    # On the first page the answer before may have shown some already.
    tables = content.tables[arguments.offset :]
    for place, table in enumerate(tables):
        entry, text, used = _table(table, f"{prefix}_{table.part}", left, untrusted)
        if entries and used > left:
            remaining = merged_ranges(content.searched, content.remaining, since=table.pages[0])
            offset = sum(other.pages[0] == table.pages[0] for other in content.tables[: arguments.offset + place])
            break
        left -= used
        entries.append(entry)
        texts.append(text)
    data = shared.frame(found) | {"searched_pages": content.searched, "tables": entries}
    if remaining:
        data["next"] = shared.going_on(found.ref, remaining, offset)
    number = f"{len(entries)} table{'' if len(entries) == 1 else 's'}"
    count = f"{number} on page {content.searched} of {content.total_pages}"
    text = "\n".join([shared.heading(found, count, untrusted), *texts, *content.notes])
    if not entries:
        text += "\nNo tables on these pages: text that isn't set in rows and columns is not taken for one."
    else:
        text += "\nQuery them with query_tables by their names."
    text += shared.more(data)
    return ToolResult(f"{text}\n{provenance([found.ref])}", shared.finished(data, found, content.notes))


def _table(table: DocumentTable, name: str, room: int, untrusted: Untrusted) -> tuple[dict[str, Any], str, int]:
    """Show as many rows of a table as there is room for in both channels; returns what it costs, too.

    One that has room for no row costs more than there is.
    """
    body = table.rows[table.header_rows :]
    head = csv_line(table.columns)
    used = _TABLE_FRAME_CHARS + 2 * len(compact_json(table.columns)) + 2 * len(compact_json(table.caption))
    shown = 0
    lines = [head]
    for row in body:
        line = csv_line(row)
        cost = len(compact_json(row)) + len(compact_json(line))
        if used + cost > room:
            break
        used += cost
        lines.append(line)
        shown += 1
    if not shown and body:
        used = room + 1
    pages = f"page {table.pages[0]}" + (f"-{table.pages[-1]}" if len(table.pages) > 1 else "")
    label = f"table {name}, {pages}, {len(body)} rows" + (f", the first {shown}" if shown < len(body) else "")
    entry: dict[str, Any] = {
        "name": name,
        "pages": list(table.pages),
        "columns": list(table.columns),
        "rows": [list(row) for row in body[:shown]],
        "total_rows": len(body),
    }
    if table.caption:
        entry["caption"] = table.caption
        lines.insert(0, f"{table.caption}\n")
    if table.box is not None:
        entry["box"] = table.box.rounded()
    return entry, untrusted.wrap("".join(lines).rstrip("\n"), label), used
