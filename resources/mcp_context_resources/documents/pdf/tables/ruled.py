"""Tables whose columns are parted by vertical rules or by the edges of cell backgrounds: TABULA's `lattice`.

The cells are those between crossing rules (Nurminen, 2013). Where rows, or columns of numbers, are left without rules
between them, they are parted by their text.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.geometry import Box
from mcp_context_resources.documents.pdf.tables.columns import (
    SEGMENT_GAP,
    gutters,
    record_of,
    rows_of,
    segments,
    splits,
    word_height,
)
from mcp_context_resources.documents.pdf.tables.grid import MAX_CELLS, Cell, Grid
from mcp_context_resources.documents.pdf.tables.lattice import Mesh, covers, near, positions
from mcp_context_resources.documents.pdf.tables.numbers import is_value
from mcp_context_resources.documents.pdf.tables.rules import Rule
from mcp_context_resources.documents.pdf.tables.words import Word, line_text, lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.pdf.tables.words import PageText

_LEAST_VALUES: Final = 4
_MOST_IN_ROW: Final = 500


def ruled_grid(mesh: Mesh, words: Sequence[Word], text: PageText) -> Grid | None:
    """Sort the words inside a mesh into its cells; None where it has too few or too many."""
    box = mesh.box
    xs = positions([box.left, box.right, *(rule.at for rule in mesh.down)])
    ys = positions([box.top, box.bottom, *(rule.at for rule in mesh.across)])
    inside = [
        word
        for word in words
        if box.left - 1 <= (word.box.left + word.box.right) / 2 <= box.right + 1
        and box.top - 1 <= word.middle <= box.bottom + 1
    ]
    if len(xs) < 3 or len(ys) < 2 or not inside or len(xs) * len(ys) > MAX_CELLS:
        return None
    inside = _cut(inside, mesh, xs, ys, text)
    unruled = _text_columns(inside, xs)
    bounds = xs
    xs = sorted([*xs, *unruled])
    drawn = list(ys)
    ys = _with_text_rows(mesh, inside, xs, ys)
    if len(ys) < 3 or len(xs) * len(ys) > MAX_CELLS:
        return None
    marks = [*mesh.down, *_uncrossed(unruled, bounds, inside, ys)]
    return _filled(Mesh(mesh.across, tuple(marks)), inside, xs, ys, set(ys) - set(drawn))


def _beside(word: Word, other: Word, xs: Sequence[float], edge: float) -> bool:
    """Tell whether another word is in the column that begins at the edge."""
    following = min((x for x in xs if x > edge), default=edge)
    return other is not word and (other.box.left + other.box.right) / 2 < following


def _text_columns(words: Sequence[Word], xs: list[float]) -> list[float]:
    """Return the x between columns of numbers that stand side by side between the same two rules."""
    columns: dict[int, list[Word]] = {}
    for word in words:
        columns.setdefault(bisect_right(xs, (word.box.left + word.box.right) / 2), []).append(word)
    found: list[float] = []
    for members in columns.values():
        height = word_height([members])
        lines = lines_of(members)
        parts = [segments(line, SEGMENT_GAP * height) for line in lines]
        values = [
            line
            for line, pieces in zip(lines, parts, strict=True)
            if len(pieces) > 1 and all(is_value(line_text(piece)) for piece in pieces)
        ]
        if len(values) >= _LEAST_VALUES and len(values) >= 0.6 * len(lines):
            for line in lines:
                if line not in values and len(gutters([*values, line], height)) == len(gutters(values, height)):
                    values.append(line)
            found += [(left + right) / 2 for left, right in gutters(values, height)]
    return found


def _uncrossed(
    columns: Sequence[float], drawn: Sequence[float], words: Sequence[Word], ys: Sequence[float]
) -> list[Rule]:
    """Return a rule for each row and text column boundary which the row respects.

    It doesn't where a word crosses it, or where a lone heading stands over all columns between two `drawn` rules.
    """
    rules: list[Rule] = []
    if not columns:
        return rules
    for top, bottom in pairwise(ys):
        row = [word for word in words if top <= word.middle < bottom]
        for x in columns:
            place = bisect_right(drawn, x)
            cell = [word for word in row if drawn[place - 1] < word.box.left and word.box.right < drawn[place]]
            heading = lines_of(cell)
            lone = len(heading) == 1 and len(segments(heading[0], SEGMENT_GAP * word_height(heading))) == 1
            if lone and not is_value(line_text(heading[0])):
                continue
            if not any(word.box.left < x < word.box.right for word in row):
                rules.append(Rule(False, x, top, bottom))
    return rules


def _cut(words: list[Word], mesh: Mesh, xs: list[float], ys: list[float], text: PageText) -> list[Word]:
    """Cut words that run across a rule: some files write the texts of neighbouring cells without a gap."""
    cut: list[Word] = []
    upright = dict(zip(xs, near(mesh.down, xs), strict=True))
    rows: dict[int, list[Word]] = {}
    for word in words:
        rows.setdefault(bisect_right(ys, word.middle), []).append(word)
    for row, members in rows.items():
        for word in members:
            edges = [x for x in xs[1:-1] if word.box.left + 1.5 < x < word.box.right - 1.5]
            if edges and 0 < row < len(ys):
                edges = [x for x in edges if covers(upright[x], ys[row - 1], ys[row])]
            if not edges or len(word.text) < 2 or len(members) > _MOST_IN_ROW:
                cut.append(word)
            elif any(other.box.left >= edges[0] and _beside(word, other, xs, edges[0]) for other in members):
                # The cell at the right has a text of its own, so this one only runs over the rule.
                box = word.box
                cut.append(Word(word.text, Box(box.left, box.top, edges[0] - 0.5, box.bottom), word.first))
            else:
                cut.extend(text.parts(word, edges))
    return cut


def _with_text_rows(mesh: Mesh, words: Sequence[Word], xs: list[float], ys: list[float]) -> list[float]:
    """Add a boundary between rows of text that no rule parts."""
    rows: dict[int, list[Word]] = {}
    for word in words:
        rows.setdefault(bisect_right(ys, word.middle) - 1, []).append(word)
    added = list(ys)
    flat = near(mesh.across, ys)
    height = word_height([words])
    for row, members in rows.items():
        lines = lines_of(members)
        if len(lines) < 2 or not 0 <= row < len(ys) - 1:
            continue
        whole = all(covers(flat[edge], xs[0], xs[-1]) or edge in (0, len(ys) - 1) for edge in (row, row + 1))
        if not whole:
            continue
        found = rows_of([record_of(line, xs[1:-1], height) for line in lines], len(xs) - 1, height)
        if splits(found, full_grid=len(ys) > 4):
            added += [(above.bottom + below.top) / 2 for above, below in pairwise(found)]
    return sorted(added)


def _filled(mesh: Mesh, words: Sequence[Word], xs: list[float], ys: list[float], seen: set[float]) -> Grid:
    columns, rows = len(xs) - 1, len(ys) - 1
    cells: dict[tuple[int, int], Cell] = {}
    owner: dict[tuple[int, int], Cell] = {}
    for members in _merged_places(mesh, xs, ys, seen):
        top, left = min(row for row, _ in members), min(column for _, column in members)
        bottom, right = max(row for row, _ in members), max(column for _, column in members)
        if len(members) == (bottom - top + 1) * (right - left + 1):
            cell = Cell(rows=bottom - top + 1, columns=right - left + 1)
            cells[top, left] = cell
            owner.update(dict.fromkeys(members, cell))
        else:
            for member in members:
                cells[member] = owner[member] = Cell()
    for word in words:
        row = min(max(bisect_right(ys, word.middle) - 1, 0), rows - 1)
        column = min(max(bisect_right(xs, (word.box.left + word.box.right) / 2) - 1, 0), columns - 1)
        owner[row, column].words.append(word)
    grid = Grid(xs, ys, cells)
    grid.settle()
    return grid


def _merged_places(mesh: Mesh, xs: list[float], ys: list[float], seen: set[float]) -> list[list[tuple[int, int]]]:
    """Group the places of the grid that no rule parts; `seen` are the boundaries that text shows, not rules."""
    columns, rows = len(xs) - 1, len(ys) - 1
    parent = list(range(rows * columns))
    upright, flat = near(mesh.down, xs), near(mesh.across, ys)

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for place in range(rows * columns):
        row, column = divmod(place, columns)
        if column + 1 < columns and not covers(upright[column + 1], ys[row], ys[row + 1]):
            parent[root(place + 1)] = root(place)
        below = ys[row + 1]
        if row + 1 < rows and below not in seen and not covers(flat[row + 1], xs[column], xs[column + 1]):
            parent[root(place + columns)] = root(place)
    groups: dict[int, list[tuple[int, int]]] = {}
    for place in range(rows * columns):
        groups.setdefault(root(place), []).append(divmod(place, columns))
    return list(groups.values())
