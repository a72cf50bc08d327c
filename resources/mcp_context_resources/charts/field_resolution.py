"""Field resolution: a given specification fitted to the rows, its fields made columns, its data put in."""

from __future__ import annotations

import copy
import difflib
import re
from math import prod
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.charts.composition import layout_of
from mcp_context_resources.charts.vega_lite import parts, views
from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.charts.data import ChartColumn, ChartData

# The last three are of a repeat; lists under these names elsewhere hold no text.
_LISTS: Final = ("groupby", "fold", "flatten", "fields", "repeat", "row", "column", "layer")
_OF_TRANSFORMS: Final = ("lookup", "regression", "on", "loess", "density", "quantile", "impute", "stack", "extent")
_SEGMENT: Final = re.compile(r"[^.\[\]]+")
# What transforms call their results when `as` doesn't say.
_DEFAULT_NAMES: Final = ("key", "value", "density", "prob", "data")


def resolve_fields(vega_lite: dict[str, Any], data: ChartData) -> None:
    """Put keys in place of column names, in a specification of which this changes every field.

    Raises `InvalidInputError` for a field that is neither a column nor made by a transform.
    """
    keys = data.keys
    made = _made(vega_lite)
    roots = made | {column.key for column in data.columns if column.nested}
    for path, holder, place in _fields(vega_lite):
        name = holder[place]
        plain = re.sub(r"\\(.)", r"\1", name)
        segment = _SEGMENT.match(name)
        if name in keys or plain in keys:
            holder[place] = keys.get(name) or keys[plain]
        elif name != "*" and name not in made and "*" not in made and not (segment and segment[0] in roots):
            raise _unknown(path, name, [column.name for column in data.columns])


def _unknown(path: str, name: str, columns: list[str]) -> InvalidInputError:
    near = difflib.get_close_matches(name, columns, n=3, cutoff=0.5)
    near = near or [column for column in columns if column.casefold() == name.casefold()]
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return InvalidInputError(
        f"spec.{path}: the result has no column {name!r}.", f"{hint}Its columns are {', '.join(columns[:40])}."
    )


def _fields(vega_lite: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Go over the places of field names: the path, and a dict or list with the key or index of the name in it."""
    for path, key, value in list(parts(vega_lite)):
        if isinstance(value, list) and key in _LISTS:
            yield from _listed(path, value)
        for place, item in [(path, value)] if not isinstance(value, list) else _numbered(path, value):
            if isinstance(item, dict) and key != "data":
                words = ("field", *_OF_TRANSFORMS) if key == "transform" else ("field",)
                yield from ((f"{place}.{word}", item, word) for word in words if isinstance(item.get(word), str))


def _numbered(path: str, values: list[Any]) -> list[tuple[str, Any]]:
    return [(f"{path}[{index}]", value) for index, value in enumerate(values)]


def _listed(path: str, names: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    for index, name in enumerate(names):
        if isinstance(name, str):
            yield (f"{path}[{index}]", names, index)


def _made(vega_lite: dict[str, Any]) -> set[str]:
    """Collect the names that transforms and inline rows make; `*` stands for names known only from the data."""
    made: set[str] = set(_DEFAULT_NAMES)
    for path, key, value in parts(vega_lite):
        if key == "as":
            made |= {name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)}
        elif key == "values" and isinstance(value, list) and path.endswith("data.values"):
            made |= {str(name) for row in value if isinstance(row, dict) for name in row}
            made.add("data")
        elif key in {"pivot", "sphere", "graticule"}:
            made.add("*")
    return made


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
