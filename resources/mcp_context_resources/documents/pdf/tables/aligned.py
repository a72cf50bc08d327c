"""Tables without any rule, by the alignment of their text: what TABULA calls `stream`.

As Nurminen (2013) does, neighbouring lines are taken for a table as long as the same white gutters run down through all
of them. What only happens to align is told apart by `plausible`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.pdf.tables.columns import segments, word_height
from mcp_context_resources.documents.pdf.tables.lined import lined_grid
from mcp_context_resources.documents.pdf.tables.plausible import aligned_table, set_as_code_or_formula
from mcp_context_resources.documents.pdf.tables.words import lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.tables.columns import Line
    from mcp_context_resources.documents.pdf.tables.grid import Grid
    from mcp_context_resources.documents.pdf.tables.words import PageText, Word

_COLUMN_GAP: Final = 0.75
_ROW_PITCH: Final = 2.7
_MAX_LINES: Final = 300
_MAX_WORDS: Final = 8_000
_MAX_BLOCK: Final = 120
_LEAST_ROWS: Final = 3
_MOST_TRIES: Final = 40
_TRIES_HERE: Final = 3
_FAR: Final = 1e6
_STEADY: Final = 10


def aligned_tables(words: Sequence[Word], text: PageText) -> list[tuple[Grid, Box]]:
    """Find the tables among words that no rule bounds."""
    found: list[tuple[Grid, Box]] = []
    if len(words) > _MAX_WORDS:
        return found
    lines = lines_of(words)
    if sum(len(line) > 1 and _is_parted(line) for line in lines) < _LEAST_ROWS:
        return found
    for part in _page_columns(words, lines):
        lines = [line for line in lines_of(part)[:_MAX_LINES] if not _has_leader(line)]
        if sum(map(_is_parted, lines)) >= _LEAST_ROWS:
            found += _in_lines(lines, text)
    return found


def _is_parted(line: Line) -> bool:
    return len(segments(line, _COLUMN_GAP * word_height([line]))) > 1


def _page_columns(words: Sequence[Word], lines: Sequence[Line]) -> list[list[Word]]:
    """Part the words of a page set in two columns of prose; else return them as they are."""
    if len(lines) < 12:
        return [list(words)]
    left = min(word.box.left for word in words)
    right = max(word.box.right for word in words)
    for share in (0.5, 0.48, 0.52, 0.46, 0.54):
        edge = left + share * (right - left)
        crossing = sum(any(word.box.left < edge < word.box.right for word in line) for line in lines)
        if crossing > 0.15 * len(lines):
            continue
        halves = [
            [word for word in words if (word.box.left + word.box.right) / 2 < edge],
            [word for word in words if (word.box.left + word.box.right) / 2 >= edge],
        ]
        if all(_is_text_block(half, 0.5 * (right - left)) for half in halves):
            return halves
    return [list(words)]


def _is_text_block(words: Sequence[Word], width: float) -> bool:
    lines = lines_of(words)
    full = 0
    for line in lines:
        height = word_height([line])
        parts = segments(line, _COLUMN_GAP * height)
        full += any(part[-1].box.right - part[0].box.left > 0.75 * width for part in parts)
    return full >= max(6, 0.35 * len(lines))


def _in_lines(lines: Sequence[Line], text: PageText) -> list[tuple[Grid, Box]]:
    found: list[tuple[Grid, Box]] = []
    start, tries = 0, 0
    while start < len(lines) - 2 and tries < _MOST_TRIES:
        blocks = _blocks_from(lines, start)
        grid_and_end = None
        for end in blocks[:_TRIES_HERE]:
            tries += 1
            grid_and_end = _grid(lines[start:end], text)
            if grid_and_end is not None:
                found.append(grid_and_end)
                start = end
                break
        if grid_and_end is None:
            # What fails as a whole mostly fails without its first line, too.
            start += 1 + (blocks[0] - start) // 8 if blocks else 1
    return found


def _blocks_from(lines: Sequence[Line], start: int) -> list[int]:
    """Return the ends of the blocks of lines that begin here and keep a number of columns, the largest block first."""
    height = word_height(lines[start : start + 3])
    least = _COLUMN_GAP * height
    if len(segments(lines[start], least)) < 2:
        return []
    blocks: dict[int, int] = {}
    strips: list[tuple[float, float]] | None = None
    extent, odd = (0.0, 0.0), 0
    for end in range(start + 1, min(len(lines), start + _MAX_BLOCK) + 1):
        line = lines[end - 1]
        if end > start + 1 and _middle(line) - _middle(lines[end - 2]) > _ROW_PITCH * height:
            break
        left, right = line[0].box.left, max(word.box.right for word in line)
        if strips is None:
            strips, extent = [(-_FAR, _FAR)], (left, right)
        parted = len(segments(line, least)) > 1
        if not parted and (left < extent[0] - 2 or right > extent[1] + least):
            break
        clear = _clear(strips, line, least)
        inner = len(_inside(clear, extent))
        if end - start > _STEADY * (odd + 1) and inner < len(_inside(strips, extent)) and len(line) > inner + 1:
            # One text too long for its column does not end a table.
            odd += 1
            continue
        strips = clear
        extent = (min(extent[0], left), max(extent[1], right))
        columns = 1 + len(_inside(strips, extent))
        if columns < 2:
            break
        if end >= start + 3 and parted:
            blocks[columns] = end
    ranked = sorted(blocks.items(), key=lambda block: (block[0] - 1) * (block[1] - start - 1), reverse=True)
    return [end for _, end in ranked]


def _inside(strips: Sequence[tuple[float, float]], extent: tuple[float, float]) -> list[tuple[float, float]]:
    return [strip for strip in strips if extent[0] < (strip[0] + strip[1]) / 2 < extent[1]]


def _steady(block: Sequence[Line], height: float) -> list[tuple[float, float]]:
    """Return the gutters of a block, a few lines that break them left out."""
    least = _COLUMN_GAP * height
    strips: list[tuple[float, float]] = [(-_FAR, _FAR)]
    left = min(line[0].box.left for line in block)
    right = max(word.box.right for line in block for word in line)
    odd = 0
    for place, line in enumerate(block, start=1):
        clear = _clear(strips, line, least)
        fewer = len(_inside(clear, (left, right))) < len(_inside(strips, (left, right)))
        if place > _STEADY * (odd + 1) and fewer:
            odd += 1
            continue
        strips = clear
    return _inside(strips, (left, right))


def _clear(strips: Sequence[tuple[float, float]], line: Line, least: float) -> list[tuple[float, float]]:
    """Return what a line of words leaves of strips, pieces narrower than `least` left out."""
    left_over = []
    for low, high in strips:
        begin = low
        for word in line:
            if word.box.right <= begin or word.box.left >= high:
                continue
            if word.box.left - begin >= least:
                left_over.append((begin, word.box.left))
            begin = max(begin, word.box.right)
        if high - begin >= least:
            left_over.append((begin, high))
    return left_over


def _grid(block: Sequence[Line], text: PageText) -> tuple[Grid, Box] | None:
    if set_as_code_or_formula(block, text):
        return None
    height = word_height(block)
    found = [(left + right) / 2 for left, right in _steady(block, height)]
    if not found:
        return None
    box = _around(block)
    grid = lined_grid([block], found, box.left, box.right, headings=0, header_band=False)
    return (grid, box) if aligned_table(grid, block, height, text) else None


def _has_leader(line: Line) -> bool:
    """Tell lines of a table of contents, whose dots lead to a page number."""
    return sum(set(word.text) == {"."} for word in line) > 3 or any("......" in word.text for word in line)


def _middle(line: Line) -> float:
    return sum(word.middle for word in line) / len(line)


def _around(lines: Sequence[Line]) -> Box:
    words = [word for line in lines for word in line]
    box = words[0].box
    for word in words[1:]:
        box = box.union(word.box)
    return box
