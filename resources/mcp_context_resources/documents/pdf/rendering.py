"""Rendering of pages by PDFium, with passages highlighted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import pypdfium2

from mcp_context_resources.documents.geometry import Box
from mcp_context_resources.documents.reading.open_document import Rendered
from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.png import encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.pdf.opening import PdfFile

POINTS_PER_INCH: Final = 72
_MAX_PIXELS: Final = 20_000_000
_SMALLER: Final = 0.75
_LEAST_DPI: Final = 24.0
_MARK_MARGIN: Final = 1.5
# Yellow, as a text marker leaves it: what is dark stays so, what is light loses its blue.
_MARKED: Final = bytes(value * 2 // 5 for value in range(256))


def rendered(
    file: PdfFile, index: int, region: Box | None, marks: Sequence[Box], *, dpi: float, max_bytes: int
) -> Rendered:
    """Draw a page, or a region of it, with `marks` highlighted; at fewer dots an inch where it would be too large.

    Raises `InvalidInputError` for a region that is not on the page.
    """
    # Form fields are drawn only by a document that was told of them before anything else.
    document = pypdfium2.PdfDocument(file.file.path, password=file.password or None)
    try:
        document.init_forms()
        page = document[index]
        try:
            return _fitting(page, region, marks, dpi, max_bytes)
        finally:
            page.close()
    finally:
        document.close()


def grey_pixels(document: pypdfium2.PdfDocument, index: int, dpi: float) -> tuple[bytes, int, int, float]:
    """Draw a page in shades of grey; returns pixels row by row, width, height and the dots an inch they are at."""
    page = document[index]
    try:
        width, height = page.get_size()
        dpi = _possible(dpi, width, height)
        bitmap = page.render(scale=dpi / POINTS_PER_INCH, grayscale=True)
        try:
            pixels = _unpadded(bytes(bitmap.buffer), bitmap.stride, bitmap.width, bitmap.height)
            return pixels, bitmap.width, bitmap.height, dpi
        finally:
            bitmap.close()
    finally:
        page.close()


def _fitting(page: pypdfium2.PdfPage, region: Box | None, marks: Sequence[Box], dpi: float, max_bytes: int) -> Rendered:
    width, height = page.get_size()
    box = _on_page(region, width, height)
    dpi = _possible(dpi, box.width, box.height)
    while True:
        picture = _draw(page, box, marks, dpi, (width, height))
        if len(picture.png) <= max_bytes or dpi <= _LEAST_DPI:
            return picture
        dpi = max(_LEAST_DPI, dpi * _SMALLER)


def _on_page(region: Box | None, width: float, height: float) -> Box:
    whole = Box(0.0, 0.0, width, height)
    if region is None:
        return whole
    box = Box(max(region.left, 0.0), max(region.top, 0.0), min(region.right, width), min(region.bottom, height))
    if box.width < 1 or box.height < 1:
        raise InvalidInputError(
            f"The region {region.rounded()} is not on the page, which is {width:.0f} by {height:.0f} points.",
            "Give left, top, right and bottom in points from the page's top left corner.",
        )
    return box


def _possible(dpi: float, width: float, height: float) -> float:
    """Lower the resolution of what would have too many pixels."""
    most = math.sqrt(_MAX_PIXELS / max(width * height, 1.0)) * POINTS_PER_INCH
    return min(dpi, most)


def _draw(page: pypdfium2.PdfPage, box: Box, marks: Sequence[Box], dpi: float, size: tuple[float, float]) -> Rendered:
    scale = dpi / POINTS_PER_INCH
    crop = (box.left, size[1] - box.bottom, size[0] - box.right, box.top)
    bitmap = page.render(scale=scale, crop=crop, rev_byteorder=True, no_smoothimage=False)
    try:
        width, height = bitmap.width, bitmap.height
        pixels = bytearray(_unpadded(bytes(bitmap.buffer), bitmap.stride, width * 3, height))
    finally:
        bitmap.close()
    for mark in marks:
        _highlight(pixels, width, height, _scaled(mark, box, scale))
    reds = bytes(pixels[0::3])
    grey = reds == bytes(pixels[1::3]) and reds == bytes(pixels[2::3])
    png = encoded(reds if grey else bytes(pixels), width, height, channels=1 if grey else 3)
    return Rendered(png, width, height, dpi, box)


def _unpadded(pixels: bytes, stride: int, length: int, height: int) -> bytes:
    if stride == length:
        return pixels
    return b"".join(pixels[row * stride : row * stride + length] for row in range(height))


def _scaled(mark: Box, origin: Box, scale: float) -> tuple[int, int, int, int]:
    return (
        round((mark.left - _MARK_MARGIN - origin.left) * scale),
        round((mark.top - _MARK_MARGIN - origin.top) * scale),
        round((mark.right + _MARK_MARGIN - origin.left) * scale),
        round((mark.bottom + _MARK_MARGIN - origin.top) * scale),
    )


def _highlight(pixels: bytearray, width: int, height: int, mark: tuple[int, int, int, int]) -> None:
    left, right = max(0, mark[0]), min(width, mark[2])
    if left >= right:
        return
    for row in range(max(0, mark[1]), min(height, mark[3])):
        blue = slice((row * width + left) * 3 + 2, (row * width + right) * 3, 3)
        pixels[blue] = pixels[blue].translate(_MARKED)
