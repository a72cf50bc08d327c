"""Finding the tables of a page: those with a lattice of rules first, then those between rules, then by alignment."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.geometry import Box
from mcp_context_resources.documents.pdf.frame import Frame
from mcp_context_resources.documents.pdf.tables.aligned import aligned_tables
from mcp_context_resources.documents.pdf.tables.banded import banded_tables
from mcp_context_resources.documents.pdf.tables.grid import PageTable, header_rows_of, spanned_header_rows
from mcp_context_resources.documents.pdf.tables.joining import column_names, continues, joined
from mcp_context_resources.documents.pdf.tables.lattice import meshes
from mcp_context_resources.documents.pdf.tables.plausible import holds_table
from mcp_context_resources.documents.pdf.tables.ruled import ruled_grid
from mcp_context_resources.documents.pdf.tables.rules import read_drawing
from mcp_context_resources.documents.pdf.tables.words import PageText, cell_text, lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pypdfium2

    from mcp_context_resources.documents.pdf.tables.grid import Grid
    from mcp_context_resources.documents.pdf.tables.lattice import Mesh
    from mcp_context_resources.documents.pdf.tables.rules import Drawing
    from mcp_context_resources.documents.pdf.tables.words import Word

__all__ = ["column_names", "continues", "find_tables", "joined"]

_CAPTION: Final = re.compile(
    r"(?:table|tab\.|tableau|tabelle|tabla|tabela|表|第)\s*[A-Z]?[\d０-９IVX]+(?:[-.．‐][\d０-９]+)*\s*(?:表|[:.．：)]|\s|$|[^\d\s,、はがをにの])",
    re.IGNORECASE,
)
_CAPTION_GAP: Final = 28.0
_CAPTION_LINES: Final = 3
_CAPTION_CHARS: Final = 300
_MOST_MESHES: Final = 100


def find_tables(page: pypdfium2.PdfPage) -> list[PageTable]:
    """Find the tables of an open page, from top to bottom; a page with too much on it to tell gives none."""
    frame = Frame.of(page)
    text = PageText(page, frame)
    try:
        words = text.words()
        if not words:
            return []
        drawing = read_drawing(page, frame)
        nets = [] if drawing.too_much else meshes(drawing, frame.width, frame.height)
        found = _ruled(nets, words, text)
        left = _outside(words, [box for _, box, _ in found])
        across = [rule for net in nets if not net.inner for rule in net.across]
        found += [(grid, box, True) for grid, box in banded_tables(across, left, text)]
        left = _outside(words, [box for _, box, _ in found])
        found += [(grid, box, False) for grid, box in aligned_tables(left, text)]
        if not found:
            return []
        found.sort(key=lambda each: (each[1].top, each[1].left))
        left = _outside(words, [box for _, box, _ in found])
        lines = lines_of(left)
        return [_table(grid, _within(box, frame), ruled, lines, drawing, text) for grid, box, ruled in found]
    finally:
        text.close()


def _within(box: Box, frame: Frame) -> Box:
    return Box(max(box.left, 0), max(box.top, 0), min(box.right, frame.width), min(box.bottom, frame.height))


def _ruled(nets: Sequence[Mesh], words: Sequence[Word], text: PageText) -> list[tuple[Grid, Box, bool]]:
    found: list[tuple[Grid, Box, bool]] = []
    inner = sorted((net for net in nets if net.inner), key=lambda each: -each.box.width * each.box.height)
    for net in inner[:_MOST_MESHES]:
        box = net.box
        if any(box.overlaps(other) for _, other, _ in found):
            continue
        grid = ruled_grid(net, words, text)
        if grid is not None and holds_table(grid):
            found.append((grid, box, True))
    return found


def _outside(words: Sequence[Word], boxes: Sequence[Box]) -> list[Word]:
    def free(word: Word) -> bool:
        middle = (word.box.left + word.box.right) / 2
        return not any(box.left <= middle <= box.right and box.top <= word.middle <= box.bottom for box in boxes)

    return [word for word in words if free(word)] if boxes else list(words)


def _table(
    grid: Grid, box: Box, ruled: bool, lines: Sequence[Sequence[Word]], drawing: Drawing, text: PageText
) -> PageTable:
    title = ""
    if grid.title_row():
        title = grid.drop_first_row()
    header_rows = grid.header_rows
    if header_rows is None:
        header_rows = spanned_header_rows(grid) or header_rows_of(grid.texts(), marked=_marked(grid, drawing, text))
    rows = grid.repeated(header_rows)
    kept = [place for place, row in enumerate(rows) if any(row)]
    header_rows = sum(place < header_rows for place in kept)
    used = [column for column in range(len(rows[0])) if any(row[column] for row in rows)]
    body = tuple(tuple(rows[place][column] for column in used) for place in kept)
    return PageTable(box, body, header_rows, ruled, _caption(box, lines) or title[:_CAPTION_CHARS])


def _marked(grid: Grid, drawing: Drawing, text: PageText) -> bool:
    """Tell whether the first row looks different: another background than the second, or bold above plain."""
    if len(grid.ys) < 3:
        return False
    first, second = (_background(grid, row, drawing) for row in (0, 1))
    third = _background(grid, 2, drawing) if len(grid.ys) > 3 else second
    if first not in {second, third}:
        return True
    bold = []
    for row in (0, 1):
        words = [cell.words[0] for (place, _), cell in grid.cells.items() if place == row and cell.words]
        fonts = [text.font(word).bold for word in words[:8]]
        bold.append(bool(fonts) and sum(fonts) > 0.7 * len(fonts))
    return bold[0] and not bold[1]


def _background(grid: Grid, row: int, drawing: Drawing) -> int:
    """Return the colour behind most of a row, -1 for none."""
    middle = (grid.ys[row] + grid.ys[row + 1]) / 2
    widths: dict[int, float] = {}
    for box, colour in drawing.areas:
        if box.top < middle < box.bottom and box.height < 4 * (grid.ys[row + 1] - grid.ys[row]):
            shared = min(box.right, grid.xs[-1]) - max(box.left, grid.xs[0])
            if shared > 0:
                widths[colour] = widths.get(colour, 0) + shared
    colour = max(widths, key=lambda each: widths[each], default=-1)
    return colour if widths.get(colour, 0) > 0.5 * (grid.xs[-1] - grid.xs[0]) else -1


def _caption(box: Box, lines: Sequence[Sequence[Word]]) -> str:
    """Return the caption directly above or below, as one line."""
    beside = []
    for line in lines:
        left, right = line[0].box.left, line[-1].box.right
        if left < box.right and box.left < right:
            beside.append((min(word.box.top for word in line), max(word.box.bottom for word in line), line))
    above = [entry for entry in beside if entry[1] <= box.top + 2][-_CAPTION_LINES:]
    below = [entry for entry in beside if entry[0] >= box.bottom - 2][:_CAPTION_LINES]
    nearest = box.top
    taken: list[Sequence[Word]] = []
    for top, bottom, line in reversed(above):
        if nearest - bottom > _CAPTION_GAP:
            break
        taken.insert(0, line)
        if _CAPTION.match(cell_text(line)):
            return _one_line(taken)
        nearest = top
    if below and below[0][0] - box.bottom <= _CAPTION_GAP and _CAPTION.match(cell_text(below[0][2])):
        taken = [below[0][2]]
        for before, entry in pairwise(below):
            if entry[0] - before[1] > 4:
                break
            taken.append(entry[2])
        return _one_line(taken)
    return ""


def _one_line(lines: Sequence[Sequence[Word]]) -> str:
    return cell_text(word for line in lines for word in line)[:_CAPTION_CHARS]
