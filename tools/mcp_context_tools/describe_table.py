"""`describe_table`: what a table holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from mcp_context_tools.rendering import cost, csv_line, provenance, refs
from mcp_context_tools.tool import Report, Services, Tool, ToolInput, ToolResult

if TYPE_CHECKING:
    from mcp_context_resources.tables.service import TableDescription

_EXAMPLE_ROWS: Final = 5
_EXAMPLE_CELL_CHARS: Final = 120
_HEADER: Final = ("column", "type", "nulls", "distinct", "min", "max")


class DescribeTableInput(ToolInput):
    """Arguments of `describe_table`."""

    table: str = Field(min_length=1, max_length=1_000, description="Name from list_sources.")


async def _describe_table(services: Services, arguments: DescribeTableInput, _report: Report) -> ToolResult:
    described = await services.tables.describe(
        arguments.table, example_rows=_EXAMPLE_ROWS, max_cell_chars=_EXAMPLE_CELL_CHARS
    )
    columns = len(described.profile.columns)
    examples = len(described.profile.examples)
    while True:
        result = _render(described, columns, examples)
        if cost(result.text, result.data) <= services.budget.max_chars or columns <= 1:
            return result
        if examples:
            examples -= 1
        else:
            columns = columns * 3 // 4


def _render(described: TableDescription, columns: int, examples: int) -> ToolResult:
    profile, source = described.profile, described.source
    total = len(profile.columns)
    shown = profile.columns[:columns]
    notes = list(profile.notes)
    if columns < total:
        notes.append(f"Only {columns} of {total} columns are shown; query `DESCRIBE {source.name}` for all.")
    names = [column.name for column in profile.columns]
    text = f"Table {source.name}: {profile.rows:,} rows, {total} columns, {source.format}"
    text += f", {profile.encoding}" if profile.encoding else ""
    text += "\n" + csv_line(_HEADER)
    text += "".join(
        csv_line((c.name, c.type, _known(c.nulls), _known(c.distinct), c.minimum, c.maximum)) for c in shown
    )
    if examples:
        text += f"First {examples} rows:\n" + csv_line(names)
        text += "".join(csv_line(row) for row in profile.examples[:examples])
    text += "".join(f"{note}\n" for note in notes)
    text += "distinct is approximate. " + provenance([described.ref])
    data: dict[str, Any] = {
        "table": source.name,
        "format": source.format,
        "rows": profile.rows,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nulls": _known(column.nulls),
                "distinct": _known(column.distinct),
                "min": column.minimum,
                "max": column.maximum,
            }
            for column in shown
        ],
        "examples": profile.examples[:examples],
        "truncated": columns < total,
        "sources": refs([described.ref]),
    }
    if profile.encoding:
        data["encoding"] = profile.encoding
    if notes:
        data["notes"] = notes
    return ToolResult(text, data)


def _known(count: int) -> int | None:
    return None if count < 0 else count


DESCRIBE_TABLE: Final = Tool(
    name="describe_table",
    title="Describe a table",
    description=(
        "Columns of a table with type, nulls, distinct count and range; row count, encoding and example rows."
        " Call it before writing SQL for a table you don't know."
    ),
    input=DescribeTableInput,
    run=_describe_table,
)
