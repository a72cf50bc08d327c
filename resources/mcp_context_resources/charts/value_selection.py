"""Value selection: which values of a column deserve the room on a chart; without a number, how many rows each has."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.charts import forms
from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.charts.data import ChartColumn, ChartData

_COMMENSURATE: Final = 30
_UNIT: Final = re.compile(
    r"[_ ([（［](mm|cm|m|km|g|kg|t|c|f|s|ms|min|h|hpa|kwh|pct|percent|%|％|yen|jpy|usd|eur|円|千円|人|件|個|台|回|度|℃)"
    r"[])）］]?$",
    re.IGNORECASE,
)


def largest(data: ChartData, category: ChartColumn, measure: ChartColumn, most: int) -> list[Any]:
    """Return the `most` values of `category` with the largest sums of `measure`, largest first."""
    sums: dict[Any, float] = dict.fromkeys(data.distinct(category), 0.0)
    for row in data.rows:
        value, amount = row[category.key], row[measure.key]
        if value is not None and amount is not None:
            sums[value] += amount
    return sorted(sums, key=lambda value: -sums[value])[:most]


def most_frequent(data: ChartData, category: ChartColumn, most: int) -> list[Any]:
    """Return the `most` values of `category` with the most rows, most frequent first."""
    return [value for value, _ in Counter(data.values(category)).most_common(most)]


def commensurate(numbers: Sequence[ChartColumn]) -> bool:
    """Tell whether one axis can show these numbers: none dwarfs another, nor do their names end in different units."""
    if len({unit[1].casefold() for column in numbers if (unit := _UNIT.search(column.name))}) > 1:
        return False
    sizes = [max(abs(column.low or 0), abs(column.high or 0)) for column in numbers]
    return max(sizes) <= _COMMENSURATE * min(sizes)


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
