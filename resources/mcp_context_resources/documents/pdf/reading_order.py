"""Reading order of the lines of a page.

Most programs write a page's text in reading order, so that order stands unless it jumps back. Then lines are ordered
by where they are: columns between lines that span them, from the left in horizontal text and from the top in vertical.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.pdf.lines import Line

_Place = tuple[float, float, float, float]
"""Where a line starts and ends along the reading direction, and across it: start, across, end, across_end."""

_BACK: Final = 0.6
_SPANNING: Final = 0.62
_LEAST_GUTTER: Final = 0.8
_LEAST_IN_COLUMN: Final = 3


def in_reading_order(lines: Sequence[Line], *, vertical: bool, by_place: bool = False) -> list[Line]:
    """Return the lines of a page as they are read; `by_place`: whatever the order in which they were written."""
    places = [_place(line, vertical=vertical) for line in lines]
    if not by_place and not _jumps_back(lines, places):
        return list(lines)
    return [lines[place] for place in _by_columns(lines, places)]


def _place(line: Line, *, vertical: bool) -> _Place:
    """Turn vertical text by a quarter, so that its lines lie below each other as horizontal ones do."""
    box = line.box
    return (box.top, -box.right, box.bottom, -box.left) if vertical else (box.left, box.top, box.right, box.bottom)


def _jumps_back(lines: Sequence[Line], places: Sequence[_Place]) -> bool:
    """Tell whether a line stands before one above it that isn't in a column further on."""
    column_end = places[0][2] if places else 0.0
    for before, after, line in zip(places, places[1:], lines[1:], strict=False):
        back = after[1] < before[1] - _BACK * line.size
        same_row = abs(after[1] - before[1]) <= _BACK * line.size
        if back and after[0] < column_end - _BACK * line.size:
            return True
        if same_row and after[0] < before[0]:
            return True
        column_end = after[2] if back else max(column_end, after[2])
    return False


def _by_columns(lines: Sequence[Line], places: Sequence[_Place]) -> list[int]:
    """Order lines in bands from top to bottom; in each band column by column."""
    gutters = _gutters(lines, places)
    order: list[int] = []
    band: list[int] = []
    for number in sorted(range(len(lines)), key=lambda number: (places[number][1], places[number][0])):
        start, _, end, _ = places[number]
        if any(start < gutter < end for gutter in gutters):
            order += _columns(band, places, gutters)
            band = []
            order.append(number)
        else:
            band.append(number)
    return order + _columns(band, places, gutters)


def _columns(band: Sequence[int], places: Sequence[_Place], gutters: Sequence[float]) -> list[int]:
    def column(number: int) -> int:
        middle = (places[number][0] + places[number][2]) / 2
        return sum(1 for gutter in gutters if gutter < middle)

    return sorted(band, key=lambda number: (column(number), places[number][1], places[number][0]))


def _gutters(lines: Sequence[Line], places: Sequence[_Place]) -> list[float]:
    """Find where no line but those that span most of the page stands: the middles of the gaps between columns."""
    left, right = min(place[0] for place in places), max(place[2] for place in places)
    narrow = sorted(place for place in places if place[2] - place[0] < _SPANNING * (right - left))
    size = sorted(line.size for line in lines)[len(lines) // 2]
    found: list[float] = []
    reach, count = left, 0
    for start, _, end, _ in narrow:
        if start - reach >= _LEAST_GUTTER * size and count >= _LEAST_IN_COLUMN:
            found.append((reach + start) / 2)
            count = 0
        reach = max(reach, end)
        count += 1
    if found and count < _LEAST_IN_COLUMN:
        found.pop()
    return found
