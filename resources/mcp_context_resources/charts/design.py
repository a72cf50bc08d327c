"""Design of a chart: what a careful analyst would draw from columns of these kinds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.charts import forms
from mcp_context_resources.charts.value_selection import commensurate, count_chart, largest, most_frequent
from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.charts.data import ChartColumn, ChartData

_MOST_SERIES: Final = 8
_MOST_LINES_OF_CYCLE: Final = 5
_MOST_GROUPS: Final = 5
_MOST_GROUPED_BARS: Final = 40
_MOST_PANELS: Final = 3
_BOX_ROWS: Final = 5
_LONGITUDE: Final = re.compile(r"lon|lng|long|longitude|経度|.*_(lon|lng|longitude)", re.IGNORECASE)


@dataclass(slots=True)
class Design:
    """A chosen chart, and what was left out of it."""

    vega_lite: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def design(data: ChartData, *, ordered: bool) -> Design:
    """Choose a chart for `data`; `ordered` tells whether the order of its rows means something.

    Raises `InvalidInputError` when there is nothing a chart could show better than a number or a list.
    """
    return _Designer(data, ordered=ordered).choose()


class _Designer:
    """Sorts columns by what they can do on a chart and picks the form."""

    def __init__(self, data: ChartData, *, ordered: bool) -> None:
        self._data = data
        self._ordered = ordered
        self._notes: list[str] = []
        usable = [column for column in data.columns if column.distinct and not column.nested]
        self._left_out([column for column in data.columns if column.nested])
        if empty := [column.name for column in data.columns if not column.distinct]:
            self._note(f"Left out, since all values are null: {', '.join(empty)}.")
        self._numbers = [column for column in usable if column.kind == "number"]
        indexes = [column for column in usable if column.kind == "index"]
        self._times = [column for column in usable if column.kind == "time"]
        self._categories = [column for column in usable if column.kind == "category"]
        # The first of several is the axis; a year or month beside a date says nothing new.
        if self._numbers or len(indexes) > 1:
            self._times += indexes
        else:
            self._numbers += indexes

    def choose(self) -> Design:
        numbers, times, categories = self._numbers, self._times, self._categories
        if not numbers and not times and not categories:
            raise InvalidInputError("All values are null: there is nothing to draw.", "Check the statement's filters.")
        if len(self._data.rows) == 1:
            spec = self._single_row()
        elif not numbers:
            spec, notes = count_chart(self._data, self._times, self._categories)
            self._notes += notes
        elif times and times[0].distinct > 1:
            spec = self._over_time(times[0], numbers, categories)
        elif len(numbers) > 1 and (not categories or self._is_map(numbers)):
            spec = self._scatter(numbers, categories)
        elif categories:
            spec = self._by_category(categories, numbers)
        elif numbers[0].distinct == 1:
            raise self._not_a_chart()
        else:
            spec = forms.histogram(numbers[0], len(self._data.rows))
        return Design(spec, self._notes)

    def _single_row(self) -> dict[str, Any]:
        if len(self._numbers) < 2:
            raise self._not_a_chart()
        if not commensurate(self._numbers):
            self._note("The measures differ much in size.")
        encoding = {
            "y": {"field": forms.MEASURE, "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False}},
            "x": {"field": forms.VALUE, "type": "quantitative", "title": None},
        }
        height = forms.bar_height(len(self._numbers))
        return forms.single("bar", encoding, transform=forms.fold(self._numbers), height=height)

    def _not_a_chart(self) -> InvalidInputError:
        return InvalidInputError(
            "The result is a single number, which is not a chart.", "Read it with query_tables, or group by a column."
        )

    def _over_time(
        self, time: ChartColumn, numbers: Sequence[ChartColumn], categories: Sequence[ChartColumn]
    ) -> dict[str, Any]:
        x = forms.time_axis(self._data, time)
        measure = numbers[0]
        repeated = time.distinct < len(self._data.rows) - time.nulls
        crossed = [column for column in (*self._times[1:], *categories) if 1 < column.distinct < len(self._data.rows)]
        if repeated and crossed:
            other = crossed[0]
            rest = [column for column in (*self._times[1:], *categories) if column is not other]
            self._left_out([*rest, *numbers[1:]])
            if other.kind == "index" or (time.kind == "index" and other.distinct > _MOST_LINES_OF_CYCLE):
                return self._heat_map(time, other, measure)
            return self._series(x, time, measure, other)
        self._left_out([*self._times[1:], *categories])
        if len(numbers) == 1 or repeated:
            self._left_out(numbers[1:])
            if repeated:
                self._note(f"Several rows share a value of {time.name}: drawn as points. Aggregate in SQL for a line.")
            mark = {"type": "point", "opacity": 0.6} if repeated else forms.line_mark(time.distinct)
            return forms.single(mark, {"x": x, "y": forms.number_axis(measure)})
        if commensurate(numbers) and len(numbers) <= _MOST_SERIES:
            names = [column.key for column in numbers]
            encoding = {
                "x": x,
                "y": {"field": forms.VALUE, "type": "quantitative", "title": None, "scale": {"zero": False}},
                "color": forms.colour(forms.MEASURE, names, title=""),
            }
            return forms.single(forms.line_mark(time.distinct), encoding, transform=forms.fold(numbers))
        return self._panels(x, time, numbers)

    def _panels(self, x: dict[str, Any], time: ChartColumn, numbers: Sequence[ChartColumn]) -> dict[str, Any]:
        self._left_out(numbers[_MOST_PANELS:])
        self._note("The measures differ in size or unit, so each has a panel of its own.")
        shown = numbers[:_MOST_PANELS]
        return {
            "vconcat": [
                {
                    "width": 520,
                    "height": 150,
                    "mark": forms.line_mark(time.distinct),
                    "encoding": {"x": x, "y": forms.number_axis(column)},
                }
                for column in shown
            ]
        }

    def _series(
        self, x: dict[str, Any], time: ChartColumn, measure: ChartColumn, category: ChartColumn
    ) -> dict[str, Any]:
        shown = largest(self._data, category, measure, _MOST_SERIES)
        more: dict[str, Any] = {}
        if category.distinct > _MOST_SERIES:
            more["transform"] = [forms.keep(category.key, shown)]
            self._note(
                f"The {_MOST_SERIES} of {category.distinct:,} {category.name} with the largest sum of {measure.name}"
                " are shown."
            )
        pairs = {(row[time.key], str(row[category.key])) for row in self._data.rows}
        mark = forms.line_mark(time.distinct)
        if len(pairs) < len(self._data.rows):
            mark = {"type": "point", "opacity": 0.6}
            self._note(
                f"Several rows share values of {time.name} and {category.name}: drawn as points. Aggregate in SQL for"
                " lines."
            )
        encoding = {"x": x, "y": forms.number_axis(measure), "color": forms.colour(category.key, shown)}
        return forms.single(mark, encoding, **more)

    def _is_map(self, numbers: Sequence[ChartColumn]) -> bool:
        return any(_LONGITUDE.fullmatch(column.name) for column in numbers[:2])

    def _scatter(self, numbers: Sequence[ChartColumn], categories: Sequence[ChartColumn]) -> dict[str, Any]:
        x, y, *others = numbers
        if _LONGITUDE.fullmatch(y.name):
            x, y = y, x
        self._left_out(others)
        groups = next((column for column in categories if 1 < column.distinct <= _MOST_SERIES), None)
        colours = forms.colour(groups.key, self._data.distinct(groups)) if groups else None
        return forms.scatter(x, y, len(self._data.rows), colours)

    def _by_category(self, categories: Sequence[ChartColumn], numbers: Sequence[ChartColumn]) -> dict[str, Any]:
        varied = [column for column in categories if column.distinct > 1] or list(categories[:1])
        first, measure = varied[0], numbers[0]
        rows = len(self._data.rows)
        if len(varied) > 1 and first.distinct < rows:
            self._left_out([*varied[2:], *numbers[1:]])
            return self._two_categories(first, varied[1], measure)
        self._left_out(varied[1:])
        if first.distinct < rows - first.nulls:
            if len(numbers) > 1:
                return self._scatter(numbers, [first])
            return self._spread(first, measure)
        if len(numbers) > 1:
            return self._several_measures(first, numbers)
        shown = self._bars_shown(first, measure)
        spec = forms.bars(forms.category_axis(first, None if self._ordered else "-x", shown), measure, len(shown))
        if len(shown) < first.distinct:
            spec["transform"] = [forms.keep(first.key, shown)]
        return spec

    def _spread(self, category: ChartColumn, measure: ChartColumn) -> dict[str, Any]:
        shown = most_frequent(self._data, category, forms.MOST_BARS)
        if category.distinct > len(shown):
            self._note(f"The {len(shown)} most frequent of {category.distinct:,} values of {category.name} are shown.")
        order = shown if not self._ordered else [v for v in self._data.distinct(category) if v in set(shown)]
        y = forms.category_axis(category, order, shown)
        if len(self._data.rows) >= _BOX_ROWS * category.distinct:
            self._note(f"Several rows share a value of {category.name}: boxes show the spread (median, quartiles).")
            spec = forms.box_plots(y, measure, len(shown))
        else:
            self._note(f"Several rows share a value of {category.name}: each row is a point.")
            spec = forms.bars(y, measure, len(shown)) | {"mark": {"type": "point", "opacity": 0.7}}
        if category.distinct > len(shown):
            spec["transform"] = [forms.keep(category.key, shown)]
        return spec

    def _several_measures(self, category: ChartColumn, numbers: Sequence[ChartColumn]) -> dict[str, Any]:
        shown = self._bars_shown(category, numbers[0])
        order: Any = None if self._ordered else shown
        some = numbers[:_MOST_GROUPS]
        transform = [forms.keep(category.key, shown)] if len(shown) < category.distinct else []
        y = forms.category_axis(category, order, shown)
        if commensurate(some) and len(some) * len(shown) <= _MOST_GROUPED_BARS:
            self._left_out(numbers[_MOST_GROUPS:])
            group = forms.colour(forms.MEASURE, [column.key for column in some], title="")
            value = {"field": forms.VALUE, "type": "quantitative", "title": None}
            spec = forms.grouped_bars(y, group, value, len(shown) * len(some))
            return spec | {"transform": [*transform, *forms.fold(some)]}
        some = numbers[:_MOST_PANELS]
        self._left_out(numbers[_MOST_PANELS:])
        panels: list[dict[str, Any]] = []
        for column in some:
            first = y if not panels else {**y, "axis": None}
            panels.append(
                {
                    "width": 460 // len(some),
                    "height": forms.bar_height(len(shown)),
                    "mark": "bar",
                    "encoding": {"y": first, "x": forms.number_axis(column, zero=True, axis={"tickCount": 4})},
                }
            )
        return {"hconcat": panels, "spacing": 16} | ({"transform": transform} if transform else {})

    def _two_categories(self, first: ChartColumn, second: ChartColumn, measure: ChartColumn) -> dict[str, Any]:
        pairs = {(str(row[first.key]), str(row[second.key])) for row in self._data.rows}
        repeated = len(pairs) < len(self._data.rows)
        outer, inner = (first, second) if first.distinct >= second.distinct else (second, first)
        bars = outer.distinct * inner.distinct
        if inner.distinct <= _MOST_GROUPS and bars <= _MOST_GROUPED_BARS and not repeated:
            order: Any = None if self._ordered else largest(self._data, outer, measure, forms.MOST_BARS)
            group = forms.colour(inner.key, self._data.distinct(inner))
            x = forms.number_axis(measure, zero=True)
            y = forms.category_axis(outer, order, self._data.distinct(outer))
            return forms.grouped_bars(y, group, x, bars)
        return self._heat_map(inner, outer, measure)

    def _heat_map(self, inner: ChartColumn, outer: ChartColumn, measure: ChartColumn) -> dict[str, Any]:
        pairs = {(str(row[inner.key]), str(row[outer.key])) for row in self._data.rows}
        cells = forms.heat_colours(measure)
        if len(pairs) < len(self._data.rows):
            cells["aggregate"] = "mean"
            self._note(f"Several rows share values of {outer.name} and {inner.name}: colours show their mean.")
        transform = []
        for column in (outer, inner):
            if column.distinct > forms.MOST_CELLS_A_SIDE:
                transform.append(forms.keep(column.key, largest(self._data, column, measure, forms.MOST_CELLS_A_SIDE)))
                self._note(
                    f"The {forms.MOST_CELLS_A_SIDE} of {column.distinct:,} {column.name} with the largest sum are"
                    " shown."
                )
        count = min(outer.distinct, forms.MOST_CELLS_A_SIDE)
        spec = forms.heat_map(inner, outer, cells, y_count=count)
        return spec | ({"transform": transform} if transform else {})

    def _bars_shown(self, category: ChartColumn, measure: ChartColumn) -> list[Any]:
        """Return the categories there is room for: the first in a result with an order, else the largest."""
        if self._ordered:
            shown = self._data.distinct(category)[: forms.MOST_BARS]
        else:
            shown = largest(self._data, category, measure, forms.MOST_BARS)
        if category.distinct > len(shown):
            which = "first" if self._ordered else "largest"
            self._note(f"The {which} {len(shown)} of {category.distinct:,} values of {category.name} are shown.")
        return shown

    def _left_out(self, columns: Sequence[ChartColumn]) -> None:
        if columns:
            self._note(f"Left out: {', '.join(column.name for column in columns)}.")

    def _note(self, text: str) -> None:
        self._notes.append(text)
