"""`plot_query`: the rows of one SQL statement as a chart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Field

from mcp_context_resources.charts.data import chart_data
from mcp_context_resources.charts.vega_lite import channels_of, check_vega_lite, marks_of, measures_of, parse_vega_lite
from mcp_context_resources.errors import InvalidInputError
from mcp_context_tools.rendering import compact_json, cost, provenance, refs
from mcp_context_tools.tool import Image, Report, Services, Tool, ToolInput, ToolResult, telling

if TYPE_CHECKING:
    from mcp_context_resources.charts.data import ChartData
    from mcp_context_resources.charts.service import Chart
    from mcp_context_resources.tables.service import QueryPage

_MAX_CHARS: Final = 2_000_000
_MAX_CELL_CHARS: Final = 300
_ORDERED: Final = re.compile(r"\border\s+by\b(?![^()]*\))", re.IGNORECASE)


def _parsed(value: Any) -> Any:
    """Read a specification that a host sent as text."""
    return parse_vega_lite(value) if isinstance(value, str) else value


class PlotQueryInput(ToolInput):
    """Arguments of `plot_query`."""

    sql: str = Field(min_length=1, description="One SELECT, as in query_tables; aggregate in it.")
    spec: Annotated[dict[str, Any], BeforeValidator(_parsed)] | None = Field(
        default=None, description="Vega-Lite without data: mark, encoding, … Chosen by column types if left out."
    )
    title: str | None = Field(default=None, max_length=300, description="Title of the chart.")
    params: list[Any] | dict[str, Any] | None = Field(default=None, description="As in query_tables.")


async def _plot_query(services: Services, arguments: PlotQueryInput, report: Report) -> ToolResult:
    charts = services.charts
    charts.check_installed()
    spec = None if arguments.spec is None else check_vega_lite(arguments.spec)

    page = await services.tables.query(
        arguments.sql,
        arguments.params,
        max_rows=charts.settings.max_rows,
        max_chars=_MAX_CHARS,
        max_cell_chars=_MAX_CELL_CHARS,
        on_progress=telling(report, "running SQL"),
    )
    fetched = page.fetched
    if not fetched.rows:
        raise InvalidInputError("The statement returns no rows: there is nothing to draw.", "Check its filters.")
    data = chart_data([(column.name, column.type) for column in fetched.columns], fetched.rows)
    chart = await charts.render(
        data,
        spec,
        ordered=_ORDERED.search(arguments.sql) is not None,
        title=arguments.title,
        warning=f"Only the first {len(data.rows):,} rows of the result" if fetched.more else None,
    )
    return _result(page, data, chart, services.budget.max_chars, chosen=spec is None)


def _result(page: QueryPage, data: ChartData, chart: Chart, max_chars: int, *, chosen: bool) -> ToolResult:
    picture, more = chart.picture, page.fetched.more
    notes = list(chart.notes)
    if more:
        notes.insert(0, f"Cut: only the first {len(data.rows):,} rows are drawn. Aggregate in SQL to show all.")
    channels = "; ".join(channels_of(chart.vega_lite))
    lines = [
        f"Drawn: {', '.join(marks_of(chart.vega_lite))} chart{f' ({channels})' if channels else ''}.",
        f"{len(data.rows):,} rows, {len(data.columns)} columns{_range(data, chart.vega_lite)}.",
    ]
    lines += notes
    if chosen:
        lines.append(f"To change it, pass as spec: {compact_json(chart.vega_lite)}")
    result = {
        "chart": chart.vega_lite,
        "rows": len(data.rows),
        "width": picture.width,
        "height": picture.height,
        "truncated": more,
        "notes": notes,
        "sources": refs(page.sources),
    }
    origin = provenance(page.sources)
    text = "\n".join([*lines, origin])
    if cost(text, result) > max_chars:
        del result["chart"]
        text = "\n".join([*lines[: -1 if chosen else None], origin])
    return ToolResult(text, result, (Image("image/png", picture.png),))


def _range(data: ChartData, vega_lite: dict[str, Any]) -> str:
    """Tell the least and the greatest value of what the chart measures."""
    columns = {column.key: column for column in data.columns}
    named = [columns[name] for name in measures_of(vega_lite) if name in columns]
    measures = [column for column in (*named, *data.columns) if column.kind == "number" and column.low is not None]
    return f"; {measures[0].name} from {_figure(measures[0].low)} to {_figure(measures[0].high)}" if measures else ""


def _figure(value: float | None) -> str:
    return f"{value:,.10g}" if value is not None and abs(value) < 1e10 else f"{value:g}"


PLOT_QUERY: Final = Tool(
    name="plot_query",
    title="Draw a chart from SQL",
    description=(
        "Run one SELECT and draw its rows as a PNG chart the user sees. Without spec a fitting chart is chosen; the"
        " result holds the Vega-Lite used, to adjust and send again."
    ),
    input=PlotQueryInput,
    run=_plot_query,
)
