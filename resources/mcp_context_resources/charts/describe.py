"""Saying in words what a specification draws."""

from __future__ import annotations

from typing import Any, Final

from mcp_context_resources.charts.walk import views

_CHANNELS: Final = ("x", "y", "theta", "color", "size", "shape", "xOffset", "yOffset", "row", "column", "facet", "text")
_MEASURE_CHANNELS: Final = ("y", "theta", "x", "color")


def marks_of(vega_lite: dict[str, Any]) -> list[str]:
    """Return the kinds of marks a chart has, each once."""
    marks = (view.get("mark") for view in views(vega_lite))
    kinds = (mark.get("type") if isinstance(mark, dict) else mark for mark in marks)
    return list(dict.fromkeys(kind for kind in kinds if isinstance(kind, str)))


def channels_of(vega_lite: dict[str, Any]) -> list[str]:
    """Return what each channel shows, such as `x: month` or `y: sum of passengers`."""
    shown = []
    for view in views(vega_lite):
        encoding = view.get("encoding")
        for channel in _CHANNELS:
            definition = encoding.get(channel) if isinstance(encoding, dict) else None
            if isinstance(definition, dict) and (words := _words(definition)):
                shown.append(f"{channel}: {words}")
    return list(dict.fromkeys(shown))


def measures_of(vega_lite: dict[str, Any]) -> list[str]:
    """Return the quantitative fields, those of y before those of other channels."""
    found: list[tuple[int, str]] = []
    for view in views(vega_lite):
        encoding = view.get("encoding")
        for channel, definition in encoding.items() if isinstance(encoding, dict) else ():
            if isinstance(definition, dict) and definition.get("type") == "quantitative" and "field" in definition:
                rank = _MEASURE_CHANNELS.index(channel) if channel in _MEASURE_CHANNELS else len(_MEASURE_CHANNELS)
                found.append((rank, str(definition["field"])))
    return list(dict.fromkeys(name for _, name in sorted(found, key=lambda item: item[0])))


def _words(definition: dict[str, Any]) -> str:
    field, aggregate = definition.get("field"), definition.get("aggregate")
    if not isinstance(field, str):
        return "count of rows" if aggregate == "count" else ""
    if isinstance(aggregate, str):
        return f"{aggregate} of {field}"
    return f"{field} in ranges" if definition.get("bin") else field
