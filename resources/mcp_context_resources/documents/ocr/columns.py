"""Vertical Japanese: columns set anew as lines, so that the model of horizontal Japanese can read them.

A column is cut between its characters, which stand upright in both ways of writing; marks that stand elsewhere in
their square when written vertically are moved, the long vowel mark is turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.ocr.engine import turned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.documents.ocr.engine import Picture

_PAPER: Final = 255
_MARGIN: Final = 3
_EM: Final = (6, 160)
_PITCHES: Final = (0.9, 0.96, 1.02, 1.08, 1.14, 1.2, 1.28, 1.36, 1.46, 1.6)
_STRETCH: Final = 0.25
_STIFFNESS: Final = 60.0
_TALLEST: Final = 8_000
_MOST_COLUMNS: Final = 400
_MOST_PIXELS: Final = 40_000_000

Pixels = list[bytes]
"""Rows of a piece of a picture, one byte a pixel."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Columns set anew as lines of one picture: its pixels, size, and the height from one line to the next."""

    pixels: bytes
    width: int
    height: int
    line_height: int


def reset(picture: Picture, boxes: Sequence[tuple[int, int, int, int]]) -> Reset | None:
    """Set the columns in `boxes` (left, top, right, bottom) as lines, one under the other.

    None for what can't be columns of print.
    """
    columns = [_cut_out(picture, box) for box in boxes[:_MOST_COLUMNS]]
    columns = [column for column in columns if column and len(column) <= _TALLEST]
    if not columns or len(columns) < len(boxes):
        return None
    em = sorted(map(_em, columns))[len(columns) // 2]
    if not _EM[0] <= em <= _EM[1]:
        return None
    longest = sorted(columns, key=len)[-3:]
    pitch = min(_PITCHES, key=lambda pitch: sum(_cuts(_ink(column), pitch * em)[0] for column in longest)) * em
    side = round(max(1.3 * em, pitch))
    lines = []
    for column in columns:
        cuts = _cuts(_ink(column), pitch)[1]
        middle = _middle(column, em)
        lines.append(
            [_square(column[above:below], em, side, middle((above + below) / 2)) for above, below in pairwise(cuts)]
        )
    width = (max(map(len, lines)) + 2) * side
    if width * (len(lines) + 1) * side * 3 // 2 > _MOST_PIXELS:
        return None
    blank = bytes([_PAPER]) * width
    gap = [blank] * (side // 2)
    rows = list(gap)
    for line in lines:
        rows += [(b"".join([blank[:side], *(cell[row] for cell in line)]) + blank)[:width] for row in range(side)]
        rows += gap
    return Reset(b"".join(rows), width, len(rows), side + len(gap))


def _cut_out(picture: Picture, box: tuple[int, int, int, int]) -> Pixels:
    """Copy a column in black and white: what is as dark as ink stays."""
    left, right = max(0, box[0] - _MARGIN), min(picture.width, box[2] + _MARGIN)
    top, bottom = max(0, box[1] - _MARGIN), min(picture.height, box[3] + _MARGIN)
    rows = [picture.pixels[row * picture.width + left : row * picture.width + right] for row in range(top, bottom)]
    shades = sorted(b"".join(rows))
    if not shades or right - left <= 2 * _MARGIN:
        return []
    limit = (shades[len(shades) // 50] + shades[len(shades) * 3 // 4]) // 2
    table = bytes(0 if shade < limit else _PAPER for shade in range(256))
    return [row.translate(table) for row in rows]


def _ink(column: Pixels) -> list[int]:
    return [row.count(0) for row in column]


def _extents(column: Pixels) -> list[tuple[int, int, int]]:
    """Return each row with ink: its number, where its ink begins and where it ends."""
    return [(number, row.index(0), row.rindex(0) + 1) for number, row in enumerate(column) if 0 in row]


def _em(column: Pixels) -> int:
    """Measure the width of characters; the box of a column that leans is wider."""
    widths = sorted(right - left for _, left, right in _extents(column))
    return widths[len(widths) * 9 // 10] if widths else 0


def _middle(column: Pixels, em: int) -> Callable[[float], float]:
    """Fit the line that runs through the middle of a column; returns its place at a row."""
    points = [(row, (left + right) / 2) for row, left, right in _extents(column) if right - left > 0.6 * em]
    if len(points) < em:
        return lambda _row: len(column[0]) / 2
    mean_row = sum(row for row, _ in points) / len(points)
    mean = sum(place for _, place in points) / len(points)
    spread = sum((row - mean_row) ** 2 for row, _ in points)
    lean = sum((row - mean_row) * (place - mean) for row, place in points) / spread if spread else 0.0
    return lambda row: mean + lean * (row - mean_row)


def _cuts(ink: Sequence[int], pitch: float) -> tuple[float, list[int]]:
    """Cut a column where there is least ink, about every `pitch` rows; returns the cost of a cut, and the cuts."""
    least, most = max(1, round(pitch * (1 - _STRETCH))), round(pitch * (1 + _STRETCH))
    costs = [0.0] * len(ink)
    before = [-1] * len(ink)
    stretches = [_STIFFNESS * (distance / pitch - 1) ** 2 for distance in range(most + 1)]
    for row in range(1, len(ink)):
        best, found = float("inf"), -1
        for distance in range(least, min(most, row) + 1):
            cost = costs[row - distance] + stretches[distance]
            if cost < best:
                best, found = cost, row - distance
        costs[row], before[row] = best + ink[row], found
    end = min(range(max(0, len(ink) - least), len(ink)), key=costs.__getitem__)
    cuts = [end]
    while before[cuts[-1]] >= 0:
        cuts.append(before[cuts[-1]])
    cuts.reverse()
    if any(ink[end:]):  # the last character is lower than a square
        cuts.append(len(ink))
    return costs[end] / len(cuts), cuts


def _square(piece: Pixels, em: int, side: int, middle: float) -> Pixels:
    """Put one character into a square as it stands there in a horizontal line."""
    inked = [number for number, row in enumerate(piece) if row.count(0) > 1]
    if not inked:
        return [bytes([_PAPER]) * side] * side
    top, bottom = inked[0], inked[-1] + 1
    columns = [column for column in range(len(piece[0])) if sum(row[column] == 0 for row in piece) > 1]
    if not columns:
        return [bytes([_PAPER]) * side] * side
    left, right = columns[0], columns[-1] + 1
    glyph = [row[left:right] for row in piece[top:bottom]]
    width, height = right - left, bottom - top
    centre = left + width / 2 - middle
    across, down = (side - width) // 2, (side - height) // 2
    if width < 0.5 * em and height < 0.5 * em and centre > 0.1 * em:  # 、 and 。 stand at the upper right
        across, down = (side - em) // 2, (side + em) // 2 - height
    elif width < 0.3 * em and height > 0.6 * em and abs(centre) < 0.4 * em:  # ー
        flat, width, height = turned(b"".join(glyph), width, height, 1)
        glyph = [flat[row * width : (row + 1) * width] for row in range(height)]
        across, down = (side - width) // 2, (side - height) // 2
    return _placed(glyph, max(0, across), max(0, down), side)


def _placed(glyph: Pixels, across: int, down: int, side: int) -> Pixels:
    blank = bytes([_PAPER]) * side
    rows = [(blank[:across] + row + blank)[:side] for row in glyph]
    return ([blank] * down + rows + [blank] * side)[:side]
