"""`describe_table`: what a table holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from mcp_context_tools.rendering import cost, csv_line, provenance, refs
from mcp_context_tools.tool import Report, Services, Tool, ToolInput, ToolResult, telling

if TYPE_CHECKING:
    from mcp_context_resources.tables.service import TableDescription
    from mcp_context_resources.tables.spec import ColumnProfile, JoinPartner

_EXAMPLE_ROWS: Final = 5
_EXAMPLE_CELL_CHARS: Final = 120
_HEADER: Final = ("column", "type", "nulls", "distinct", "unique", "min", "max", "most_frequent")


class DescribeTableInput(ToolInput):
    """Arguments of `describe_table`."""

    table: str = Field(min_length=1, max_length=1_000, description="Name from list_sources.")


async def _describe_table(services: Services, arguments: DescribeTableInput, report: Report) -> ToolResult:
    described = await services.tables.describe(
        arguments.table,
        example_rows=_EXAMPLE_ROWS,
        max_cell_chars=_EXAMPLE_CELL_CHARS,
        on_progress=telling(report, "preparing the table"),
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
    text = f"Table {source.name}: {profile.rows:,} rows, {total} columns, {source.format}"
    text += "".join(f", {known}" for known in (profile.encoding, profile.dialect) if known)
    text += "\n" + csv_line(_HEADER) + "".join(_line(column) for column in shown)
    if examples:
        text += f"First {examples} rows:\n" + csv_line(column.name for column in profile.columns)
        text += "".join(csv_line(row) for row in profile.examples[:examples])
    text += "".join(f"{_evidence(partner)}\n" for partner in profile.partners)
    text += "".join(f"{note}\n" for note in notes)
    text += provenance([described.ref])
    data: dict[str, Any] = {
        "table": source.name,
        "format": source.format,
        "rows": profile.rows,
        "columns": [_column(column) for column in shown],
        "examples": profile.examples[:examples],
        "truncated": columns < total,
        "sources": refs([described.ref]),
    }
    optional = {
        "encoding": profile.encoding,
        "dialect": profile.dialect,
        "notes": notes,
        "measured_rows": profile.sampled,
        "join_partners": [asdict(partner) for partner in profile.partners],
    }
    return ToolResult(text, data | {key: value for key, value in optional.items() if value})


def _line(column: ColumnProfile) -> str:
    frequent = "; ".join(f"{value} ({count:,})" for value, count in column.frequent)
    unique = "yes" if column.unique else None
    measured = (column.nulls, column.distinct, unique, column.minimum, column.maximum, frequent or None)
    return csv_line((column.name, column.type, *measured))


def _column(column: ColumnProfile) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "nulls": column.nulls,
        "distinct": column.distinct,
        "min": column.minimum,
        "max": column.maximum,
    }
    if column.unique:
        entry["unique"] = True
    if column.frequent:
        entry["most_frequent"] = [list(pair) for pair in column.frequent]
    return entry


def _evidence(partner: JoinPartner) -> str:
    """Say which column joins which, and why that is likely."""
    share = f"{partner.found:,} of {partner.checked:,} values looked up match"
    names = ", same name" if partner.same_name else ""
    unique = {"here": "here", "there": f"in {partner.table}", "both": "in both"}[partner.unique]
    return f"Joins: {partner.column} = {partner.table}.{partner.other_column} ({share}{names}, unique {unique})"


DESCRIBE_TABLE: Final = Tool(
    name="describe_table",
    title="Describe a table",
    description=(
        "Columns of a table with type, nulls, distinct count, range, frequent values; rows, encoding, examples, and"
        " which tables it joins with. Call it before writing SQL for a table you don't know."
    ),
    input=DescribeTableInput,
    run=_describe_table,
)
