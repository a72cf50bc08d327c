"""Running heads and feet: lines at the edges of a page that come again on its neighbours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mcp_context_resources.documents.pdf.lines import Line

NEAREST: Final = (-1, 1)
"""Pages to compare with first."""

NEXT_NEAREST: Final = (-2, 2)
"""Pages to compare with when the nearest leave a question: left and right pages often have different heads."""

_EDGE: Final = 0.13
_MOST: Final = 3
_SAME_PLACE: Final = 4.0
_LARGEST: Final = 1.35
_NUMBER: Final = re.compile(r"\d+|\b[ivxlcdm]+\b", re.IGNORECASE)
_PAGE_NUMBER: Final = re.compile(
    r"[-–—―\[(|\s]*(?:(?:page|p\.|seite|第)\s*)?(?:\d{1,5}|(?=[ivxlc])c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3}))(?:\s*(?:/|of|von|sur)\s*\d{1,5})?"
    r"\s*(?:頁|ページ)?[-–—―\])|\s]*",
    re.IGNORECASE,
)

Edge = tuple[str, float]
"""A line's text without its numbers, and its distance from the top of the page."""


def edges(lines: Sequence[Line], height: float) -> list[Edge]:
    """Return what may be running heads and feet of a page; what a neighbour is compared with."""
    near = (*_outermost(lines, height), *_outermost(lines, height, foot=True))
    return [(_shape(line), line.box.top) for line in near]


def part_running(
    lines: Sequence[Line], height: float, neighbours: Iterable[Iterable[Edge]]
) -> tuple[list[Line], list[Line], list[Line]]:
    """Part the lines of a page into heads, body and feet, by the `edges` of its neighbours, given in groups.

    A group is looked at only while there are lines at an edge of the page that no group before it explains.
    """
    usual = sorted(line.size for line in lines)[len(lines) // 2] if lines else 0.0
    above, below = _outermost(lines, height), _outermost(lines, height, foot=True)
    heads: list[Line] = []
    feet: list[Line] = []
    others: list[Edge] = []
    for group in neighbours if above or below else ():
        others += group
        heads, feet = _running(above, others, usual), _running(below, others, usual)
        if (heads or not above) and (feet or not below):
            break
    if not heads and not feet:
        return [], list(lines), []
    apart = {id(line) for line in (*heads, *feet)}
    return heads, [line for line in lines if id(line) not in apart], feet[::-1]


def _outermost(lines: Sequence[Line], height: float, *, foot: bool = False) -> list[Line]:
    """Return the first lines from the edge inwards."""
    if foot:
        near = [line for line in lines if line.box.bottom > height * (1 - _EDGE)]
        return sorted(near, key=lambda line: -line.box.bottom)[:_MOST]
    near = [line for line in lines if line.box.top < height * _EDGE]
    return sorted(near, key=lambda line: line.box.top)[:_MOST]


def _running(candidates: Sequence[Line], others: Sequence[Edge], usual: float) -> list[Line]:
    found: list[Line] = []
    for line in candidates:
        shape = _shape(line)
        # Numbers alone come again in every table, large type in titles such as "Step 1", "Step 2".
        telling = any(character.isalpha() for character in shape) and line.size <= _LARGEST * usual
        again = telling and any(shape == other and abs(line.box.top - top) <= _SAME_PLACE for other, top in others)
        if not again and not _PAGE_NUMBER.fullmatch(line.text):
            break
        found.append(line)
    return found


def _shape(line: Line) -> str:
    return _NUMBER.sub("#", line.text)
