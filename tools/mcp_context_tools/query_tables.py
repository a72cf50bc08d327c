"""`query_tables`: one read-only SQL statement over every table at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.tables.saved_results import ResultFormat
from mcp_context_tools.rendering import compact_json, cost, csv_line, provenance, refs, size_text
from mcp_context_tools.tool import Link, Report, Services, Tool, ToolInput, ToolResult, telling

if TYPE_CHECKING:
    from mcp_context_resources.tables.service import QueryPage

# Room for the lines around the rows: counts, how to go on, the cursor in both channels.
_FRAME_CHARS: Final = 700


class QueryTablesInput(ToolInput):
    """Arguments of `query_tables`."""

    sql: str = Field(
        min_length=1, description="One read-only statement of DuckDB SQL; tables by name, FROM-first and CTEs work."
    )
    params: list[Any] | dict[str, Any] | None = Field(
        default=None, description="Values for ? or $1 (a list) or for $name (an object)."
    )
    max_rows: int | None = Field(default=None, ge=1, description="Most rows to return.")
    timeout_seconds: float | None = Field(default=None, gt=0, description="Longest it may run; 30 by default.")
    save: ResultFormat | None = Field(
        default=None, description="Also keep the whole result as a file and return a link to it."
    )
    cursor: str | None = Field(
        default=None, max_length=4_000, description="next_cursor of the previous page; repeat sql and params."
    )


async def _query_tables(services: Services, arguments: QueryTablesInput, report: Report) -> ToolResult:
    settings, budget = services.tables.settings, services.budget
    max_rows = arguments.max_rows or min(settings.default_rows, settings.max_rows)
    if max_rows > settings.max_rows:
        raise InvalidInputError(
            f"max_rows is {max_rows:,}; at most {settings.max_rows:,} is allowed.",
            "Ask for fewer and go on with next_cursor.",
        )

    if arguments.save is not None and arguments.cursor is not None:
        raise InvalidInputError("save keeps the whole result, cursor asks for a page.", "Give one of them.")

    page = await services.tables.query(
        arguments.sql,
        arguments.params,
        max_rows=max_rows,
        max_chars=budget.max_chars,
        max_cell_chars=min(budget.max_cell_chars, budget.max_chars // 8),
        cursor=arguments.cursor,
        seconds=arguments.timeout_seconds,
        save=arguments.save,
        on_progress=telling(report, "running SQL"),
    )
    return _fit(page, budget.max_chars)


def _fit(page: QueryPage, max_chars: int) -> ToolResult:
    """Show as many rows as both channels have room for."""
    names = [column.name for column in page.fetched.columns]
    header = {
        "columns": [{"name": c.name, "type": c.type} for c in page.fetched.columns],
        "sources": refs(page.sources),
        "notes": page.fetched.notes * 2,
    }
    left = max_chars - _FRAME_CHARS - cost(csv_line(names) + provenance(page.sources), header)
    if left < 0:
        raise InvalidInputError(
            f"The names of these {len(names)} columns alone are too long for an answer of {max_chars:,} characters.",
            "Select fewer columns.",
        )
    shown = 0
    for row in page.fetched.rows:
        left -= len(compact_json(csv_line(row))) - 2 + len(compact_json(row)) + 1
        if left < 0:
            break
        shown += 1
    if shown == 0 and page.fetched.rows:
        raise InvalidInputError(
            f"One row of these {len(names)} columns is too long for an answer of {max_chars:,} characters.",
            "Select fewer columns, or shorten long ones with left(column, 200).",
        )
    return _render(page, shown)


def _render(page: QueryPage, shown: int) -> ToolResult:
    fetched = page.fetched
    truncated = fetched.more or shown < len(fetched.rows)
    first, last = page.offset + 1, page.offset + shown
    text = csv_line([column.name for column in fetched.columns])
    text += "".join(csv_line(row) for row in fetched.rows[:shown])
    data: dict[str, Any] = {
        "columns": [{"name": column.name, "type": column.type} for column in fetched.columns],
        "rows": fetched.rows[:shown],
        "row_count": shown,
        "truncated": truncated,
        "seconds": round(fetched.seconds, 4),
    }
    text += f"Rows {first}-{last}" if shown else "No rows"
    text += f" in {fetched.seconds:.3f} s."
    if fetched.cells_cut:
        data["cells_cut"] = fetched.cells_cut
        text += f" {fetched.cells_cut} long cells are cut, each says by how much."
    if truncated and page.saved is None:
        data["next_cursor"] = page.cursor_after(shown)
        text += (
            " There are more rows: aggregate or filter in SQL, or repeat the call with"
            f" cursor={compact_json(data['next_cursor'])}."
        )
    links: tuple[Link, ...] = ()
    if page.saved is not None:
        saved, rows = page.saved
        data["saved"] = {
            "uri": saved.uri,
            "path": str(saved.path),
            "format": saved.format,
            "rows": rows,
            "size": saved.size,
        }
        text += f" All {rows:,} rows are saved as {saved.format} ({size_text(saved.size)}): {saved.uri}, {saved.path}."
        links = (Link(saved.uri, saved.path.name, saved.mime_type, saved.size),)
    if fetched.notes:
        data["notes"] = fetched.notes
        text += "".join(f"\n{note}" for note in fetched.notes)
    data["sources"] = refs(page.sources)
    return ToolResult(f"{text}\n{provenance(page.sources)}", data, links=links)


QUERY_TABLES: Final = Tool(
    name="query_tables",
    title="Query tables with SQL",
    description=(
        "Run one read-only SQL statement (DuckDB dialect) over all tables; join them freely. Also DESCRIBE, SUMMARIZE,"
        " SHOW TABLES, PIVOT, EXPLAIN. Aggregate in SQL instead of fetching rows. Reads the files as they are now."
    ),
    input=QueryTablesInput,
    run=_query_tables,
)
