"""Fitting a caller's specification to the rows it is to draw and to a chat window."""

from __future__ import annotations

import copy
from math import prod
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.charts.compose import layout_of
from mcp_context_resources.charts.fields import resolve_fields
from mcp_context_resources.charts.walk import views
from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.charts.data import ChartColumn, ChartData

_MOST_PANELS: Final = 24
_PANELS_A_ROW: Final = 3
_MOST_COLUMNS: Final = 5
_LARGEST_SIDE: Final = {"single": 1200, "panels": 500}
_SMALLEST_SIDE: Final = 20
_STEPS: Final = (4, 80)
_PANELS_WIDTH: Final = 600
_TYPES: Final = {"number": "quantitative", "time": "temporal", "index": "ordinal", "category": "nominal"}
_DISCRETE_CHANNELS: Final = ("facet", "row", "column", "shape", "strokeDash", "xOffset", "yOffset")


def fitted(vega_lite: dict[str, Any], data: ChartData) -> tuple[dict[str, Any], list[str]]:
    """Return a checked specification ready to draw, and notes on what was changed.

    Raises `InvalidInputError` for a field that isn't a column, and for too many panels.
    """
    spec = copy.deepcopy(vega_lite)
    notes: list[str] = []
    resolve_fields(spec, data)
    columns = {column.key: column for column in data.columns}
    for view in views(spec):
        for channel, definition in _channels(view):
            _complete(channel, definition, columns, notes)
        _wrap_columns(view, data, notes)
    panels = _panels(spec, data)
    if panels > _MOST_PANELS:
        raise InvalidInputError(
            f"The chart would have {panels:,} panels; at most {_MOST_PANELS} are legible.",
            "Filter in SQL, or use color instead of a facet.",
        )
    for view in views(spec):
        _bound(view, _LARGEST_SIDE[layout_of(spec)], notes)
    return spec, list(dict.fromkeys(notes))


def _channels(view: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    encoding = view.get("encoding")
    for channel, value in encoding.items() if isinstance(encoding, dict) else ():
        for definition in value if isinstance(value, list) else [value]:
            if isinstance(definition, dict):
                yield channel, definition
    facet = view.get("facet")
    if isinstance(facet, dict):
        rows_or_columns = [item for item in (facet.get("row"), facet.get("column")) if isinstance(item, dict)]
        for definition in rows_or_columns or [facet]:
            yield "facet", definition


def _complete(channel: str, definition: dict[str, Any], columns: dict[str, ChartColumn], notes: list[str]) -> None:
    """Give a channel the type of its column; a whole number that is a year is never a moment of 1970."""
    field = definition.get("field")
    column = columns.get(field) if isinstance(field, str) else None
    if column is None:
        return
    if column.kind == "index" and (definition.get("type") == "temporal" or "timeUnit" in definition):
        definition.pop("timeUnit", None)
        definition["type"] = "ordinal"
        notes.append(f"{column.name} holds whole numbers, not dates: drawn as ordinal.")
    if not {"type", "aggregate", "bin", "timeUnit"} & set(definition):
        number = column.kind in {"number", "index"}
        definition["type"] = "ordinal" if number and channel in _DISCRETE_CHANNELS else _TYPES[column.kind]


def _wrap_columns(view: dict[str, Any], data: ChartData, notes: list[str]) -> None:
    """Put a long row of panels into several rows."""
    encoding = view.get("encoding")
    if not isinstance(encoding, dict) or {"row", "facet"} & set(encoding):
        return
    if (count := _distinct(encoding.get("column"), data)) > _MOST_COLUMNS:
        encoding["facet"] = encoding.pop("column") | {"columns": _PANELS_A_ROW}
        notes.append(f"The {count} columns of panels are wrapped.")


def _panels(view: dict[str, Any], data: ChartData) -> int:
    """Count the panels of a view, and lay long rows of them out in several."""
    own = _facets(view, data) * _repeats(view)
    children = [
        child for key in ("concat", "hconcat", "vconcat") for child in view.get(key) or () if isinstance(child, dict)
    ]
    if isinstance(view.get("concat"), list) and len(view["concat"]) > _PANELS_A_ROW:
        view.setdefault("columns", _PANELS_A_ROW)
    inner = view.get("spec")
    if isinstance(inner, dict):
        children.append(inner)
    return own * (sum(_panels(child, data) for child in children) if children else 1)


def _repeats(view: dict[str, Any]) -> int:
    repeat = view.get("repeat")
    if isinstance(repeat, dict):
        return prod(len(repeat[key]) for key in ("row", "column") if isinstance(repeat.get(key), list))
    if not isinstance(repeat, list):
        return 1
    if len(repeat) > _PANELS_A_ROW:
        view.setdefault("columns", _PANELS_A_ROW)
    return len(repeat)


def _facets(view: dict[str, Any], data: ChartData) -> int:
    encoding = view.get("encoding")
    encoding = encoding if isinstance(encoding, dict) else {}
    facet = view.get("facet")
    facet = facet if isinstance(facet, dict) else {}
    sides = [_distinct(source.get(side), data) for source in (encoding, facet) for side in ("row", "column")]
    across = _distinct(encoding.get("column"), data)
    if across >= _PANELS_A_ROW:
        view.setdefault("width", max(70, _PANELS_WIDTH // across))
    wrapped = 1
    for definition, holder in ((encoding.get("facet"), encoding.get("facet")), (facet, view)):
        count = _distinct(definition, data)
        if count > _PANELS_A_ROW and isinstance(holder, dict):
            holder.setdefault("columns", _PANELS_A_ROW)
        wrapped *= count
    return prod(sides) * wrapped


def _distinct(definition: Any, data: ChartData) -> int:
    """Count the panels a facet makes; 1 where only Vega-Lite can tell."""
    field = definition.get("field") if isinstance(definition, dict) else None
    if field is None or {"bin", "timeUnit"} & set(definition):
        return 1
    return next((max(1, column.distinct) for column in data.columns if column.key == field), 1)


def _bound(view: dict[str, Any], largest: int, notes: list[str]) -> None:
    """Keep a view's sides to what a chat window shows; there is no container to fill."""
    for side in ("width", "height"):
        size = view.get(side)
        if size == "container" or isinstance(size, bool):
            del view[side]
        elif isinstance(size, int | float) and not _SMALLEST_SIDE <= size <= largest:
            view[side] = min(max(size, _SMALLEST_SIDE), largest)
            notes.append(f"{side} {size:g} was set to {view[side]}.")
        elif isinstance(size, dict) and isinstance(step := size.get("step"), int | float):
            size["step"] = min(max(step, _STEPS[0]), _STEPS[1])
