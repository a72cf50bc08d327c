"""The forms a chart can take, each as Vega-Lite for given columns."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.charts.composition import text_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.charts.data import ChartColumn, ChartData

Encoding = dict[str, Any]
Spec = dict[str, Any]

MOST_BARS: Final = 30
MOST_CELLS_A_SIDE: Final = 30
_WIDTH: Final = 640
_HEIGHT: Final = 360
_POINTS_ON_LINES: Final = 40
_SLANTED_LABELS: Final = 15
_LABEL_LIMIT: Final = 300
_LABEL_COLUMNS: Final = 42
MEASURE: Final = "measure"
VALUE: Final = "value"


def single(mark: Spec | str, encoding: Encoding, **more: Any) -> Spec:
    """Return a chart of one view that fills the usual width and, unless `height` is given, the usual height."""
    fit = "fit-x" if "height" in more else "fit"
    size = {"width": _WIDTH, "height": _HEIGHT, "autosize": {"type": fit, "contains": "padding"}}
    return {"mark": mark, "encoding": encoding} | size | more


def number_axis(column: ChartColumn, *, zero: bool | None = None, **more: Any) -> Encoding:
    """Put a number on an axis, from zero where that wastes little or `zero` says so."""
    low, high = column.low or 0.0, column.high or 0.0
    from_zero = (
        zero if zero is not None else low * high <= 0 or min(abs(low), abs(high)) < 0.4 * max(abs(low), abs(high))
    )
    return {"field": column.key, "type": "quantitative", "scale": {"zero": from_zero}, **more}


def time_axis(data: ChartData, column: ChartColumn) -> Encoding:
    """Put a time or a year on an axis, with labels as fine as its values."""
    if column.kind == "index":
        span = (column.high or 0) - (column.low or 0)
        axis: Spec = {"format": "d", "tickMinStep": 1} | ({"tickCount": int(span)} if 0 < span <= 12 else {})
        return {"field": column.key, "type": "quantitative", "scale": {"zero": False, "nice": False}, "axis": axis}
    return {"field": column.key, "type": "temporal", "axis": _time_labels(data.values(column))}


def _time_labels(values: Sequence[str]) -> Spec:
    first, last = (datetime.fromisoformat(_complete(value)) for value in (min(values), max(values)))
    days = (last - first).total_seconds() / 86_400
    distinct = len(set(values))
    if all(value[4:] in {"-01-01", "-01"} for value in values) and days > 366:
        return {"format": "%Y", "labelOverlap": True} | ({"tickCount": "year"} if distinct <= 15 else {})
    if all(value[7:] in {"", "-01", "-01T00:00:00"} for value in values):
        return {"format": "%Y-%m", "labelOverlap": True} | ({"tickCount": "month"} if days <= 400 else {})
    if days > 8 * 366:
        return {"format": "%Y"}
    if days > 300:
        return {"format": "%Y-%m", "labelOverlap": True}
    if days > 10 or (days >= 1 and all("T" not in value or value.endswith("T00:00:00") for value in values)):
        return {"format": "%Y-%m-%d", "labelOverlap": True} | ({"tickCount": "day"} if days <= 10 else {})
    return {"format": "%m-%d %H:%M" if days > 1 else "%H:%M", "labelOverlap": True}


def _complete(value: str) -> str:
    return value if len(value) > 7 else f"{value}-01"


def colour(column_key: str, order: Sequence[Any], *, title: str | None = None) -> Encoding:
    """Colour by a category whose legend is in `order`."""
    named = {} if title is None else {"title": title or None}
    return {"field": column_key, "type": "nominal", "sort": list(order), **named}


def line_mark(points: int) -> Spec:
    """Return a line, with its points shown while there is room for them."""
    return {"type": "line", "point": points <= _POINTS_ON_LINES}


def bar_height(count: int) -> Spec:
    """Return the height of `count` horizontal bars: each thick enough to see."""
    return {"step": 34 if count <= 6 else 26 if count <= 15 else 20}


def category_axis(category: ChartColumn, order: Sequence[Any] | str | None, values: Sequence[Any]) -> Encoding:
    """Put categories on the vertical axis; long names lose their middle, so that they still differ."""
    axis: Spec = {"ticks": False, "labelLimit": _LABEL_LIMIT}
    longest = max((str(value) for value in values), key=text_columns, default="")
    columns = text_columns(longest)
    if columns > _LABEL_COLUMNS:
        kept = len(longest) * _LABEL_COLUMNS // columns
        head, tail = kept // 2, kept - kept // 2 - 1
        middle = f"slice(datum.label,0,{head})+'…'+slice(datum.label,-{tail})"
        axis["labelExpr"] = f"length(datum.label)>{kept}?{middle}:datum.label"
    return {"field": category.key, "type": "nominal", "sort": order, "axis": axis}


def bars(y: Encoding, measure: ChartColumn, count: int) -> Spec:
    """Return horizontal bars from zero; `y` is a category axis."""
    return single("bar", {"y": y, "x": number_axis(measure, zero=True)}, height=bar_height(count))


def grouped_bars(y: Encoding, group: Encoding, measure: Encoding, bars_in_all: int) -> Spec:
    """Return horizontal bars side by side within each category of `y`, coloured by `group`."""
    offset = {"field": group["field"], "sort": group["sort"]}
    height = {"step": 20 if bars_in_all <= 16 else 13, "for": "offset"}
    return single("bar", {"y": y, "yOffset": offset, "x": measure, "color": group}, height=height)


def heat_map(x: ChartColumn, y: ChartColumn, colours: Encoding, *, y_count: int) -> Spec:
    """Return cells of `x` by `y`: categories in the order of the rows, years and hours in their own."""
    angle = 0 if x.kind == "index" else -90 if x.distinct > _SLANTED_LABELS else -40
    encoding = {"x": _side(x, {"labelAngle": angle}), "y": _side(y, {}), "color": colours}
    return single({"type": "rect", "stroke": "white"}, encoding, height={"step": 26 if y_count <= 15 else 20})


def _side(column: ChartColumn, axis: Spec) -> Encoding:
    order = "ascending" if column.kind == "index" else None
    return {"field": column.key, "type": "ordinal", "sort": order, "axis": {"ticks": False, "domain": False} | axis}


def heat_colours(measure: ChartColumn) -> Encoding:
    """Colour by a number: two hues around zero where it has both signs."""
    both = (measure.low or 0) < 0 < (measure.high or 0)
    scale: Spec = {"scheme": "blueorange", "domainMid": 0} if both else {"scheme": "blues"}
    return {"field": measure.key, "type": "quantitative", "scale": scale}


def scatter(x: ChartColumn, y: ChartColumn, count: int, colours: Encoding | None) -> Spec:
    """Return points, fainter and smaller the more there are."""
    dense = count > 400
    mark = {"type": "point", "size": 14 if dense else 40, "opacity": 0.45 if dense else 0.75}
    encoding = {"x": number_axis(x), "y": number_axis(y)} | ({"color": colours} if colours else {})
    return single(mark, encoding)


def histogram(measure: ChartColumn, count: int) -> Spec:
    """Return how often a number falls into each of some equal ranges."""
    bins = min(40, max(8, math.ceil(math.sqrt(count))))
    encoding = {
        "x": {"field": measure.key, "type": "quantitative", "bin": {"maxbins": bins}},
        "y": {"aggregate": "count", "type": "quantitative", "title": "rows"},
    }
    return single({"type": "bar", "binSpacing": 1}, encoding)


def box_plots(y: Encoding, measure: ChartColumn, count: int) -> Spec:
    """Return the spread of a number within each category of `y`."""
    return single({"type": "boxplot"}, {"y": y, "x": number_axis(measure)}, height=bar_height(count))


def fold(columns: Sequence[ChartColumn]) -> list[Spec]:
    """Return the transform that puts several columns under each other, as `measure` and `value`."""
    return [{"fold": [column.key for column in columns], "as": [MEASURE, VALUE]}]


def keep(column_key: str, values: Sequence[Any]) -> Spec:
    """Return the transform that keeps the rows with one of `values`."""
    return {"filter": {"field": column_key, "oneOf": list(values)}}
