"""The chart of a result without numbers: how many rows there are of each value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.charts import forms
from mcp_context_resources.charts.ranking import most_frequent
from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.charts.data import ChartColumn, ChartData

_COUNT: Final[dict[str, Any]] = {"aggregate": "count", "type": "quantitative", "title": "rows"}


def count_chart(
    data: ChartData, times: Sequence[ChartColumn], categories: Sequence[ChartColumn]
) -> tuple[dict[str, Any], list[str]]:
    """Return a chart of the numbers of rows, and notes on it.

    Raises `InvalidInputError` when hardly a value comes twice.
    """
    most = len(data.rows) // 2
    repeated = [column for column in categories if column.distinct <= most]
    side = forms.MOST_CELLS_A_SIDE
    if len(repeated) == len(categories) == 2 and not times and all(column.distinct <= side for column in repeated):
        y, x = repeated
        cells = _COUNT | {"scale": {"scheme": "blues"}}
        return forms.heat_map(x, y, cells, y_count=y.distinct), ["There is no number column: the colours count rows."]
    chosen = next(iter([*repeated, *(column for column in times if 1 < column.distinct <= most)]), None)
    if chosen is None:
        raise InvalidInputError(
            "There is no number to draw, and no value repeats often enough to count.",
            "Read it with query_tables, or aggregate in SQL.",
        )
    notes = [f"There is no number column: the chart counts rows by {chosen.name}."]
    if others := [column.name for column in (*times, *categories) if column is not chosen]:
        notes.append(f"Left out: {', '.join(others)}.")
    if chosen in times:
        return forms.single(forms.line_mark(chosen.distinct), {"x": forms.time_axis(data, chosen), "y": _COUNT}), notes
    shown = most_frequent(data, chosen, forms.MOST_BARS)
    encoding = {"y": forms.category_axis(chosen, "-x", shown), "x": _COUNT}
    spec = forms.single("bar", encoding, height=forms.bar_height(len(shown)))
    if chosen.distinct > len(shown):
        notes.append(f"The {len(shown)} most frequent of {chosen.distinct:,} values are shown.")
        spec["transform"] = [forms.keep(chosen.key, shown)]
    return spec, notes
