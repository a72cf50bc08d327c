"""A table as a resource: described in Markdown, or its columns as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.markdown_table import markdown_table
from mcp_context_tools.rendering import cell_line, cost, one_line, provenance, refs
from mcp_context_tools.tool import ToolResult, telling
from mcp_server.resources.rendering import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.tables.dialect import Dialect
    from mcp_context_resources.tables.service import TableDescription
    from mcp_context_resources.tables.spec import ColumnProfile, JoinPartner
    from mcp_context_tools.tool import Report, Services
    from mcp_server.resources.targets import Target

_EXAMPLE_ROWS: Final = 10
_EXAMPLE_CELL_CHARS: Final = 120
_FREQUENT: Final = 3
_HEADER: Final = ("column", "type", "nulls", "distinct", "min", "max", "most frequent")


async def read_table(services: Services, target: Target, report: Report) -> ToolResult:
    """Describe a table in Markdown: columns, first rows, tables it joins with; as much as fits the budget.

    Raises what `Tables.describe` does.
    """
    described, dialect = await _described(services, target, report, _EXAMPLE_ROWS), services.tables.dialect
    data: dict[str, Any] = {"sources": refs([described.ref])}
    examples = len(described.profile.examples)
    room = services.budget.max_chars - cost("", data)

    def size(columns: int) -> int:
        return cost(_markdown(described, dialect, columns, examples), "")

    columns = len(described.profile.columns)
    while examples and size(columns) > room:
        examples //= 2
    columns = _fitting(columns, room, size)
    if services.private is not None:  # names of columns tell redaction what is in them
        data = _schema(described, columns) | {"examples": described.profile.examples[:examples]}
    return ToolResult(_markdown(described, dialect, columns, examples), data)


async def read_schema(services: Services, target: Target, report: Report) -> ToolResult:
    """Tell of a table's columns what `describe_table` does, as many as fit the budget; raises what that does."""
    described = await _described(services, target, report, 0)

    def size(columns: int) -> int:
        return cost(json_text(_schema(described, columns)), "")

    columns = _fitting(len(described.profile.columns), services.budget.max_chars, size)
    return ToolResult("", _schema(described, columns))


async def _described(services: Services, target: Target, report: Report, rows: int) -> TableDescription:
    return await services.tables.describe(
        target.name,
        example_rows=rows,
        max_cell_chars=_EXAMPLE_CELL_CHARS,
        on_progress=telling(report, "preparing the table"),
    )


def _fitting(columns: int, room: int, size: Callable[[int], int]) -> int:
    """Return how many columns can be shown in so many characters; at least one."""
    low, high = 1, columns
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(middle) <= room else (low, middle - 1)
    return high


def _markdown(described: TableDescription, dialect: Dialect, columns: int, examples: int) -> str:
    profile, source = described.profile, described.source
    total = len(profile.columns)
    shown = profile.columns[:columns]
    about = [
        f"{profile.rows:,} row{'' if profile.rows == 1 else 's'}",
        f"{total:,} column{'' if total == 1 else 's'}",
        source.format,
        profile.encoding,
        profile.dialect,
    ]
    parts = [
        f"# {one_line(source.name)}",
        ", ".join(part for part in about if part),
        _table([_HEADER, *map(_row, shown)]),
    ]
    if examples:
        names = [column.name for column in shown]
        rows = [row[:columns] for row in profile.examples[:examples]]
        parts += [f"First {examples} rows:" if examples > 1 else "First row:", _table([names, *rows])]
    if profile.partners:
        parts.append("Joins:\n" + "\n".join(map(_join, profile.partners)))
    parts += profile.notes
    name = dialect.identifier(source.name)
    if columns < total:
        parts.append(f"Only {columns:,} of {total:,} columns are shown; `DESCRIBE {name}` lists all.")
    parts.append(f"As JSON: {source.uri}/schema. In SQL its name is `{name}`; use query_tables.")
    return "\n\n".join([*parts, provenance([described.ref])])


def _row(column: ColumnProfile) -> Sequence[object]:
    frequent = "; ".join(f"{value} ({count:,})" for value, count in column.frequent[:_FREQUENT])
    name = f"{column.name} (unique)" if column.unique else column.name
    return (name, column.type, column.nulls, column.distinct, column.minimum, column.maximum, frequent)


def _table(rows: Sequence[Sequence[object]]) -> str:
    return markdown_table([["" if cell is None else cell_line(cell) for cell in row] for row in rows], 1)


def _join(partner: JoinPartner) -> str:
    share = f"{partner.found:,} of {partner.checked:,} values looked up match"
    return f"- {partner.column} = {partner.table}.{partner.other_column} ({share})"


def _schema(described: TableDescription, columns: int) -> dict[str, Any]:
    profile, source = described.profile, described.source
    optional = {
        "encoding": profile.encoding,
        "dialect": profile.dialect,
        "notes": profile.notes,
        "measured_rows": profile.sampled,
        "join_partners": [asdict(partner) for partner in profile.partners],
    }
    return {
        "table": source.name,
        "format": source.format,
        "rows": profile.rows,
        "columns": [_column(column) for column in profile.columns[:columns]],
        "truncated": columns < len(profile.columns),
        **{name: value for name, value in optional.items() if value},
        "sources": refs([described.ref]),
    }


def _column(column: ColumnProfile) -> dict[str, Any]:
    measured = {
        "nulls": column.nulls,
        "distinct": column.distinct,
        "min": column.minimum,
        "max": column.maximum,
        "unique": column.unique or None,
        "most_frequent": [list(pair) for pair in column.frequent] or None,
    }
    return {"name": column.name, "type": column.type} | {
        name: value for name, value in measured.items() if value is not None
    }
