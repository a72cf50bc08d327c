"""Tables between horizontal rules alone: as TeX's booktabs sets them, in a frame, or with every second row shaded.

The rules bound rows or bands of them as in TABULA's `lattice`; columns are found by their gutters as in its `stream`.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.geometry import Box
from mcp_context_resources.documents.pdf.tables.columns import SEGMENT_GAP, gutters, segments, word_height
from mcp_context_resources.documents.pdf.tables.lattice import positions
from mcp_context_resources.documents.pdf.tables.lined import inner_edges, lined_grid
from mcp_context_resources.documents.pdf.tables.plausible import aligned_table, between_rules, set_as_code
from mcp_context_resources.documents.pdf.tables.words import lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.pdf.tables.columns import Line
    from mcp_context_resources.documents.pdf.tables.grid import Grid
    from mcp_context_resources.documents.pdf.tables.rules import Rule
    from mcp_context_resources.documents.pdf.tables.words import PageText, Word

_SAME_END: Final = 4.0
_SHORTEST: Final = 36.0
_MAX_CHAINS: Final = 200
_MAX_BANDS: Final = 400
_MOST_WORDS: Final = 30_000
_MOST_UNSHADED: Final = 2


@dataclass(frozen=True, slots=True)
class _Band:
    top: float
    bottom: float
    lines: list[Line]


def banded_tables(across: Sequence[Rule], words: Sequence[Word], text: PageText) -> list[tuple[Grid, Box]]:
    """Find the tables between horizontal rules of one length."""
    ordered = sorted(words, key=lambda word: word.middle)
    levels = [word.middle for word in ordered]
    found: list[tuple[Grid, Box]] = []
    looked_at = 0
    for chain in _chains(across):
        if looked_at > _MOST_WORDS:
            break
        left, right = min(rule.start for rule in chain), max(rule.end for rule in chain)
        ys = positions(rule.at for rule in chain)
        bands = []
        for top, bottom in list(pairwise(ys))[:_MAX_BANDS]:
            inside = [
                word
                for word in ordered[bisect_left(levels, top) : bisect_left(levels, bottom)]
                if left - 2 <= (word.box.left + word.box.right) / 2 <= right + 2
            ]
            bands.append(_Band(top, bottom, lines_of(inside)))
            looked_at += len(inside)
        shaded = not any(rule.drawn for rule in chain)
        inside = [word for word in ordered if left - 2 <= word.box.left and word.box.right <= right + 2]
        for run in _runs(bands):
            if len(run) > (1 if shaded else 2):
                _extend(run, inside, shaded=shaded)
            box = Box(left, run[0].top, right, run[-1].bottom)
            if any(box.overlaps(other) for _, other in found):
                continue
            grid = _grid(run, box, across, text)
            if grid is not None:
                found.append((grid, box))
    return found


def _chains(across: Sequence[Rule]) -> list[list[Rule]]:
    chains: list[list[Rule]] = []
    for rule in sorted(across, key=lambda each: each.at):
        if rule.end - rule.start < _SHORTEST:
            continue
        for chain in chains:
            if abs(chain[-1].start - rule.start) <= _SAME_END and abs(chain[-1].end - rule.end) <= _SAME_END:
                chain.append(rule)
                break
        else:
            if len(chains) < _MAX_CHAINS:
                chains.append([rule])
    return [chain for chain in chains if len(chain) > 1]


def _runs(bands: Sequence[_Band]) -> list[list[_Band]]:
    """Part bands at those whose text stands in no columns; a line of its own between rows stays with them."""
    runs: list[list[_Band]] = [[]]
    for place, band in enumerate(bands):
        if not band.lines:
            if band.bottom - band.top > 30:
                runs.append([])
            continue
        height = word_height(band.lines)
        parted = sum(len(segments(line, SEGMENT_GAP * height)) > 1 for line in band.lines)
        lone = len(band.lines) == 1 and parted == 0 and runs[-1] and place + 1 < len(bands)
        close = band.bottom - band.top < 2.5 * height
        if parted >= 0.4 * len(band.lines) or (lone and close):
            runs[-1].append(band)
        else:
            runs.append([])
    return [run for run in runs if run]


def _extend(run: list[_Band], words: Sequence[Word], *, shaded: bool) -> None:
    """Take the rows next to the outer ones: a header above the first rule; rows between shaded ones, without shade."""
    lines = [line for band in run for line in band.lines]
    columns = len(gutters(lines, word_height(lines)))
    pitch = 1.3 * (run[-1].bottom - run[0].top) / len(run)
    above = lines_of(word for word in words if run[0].top - 3 * pitch < word.middle < run[0].top)[::-1]
    below = lines_of(word for word in words if run[-1].bottom < word.middle < run[-1].bottom + 3 * pitch)
    for beside, upwards in ((above, True), (below if shaded else [], False)):
        for line in beside[: _MOST_UNSHADED if shaded else 1]:
            nearest = run[0] if upwards else run[-1]
            together = [*lines, line]
            apart = abs(line[0].middle - (nearest.top + nearest.bottom) / 2) > pitch
            fills = len(segments(line, SEGMENT_GAP * word_height([line]))) > (0 if shaded else columns)
            if apart or len(line) < 2 or not fills or len(gutters(together, word_height(together))) < columns:
                break
            band = _Band(min(word.box.top for word in line), max(word.box.bottom for word in line), [line])
            run.insert(0 if upwards else len(run), band)
            lines = together


def _grid(run: Sequence[_Band], box: Box, across: Sequence[Rule], text: PageText) -> Grid | None:
    lines = [line for band in run for line in band.lines]
    if len(lines) < 2:
        return None
    height = word_height(lines)
    edges, headings = inner_edges(lines)
    if not edges:
        return None
    under = [
        rule
        for rule in across
        if box.top + 1 < rule.at < box.bottom - 1
        and box.left - 2 <= rule.start
        and rule.end <= box.right + 2
        and rule.end - rule.start < 0.9 * box.width
    ]
    counts = [len(band.lines) for band in run]
    header_band = len(run) >= 2 and counts[0] <= max(3, sum(counts[1:]))
    grid = lined_grid(
        [band.lines for band in run],
        edges,
        box.left,
        box.right,
        headings=headings,
        under=under,
        header_band=header_band,
    )
    if len(run) > 3:
        grid.header_rows = None
    if len(run) == 1:
        return grid if aligned_table(grid, lines, height, text) else None
    return grid if between_rules(grid, lines, height) and not set_as_code(lines, text) else None
