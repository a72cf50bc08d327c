"""Rules and cell backgrounds drawn on a page, also those inside form XObjects."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import pypdfium2.raw as pdfium

from mcp_context_resources.documents.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pypdfium2

    from mcp_context_resources.documents.pdf.frame import Frame

_MAX_OBJECTS: Final = 20_000
_MAX_SEGMENTS: Final = 40_000
_MAX_DEPTH: Final = 4
_THIN: Final = 2.6
_SHORTEST: Final = 3.0
_STRAIGHT: Final = 0.6
_WHITE: Final = 250
_FAR: Final = 1e5

Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: Final[Matrix] = (1, 0, 0, 1, 0, 0)


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line along a page's edges: `at` is its y if horizontal, else its x.

    `drawn` is false for the edge of a coloured area.
    """

    horizontal: bool
    at: float
    start: float
    end: float
    drawn: bool = True


@dataclass(slots=True)
class Drawing:
    """What a page draws apart from text: lines, and filled rectangles with their colours."""

    rules: list[Rule] = field(default_factory=list)
    areas: list[tuple[Box, int]] = field(default_factory=list)
    objects: int = 0
    segments: int = 0

    @property
    def too_much(self) -> bool:
        """Tell whether reading was given up for the sheer number of lines."""
        return self.objects > _MAX_OBJECTS or self.segments > _MAX_SEGMENTS


def read_drawing(page: pypdfium2.PdfPage, frame: Frame) -> Drawing:
    """Read the lines and filled rectangles of an open page; `too_much` tells when there are too many to tell."""
    drawing = Drawing()
    raw = page.raw

    def get(place: int) -> Any:
        return pdfium.FPDFPage_GetObject(raw, place)

    _read(drawing, frame, get, pdfium.FPDFPage_CountObjects(raw), _IDENTITY, 0)
    return drawing


def _read(drawing: Drawing, frame: Frame, get: Callable[[int], Any], count: int, matrix: Matrix, depth: int) -> None:
    for place in range(count):
        drawing.objects += 1
        if drawing.too_much:
            return
        item = get(place)
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_PATH:
            _read_path(drawing, frame, item, matrix)
        elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            _read_image(drawing, frame, item, matrix)
        elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
            inner = _times(_matrix(item), matrix)

            def get_inner(inside: int, form: Any = item) -> Any:
                return pdfium.FPDFFormObj_GetObject(form, inside)

            _read(drawing, frame, get_inner, pdfium.FPDFFormObj_CountObjects(item), inner, depth + 1)


def _read_image(drawing: Drawing, frame: Frame, item: Any, matrix: Matrix) -> None:
    """Take a thin image as a line: some programs draw rules so."""
    own = _times(_matrix(item), matrix)
    corners = [_moved(own, corner) for corner in ((0.0, 0.0), (1.0, 1.0))]
    _add_thin(drawing, _box(frame, corners))


def _read_path(drawing: Drawing, frame: Frame, item: Any, matrix: Matrix) -> None:
    fill, stroke = pdfium.c_int(), pdfium.c_int()
    if not pdfium.FPDFPath_GetDrawMode(item, pdfium.byref(fill), pdfium.byref(stroke)):
        return
    if not fill.value and not stroke.value:
        return
    count = pdfium.FPDFPath_CountSegments(item)
    drawing.segments += max(count, 0)
    if drawing.too_much:
        return
    colour = _colour(item, pdfium.FPDFPageObj_GetFillColor) if fill.value else None
    stroked = bool(stroke.value) and _colour(item, pdfium.FPDFPageObj_GetStrokeColor) is not None
    own = _times(_matrix(item), matrix)
    for points in _subpaths(item, count, own, frame):
        if colour is not None:
            _add_filled(drawing, points, colour)
        if stroked:
            for start, end in pairwise(points):
                _add_line(drawing, start, end)


def _subpaths(item: Any, count: int, matrix: Matrix, frame: Frame) -> Iterator[list[Point]]:
    """Return each part of a path as points on the displayed page; parts with curves or far outside are left out."""
    points: list[Point] = []
    curved = False
    x, y = pdfium.c_float(), pdfium.c_float()
    for place in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(item, place)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        pdfium.FPDFPathSegment_GetPoint(segment, pdfium.byref(x), pdfium.byref(y))
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            if len(points) > 1 and not curved:
                yield points
            points, curved = [], False
        elif kind == pdfium.FPDF_SEGMENT_BEZIERTO:
            curved = True
        point = frame.point(*_moved(matrix, (x.value, y.value)))
        curved = curved or not all(-_FAR < value < _FAR for value in point)
        points.append(point)
        if pdfium.FPDFPathSegment_GetClose(segment) and points:
            points.append(points[0])
    if len(points) > 1 and not curved:
        yield points


def _add_line(drawing: Drawing, start: Point, end: Point) -> None:
    width, height = abs(start[0] - end[0]), abs(start[1] - end[1])
    if height <= _STRAIGHT and width >= _SHORTEST:
        drawing.rules.append(Rule(True, (start[1] + end[1]) / 2, min(start[0], end[0]), max(start[0], end[0])))
    elif width <= _STRAIGHT and height >= _SHORTEST:
        drawing.rules.append(Rule(False, (start[0] + end[0]) / 2, min(start[1], end[1]), max(start[1], end[1])))


def _add_filled(drawing: Drawing, points: list[Point], colour: int) -> None:
    corners = {(round(x, 1), round(y, 1)) for x, y in points}
    xs, ys = {x for x, _ in corners}, {y for _, y in corners}
    box = Box(min(xs), min(ys), max(xs), max(ys))
    if _add_thin(drawing, box) or len(corners) != 4 or len(xs) != 2 or len(ys) != 2:
        return
    drawing.areas.append((box, colour))


def _add_thin(drawing: Drawing, box: Box) -> bool:
    if not all(-_FAR < value < _FAR for value in (box.left, box.top, box.right, box.bottom)):
        return False
    if box.height <= _THIN and box.width >= max(_SHORTEST, 2 * box.height):
        drawing.rules.append(Rule(True, (box.top + box.bottom) / 2, box.left, box.right))
        return True
    if box.width <= _THIN and box.height >= max(_SHORTEST, 2 * box.width):
        drawing.rules.append(Rule(False, (box.left + box.right) / 2, box.top, box.bottom))
        return True
    return False


def _colour(item: Any, read: Callable[..., Any]) -> int | None:
    """Return the colour as a number, -1 for white and for unknown ones; None if nothing is seen of it."""
    red, green, blue, alpha = (pdfium.ctypes.c_uint() for _ in range(4))
    if not read(item, *map(pdfium.byref, (red, green, blue, alpha))):
        return 0
    if not alpha.value:
        return None
    if min(red.value, green.value, blue.value) >= _WHITE:
        return -1
    return int(red.value << 16 | green.value << 8 | blue.value)


def _matrix(item: Any) -> Matrix:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, pdfium.byref(found)):
        return _IDENTITY
    return found.a, found.b, found.c, found.d, found.e, found.f


def _times(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def _moved(matrix: Matrix, point: Point) -> Point:
    a, b, c, d, e, f = matrix
    x, y = point
    return a * x + c * y + e, b * x + d * y + f


def _box(frame: Frame, corners: list[Point]) -> Box:
    (x0, y0), (x1, y1) = (frame.point(*corner) for corner in corners)
    return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
