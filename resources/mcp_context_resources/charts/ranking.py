"""Which values of a column deserve the room there is on a chart."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

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
