"""Renderer: Vega-Lite to PNG with vl-convert, which is Vega in a V8 of its own, inside a worker process."""

from __future__ import annotations

import json
import math
import os
import re
import time
from functools import cache
from typing import TYPE_CHECKING, Final

import vl_convert

from mcp_context_resources.charts.spec import Drawing, Picture
from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.png import deflated, size_of

if TYPE_CHECKING:
    from mcp_context_resources.workers.job import Job

_SCALES: Final = (2.0, 1.5, 1.0, 0.75)
_SIZE: Final = re.compile(r'<svg[^>]*? width="([\d.]+)" height="([\d.]+)"')
_EXIT_PANIC: Final = 70


def draw(job: Job, drawing: Drawing) -> Picture:
    """Draw a chart as sharp as its limits allow.

    Raises `InvalidInputError` when Vega-Lite doesn't take the specification or the picture would be too large.
    """
    del job  # V8 can't be interrupted: the pool kills the process at the deadline
    _prepare(drawing.fonts)
    try:
        return _drawn(drawing)
    except (ValueError, RuntimeError) as error:
        raise InvalidInputError(
            f"Vega-Lite can't draw this: {_reason(error)}",
            "Correct the spec, or leave it out for a chart chosen by type.",
        ) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # the engine is unusable from here on: be replaced
            os._exit(_EXIT_PANIC)
        raise


def _drawn(drawing: Drawing) -> Picture:
    svg = vl_convert.vegalite_to_svg(
        drawing.vega_lite, config=json.loads(drawing.theme), show_warnings=False, allowed_base_urls=[]
    )
    size = _SIZE.search(svg)
    if size is None or not all(math.isfinite(float(side)) for side in size.groups()):
        raise InvalidInputError("The chart has no size.", "Leave width, height and padding out.")
    width, height = (float(side) for side in size.groups())
    if width * height > drawing.max_pixels:
        raise InvalidInputError(
            f"The chart would be {width:,.0f} by {height:,.0f} pixels, too large for a chat window.",
            "Show fewer categories or panels (filter or aggregate in SQL), or give a smaller width and height.",
        )
    # The rasteriser would open files and addresses by itself.
    if "<image" in svg:
        raise InvalidInputError("Charts can't hold images.", "Use marks that draw data: point, bar, line, text, …")
    for scale in _SCALES:
        if width * height * scale * scale > 4 * drawing.max_pixels:
            continue
        png = deflated(vl_convert.svg_to_png(svg, scale=scale))
        if len(png) <= drawing.max_bytes:
            return Picture(png, *size_of(png), scale)
    raise InvalidInputError(
        "The picture is too detailed for a chat window.", "Draw fewer marks: aggregate in SQL, or bin in the spec."
    )


@cache
def _prepare(fonts: tuple[str, ...]) -> None:
    """Make V8 read times as they are written, and the fonts known."""
    os.environ["TZ"] = "UTC"
    if hasattr(time, "tzset"):
        time.tzset()
    for folder in fonts:
        vl_convert.register_font_directory(folder)


def _reason(error: Exception) -> str:
    """Return what Vega-Lite said, without its call stack."""
    lines = [line for line in str(error).splitlines() if not line.lstrip().startswith("at ")]
    text = " ".join(lines).partition("failed:")[2] or " ".join(lines)
    return text.strip().removeprefix("Error: ")[:400].rstrip(".") + "."
