"""Vega-Lite specifications as they are given: gone over, checked, and what they draw said in words."""

from __future__ import annotations

import copy
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST: Final = 40
_LISTS_OF_VIEWS: Final = ("layer", "concat", "hconcat", "vconcat")


class Part(NamedTuple):
    """A value in a specification, where it is (`layer[0].data.url`) and the key it goes by."""

    path: str
    key: str
    value: Any


def parts(vega_lite: dict[str, Any]) -> Iterator[Part]:
    """Go over every keyed value of a specification; the rows of inline data are not looked into.

    Raises `InvalidInputError` when it is nested too deep.
    """
    stack: list[tuple[str, Any, int, bool]] = [("", vega_lite, 0, False)]
    while stack:
        path, node, depth, is_data = stack.pop()
        if depth > _DEEPEST:
            raise InvalidInputError("The spec is nested too deep.", "Give a flatter one.")
        if isinstance(node, list):
            stack += [(f"{path}[{index}]", item, depth + 1, False) for index, item in enumerate(node)]
        elif isinstance(node, dict):
            for key, value in node.items():
                place = f"{path}.{key}" if path else str(key)
                yield Part(place, key, value)
                if not (is_data and key == "values"):
                    stack.append((place, value, depth + 1, key == "data"))


def views(vega_lite: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Go over a specification's views: itself, and those it layers, places side by side or repeats."""
    yield vega_lite
    for key in _LISTS_OF_VIEWS:
        for view in _dicts(vega_lite.get(key)):
            yield from views(view)
    if isinstance(inner := vega_lite.get("spec"), dict):
        yield from views(inner)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


MAX_CHARS: Final = 20_000
"""Longest specification, in characters of compact JSON."""

_MOST_INLINE_ROWS: Final = 200
_LONGEST_SEQUENCE: Final = 5_000
_SCHEMA: Final = re.compile(r"https?://[\w.-]+/(schema/)?vega-lite/v\d[\w.-]*\.json")
_VEGA_KEYS: Final = ("marks", "scales", "signals", "axes")
_DATA_HINT: Final = "Leave data out: the rows of sql are put in. A layer may have a few inline values of its own."
_REFUSED: Final = {
    "url": ("can't load anything", "Leave url out; the rows of sql are the only data, and charts hold no images."),
    "href": ("can't hold links", "Leave href out."),
    "usermeta": ("takes no usermeta", "Leave it out."),
    "datasets": ("takes no datasets", _DATA_HINT),
}


def parse_vega_lite(text: str) -> dict[str, Any]:
    """Read a specification that came as JSON text. Raises `InvalidInputError`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"The spec is not JSON: {error}.", "Give a Vega-Lite object.") from error
    if not isinstance(value, dict):
        raise InvalidInputError("The spec is not a JSON object.", 'Give a Vega-Lite object, such as {"mark":"bar"}.')
    return value


def check_vega_lite(vega_lite: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a caller's specification that is safe to draw; its data are to be the query's.

    Raises `InvalidInputError` for all that could load something, is too large, or isn't Vega-Lite.
    """
    for path, key, value in parts(vega_lite):
        if key in _REFUSED:
            problem, hint = _REFUSED[key]
            raise InvalidInputError(f"spec.{path}: a chart {problem}.", hint)
        if key == "mark" and (value == "image" or (isinstance(value, dict) and value.get("type") == "image")):
            raise InvalidInputError(f"spec.{path}: a chart can't hold images.", "Use another mark.")
        if key == "data" and isinstance(value, dict | list | str):
            _check_data(path, value)
    size = len(json.dumps(vega_lite, ensure_ascii=False, separators=(",", ":"), default=str))
    if size > MAX_CHARS:
        raise InvalidInputError(
            f"The spec has {size:,} characters; at most {MAX_CHARS:,} are allowed.",
            "Leave out data and defaults; the rows of sql are put in.",
        )
    _check_kind(vega_lite)
    kept = copy.deepcopy(vega_lite)
    kept.pop("$schema", None)
    own = kept.pop("data", None) or {}
    if not {"sequence", "sphere", "graticule"} & set(own):
        own = {"name": "query"} | ({"format": own["format"]} if "format" in own else {})
    return {"data": own} | kept


def _check_kind(vega_lite: dict[str, Any]) -> None:
    schema = vega_lite.get("$schema")
    if schema is not None and not (isinstance(schema, str) and _SCHEMA.fullmatch(schema)):
        raise InvalidInputError("spec.$schema is not Vega-Lite's.", "Give a Vega-Lite spec; $schema may be left out.")
    if not marks_of(vega_lite):
        vega = any(key in vega_lite for key in _VEGA_KEYS)
        raise InvalidInputError(
            "The spec is Vega, not Vega-Lite." if vega else "The spec says nothing to draw: it has no mark.",
            'Give Vega-Lite such as {"mark":"bar","encoding":{"x":{"field":…},"y":{"field":…}}}, or leave spec out.',
        )


def _check_data(path: str, data: Any) -> None:
    """Admit the query's rows by name, a few inline rows in a part of the chart, and Vega-Lite's generators."""
    if not isinstance(data, dict):
        raise InvalidInputError(f"spec.{path} is not an object.", _DATA_HINT)
    if unknown := set(data) - {"name", "values", "format", "sequence", "sphere", "graticule", *_REFUSED}:
        raise InvalidInputError(f"spec.{path}: {min(unknown)} is not allowed.", _DATA_HINT)
    _check_inline(path, data)
    if data.get("name", "query") != "query" and "values" not in data:
        raise InvalidInputError(f"spec.{path}: there is no dataset {data['name']!r}.", _DATA_HINT)
    form = data.get("format", {})
    if not isinstance(form, dict) or set(form) - {"parse", "type"} or form.get("type", "json") != "json":
        raise InvalidInputError(f"spec.{path}.format may only hold parse.", _DATA_HINT)
    if "sequence" in data:
        _check_sequence(path, data["sequence"])


def _check_inline(path: str, data: dict[str, Any]) -> None:
    values = data.get("values")
    if values is None:
        return
    if path == "data":
        raise InvalidInputError("spec.data: the chart's data are the rows of sql.", _DATA_HINT)
    if not isinstance(values, list) or len(values) > _MOST_INLINE_ROWS:
        raise InvalidInputError(f"spec.{path}.values is not a list of at most {_MOST_INLINE_ROWS} rows.", _DATA_HINT)


def _check_sequence(path: str, sequence: Any) -> None:
    try:
        start, stop, step = (float(sequence.get(key, default)) for key, default in _SEQUENCE_DEFAULTS)
        fine = abs(stop - start) <= _LONGEST_SEQUENCE * abs(step)
    except (AttributeError, TypeError, ValueError):
        fine = False
    if not fine:
        raise InvalidInputError(f"spec.{path}.sequence has more than {_LONGEST_SEQUENCE:,} numbers.", "Raise its step.")


_SEQUENCE_DEFAULTS: Final = (("start", 0), ("stop", math.inf), ("step", 1))

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
