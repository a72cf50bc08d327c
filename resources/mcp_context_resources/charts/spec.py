"""Specification of a drawing: what crosses the process border between the chart service and its worker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart to draw: Vega-Lite with its data, and a theme, both as JSON text; `fonts` are folders of font files.

    `max_pixels` bounds the picture before it is enlarged, `max_bytes` the PNG.
    """

    vega_lite: str
    theme: str
    fonts: tuple[str, ...]
    max_pixels: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn chart; `width` and `height` are the PNG's pixels, `scale` of them to a unit of the specification."""

    png: bytes
    width: int
    height: int
    scale: float
