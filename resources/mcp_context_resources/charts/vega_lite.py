"""What a caller's Vega-Lite specification may hold: it draws the rows it is given and loads nothing.

Vega-Lite 5 and 6 can load by `data.url` (in any view and in a lookup's `from.data`) and by the `url` of image marks,
as a mark property, an encoding channel or a configured default; `href` makes links. Its expression language has no
function that loads. All of these are refused by name, wherever they stand.
"""

from __future__ import annotations

import copy
import json
import math
import re
from typing import Any, Final

from mcp_context_resources.charts.describe import marks_of
from mcp_context_resources.charts.walk import parts
from mcp_context_resources.errors import InvalidInputError

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
