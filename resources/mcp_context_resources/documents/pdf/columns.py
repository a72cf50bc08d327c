"""Columns of text that a program wrote across, row by row: PDFium takes such a row for one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.fragments import Fragment, PageCharacters

_LEAST_LINES: Final = 6
_SAMPLED: Final = 3
_LEAST_GAP: Final = 0.9
_IN_MOST: Final = 0.6
_LEAST_WIDTH: Final = 0.25
_FULL: Final = 0.8
_MOSTLY_FULL: Final = 0.55

_Gap = tuple[float, float, int]
"""A gap in a line: from where to where in points, and behind how many characters."""


def split_columns(
    fragments: Sequence[Fragment], characters: PageCharacters, width: float
) -> tuple[list[Fragment], bool]:
    """Cut lines where the gap between two columns of prose runs through them; tells whether there is one.

    `width` is that of the page. Tables keep their rows: their cells don't fill a column from edge to edge.
    """
    wide = [fragment for fragment in fragments if fragment.box.width > 2 * _LEAST_WIDTH * width]
    if len(wide) < _LEAST_LINES:
        return list(fragments), False
    step = max(1, len(wide) // _SAMPLED)
    for fragment in wide[step // 2 :: step][:_SAMPLED]:
        if not _gaps(fragment, characters, inner=True):
            return list(fragments), False
    gaps = {fragment.first: found for fragment in wide if (found := _gaps(fragment, characters))}
    middle = _gutter([gap for found in gaps.values() for gap in found], len(wide))
    if middle is None:
        return list(fragments), False
    cut = {first: gap for first, found in gaps.items() for gap in found if gap[0] < middle < gap[1]}
    halves = {
        fragment.first: _halves(fragment, cut[fragment.first], characters) for fragment in wide if fragment.first in cut
    }
    if not _are_prose([left for left, _ in halves.values()], [right for _, right in halves.values()], width):
        return list(fragments), False
    return [half for fragment in fragments for half in halves.get(fragment.first, (fragment,))], True


def _gaps(fragment: Fragment, characters: PageCharacters, *, inner: bool = False) -> list[_Gap]:
    """Return the gaps in a line that are wider than a space; `inner`: of those in the middle of it only."""
    text = fragment.text
    start, end = (len(text) * 3 // 10, len(text) * 7 // 10) if inner else (1, len(text) - 1)
    found = []
    place = start - 1
    while 0 <= (place := text.find(" ", place + 1, end)) < len(text) - 1:
        before = _box(characters, fragment.index(place - 1))
        after = _box(characters, fragment.index(place + 1))
        if after.left - before.right >= _LEAST_GAP * fragment.size:
            found.append((before.right, after.left, place))
    return found


def _box(characters: PageCharacters, index: int) -> Box:
    return characters.boxes(index, 1)[0]


def _gutter(gaps: Sequence[_Gap], lines: int) -> float | None:
    """Return where the most gaps overlap, if they are in most lines."""
    edges = sorted([(start, 1) for start, _, _ in gaps] + [(end, -1) for _, end, _ in gaps])
    best, depth, where = 0, 0, 0.0
    for number, (x, change) in enumerate(edges):
        depth += change
        if depth > best:
            best, where = depth, (x + edges[number + 1][0]) / 2
    return where if best >= max(_LEAST_LINES, _IN_MOST * lines) else None


def _halves(fragment: Fragment, gap: _Gap, characters: PageCharacters) -> tuple[Fragment, Fragment]:
    start, end, place = gap
    left = fragment.part(0, place, fragment.box._replace(right=start))
    size = _box(characters, fragment.index(place + 1)).height
    return left, fragment.part(place + 1, len(fragment.text), fragment.box._replace(left=end), size)


def _are_prose(lefts: Sequence[Fragment], rights: Sequence[Fragment], width: float) -> bool:
    """Tell whether most lines of both sides fill a column of some width."""
    for side in (lefts, rights):
        if not side:
            return False
        start = min(fragment.box.left for fragment in side)
        end = sorted(fragment.box.right for fragment in side)[-max(1, len(side) // 10)]
        full = sum(1 for fragment in side if fragment.box.right - start >= _FULL * (end - start))
        if end - start < _LEAST_WIDTH * width or full < _MOSTLY_FULL * len(side):
            return False
    return True
