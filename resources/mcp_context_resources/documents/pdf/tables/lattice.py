"""Lattice: from single lines and cell backgrounds to groups of rules that touch each other and bound cells.

The edges are merged as Nurminen (2013) does and TABULA after him: those in one line with small gaps become one rule,
and rules that cross or touch belong to one table.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.geometry import Box
from mcp_context_resources.documents.pdf.tables.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mcp_context_resources.documents.pdf.tables.rules import Drawing

_SAME: Final = 1.0
_DASH_GAP: Final = 3.2
_TOUCH: Final = 3.0
_DOUBLE: Final = 3.6
_LEAST_RULE: Final = 5.0
_LEAST_AREA: Final = 6.0
_MOST_PAGE: Final = 0.94
_MAX_RULES: Final = 4_000


@dataclass(frozen=True, slots=True)
class Mesh:
    """Rules that touch each other: `across` are horizontal, `down` vertical."""

    across: tuple[Rule, ...]
    down: tuple[Rule, ...]

    @property
    def box(self) -> Box:
        """The smallest box around all of them."""
        xs = [*(rule.at for rule in self.down), *(x for rule in self.across for x in (rule.start, rule.end))]
        ys = [*(rule.at for rule in self.across), *(y for rule in self.down for y in (rule.start, rule.end))]
        return Box(min(xs), min(ys), max(xs), max(ys))

    @property
    def inner(self) -> bool:
        """Tell whether a vertical rule parts the inside."""
        box = self.box
        return any(box.left + _DOUBLE < rule.at < box.right - _DOUBLE for rule in self.down)


def meshes(drawing: Drawing, width: float, height: float) -> list[Mesh]:
    """Group what is drawn on a page of this size into meshes; none where there are too many lines."""
    across: list[Rule] = []
    down: list[Rule] = []
    for rule in [*drawing.rules, *_edges(drawing.areas, width, height)]:
        limit, size = (width, height) if rule.horizontal else (height, width)
        if rule.end < 0 or rule.start > limit or not -1 <= rule.at <= size + 1:
            continue
        (across if rule.horizontal else down).append(rule)
    if len(across) + len(down) > 4 * _MAX_RULES:
        return []
    across, down = _merged(across), _merged(down)
    if len(across) + len(down) > _MAX_RULES:
        return []
    return _components(across, down)


def _edges(areas: Sequence[tuple[Box, int]], width: float, height: float) -> list[Rule]:
    """Return the edges of cell backgrounds; white ones, tiny ones and those as large as the page have none."""
    seen = [
        (box, colour)
        for box, colour in areas
        if colour != -1
        and min(box.width, box.height) >= _LEAST_AREA
        and not (box.width > _MOST_PAGE * width and box.height > _MOST_PAGE * height)
    ]
    rules = []
    for box in _joined_areas(seen):
        rules += [Rule(True, y, box.left, box.right, drawn=False) for y in (box.top, box.bottom)]
        rules += [Rule(False, x, box.top, box.bottom, drawn=False) for x in (box.left, box.right)]
    return rules


def _joined_areas(areas: list[tuple[Box, int]]) -> list[Box]:
    """Join backgrounds of one colour that touch side by side: no edge is seen between them."""
    joined: list[tuple[Box, int]] = []
    for box, colour in sorted(areas, key=lambda each: (round(each[0].top), each[0].left)):
        if joined:
            last, its_colour = joined[-1]
            level = abs(last.top - box.top) < _SAME and abs(last.bottom - box.bottom) < _SAME
            if level and its_colour == colour and abs(box.left - last.right) < 0.3:
                joined[-1] = (last.union(box), colour)
                continue
        joined.append((box, colour))
    return [box for box, _ in joined]


def _merged(rules: list[Rule]) -> list[Rule]:
    """Make one rule of pieces in a line, such as dashes or the borders of single cells."""
    lanes: list[list[Rule]] = []
    for rule in sorted(rules, key=lambda each: each.at):
        if lanes and rule.at - lanes[-1][0].at <= _SAME:
            lanes[-1].append(rule)
        else:
            lanes.append([rule])
    merged = []
    for lane in lanes:
        pieces = sorted(lane, key=lambda each: each.start)
        at = sum(rule.at for rule in lane) / len(lane)
        start, end, drawn = pieces[0].start, pieces[0].end, pieces[0].drawn
        for piece in pieces[1:]:
            if piece.start - end > _DASH_GAP:
                merged.append(Rule(piece.horizontal, at, start, end, drawn))
                start, end, drawn = piece.start, piece.end, piece.drawn
            else:
                end, drawn = max(end, piece.end), drawn or piece.drawn
        merged.append(Rule(lane[0].horizontal, at, start, end, drawn))
    return [rule for rule in merged if rule.end - rule.start >= _LEAST_RULE]


def _components(across: list[Rule], down: list[Rule]) -> list[Mesh]:
    parent = list(range(len(across) + len(down)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    levels = [rule.at for rule in across]
    for place, line in enumerate(down, start=len(across)):
        first, last = bisect_left(levels, line.start - _TOUCH), bisect_right(levels, line.end + _TOUCH)
        for other in range(first, last):
            if across[other].start - _TOUCH <= line.at <= across[other].end + _TOUCH:
                parent[root(place)] = root(other)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = {}
    for place, rule in enumerate([*across, *down]):
        groups.setdefault(root(place), ([], []))[0 if rule.horizontal else 1].append(rule)
    return [Mesh(tuple(flat), tuple(upright)) for flat, upright in groups.values()]


def positions(values: Iterable[float]) -> list[float]:
    """Sort positions, those of a double line taken as one in its middle."""
    clusters: list[list[float]] = []
    for value in sorted(values):
        if clusters and value - clusters[-1][0] <= _DOUBLE:
            clusters[-1].append(value)
        else:
            clusters.append([value])
    return [sum(cluster) / len(cluster) for cluster in clusters]


def near(rules: Iterable[Rule], places: Sequence[float]) -> list[list[Rule]]:
    """Return the rules at each of some positions in ascending order."""
    found: list[list[Rule]] = [[] for _ in places]
    for rule in rules:
        first = bisect_left(places, rule.at - _DOUBLE)
        for place in range(first, bisect_right(places, rule.at + _DOUBLE)):
            found[place].append(rule)
    return found


def covers(rules: Iterable[Rule], start: float, end: float) -> bool:
    """Tell whether rules at one position run along most of the way from `start` to `end`."""
    length = sum(max(0.0, min(rule.end, end) - max(rule.start, start)) for rule in rules)
    return length >= 0.6 * (end - start)
