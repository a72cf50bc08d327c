"""Grids of lines of words, by the gutters between them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from mcp_context_resources.documents.pdf.tables.columns import (
    SEGMENT_GAP,
    gutters,
    record_of,
    rows_of,
    segments,
    splits,
    word_height,
)
from mcp_context_resources.documents.pdf.tables.grid import Cell, Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.pdf.tables.columns import Line, Record
    from mcp_context_resources.documents.pdf.tables.rules import Rule

_MAX_HEADING_LINES = 4


def inner_edges(lines: Sequence[Line]) -> tuple[list[float], int]:
    """Return the x between each two columns, and how many lines at the top are headings that span some of them."""
    height = word_height(lines)
    parted = [len(segments(line, SEGMENT_GAP * height)) > 1 for line in lines]
    best: tuple[list[tuple[float, float]], int] = ([], 0)
    for skipped in range(min(_MAX_HEADING_LINES, len(lines) - 1)):
        body = [line for line, part in zip(lines[skipped:], parted[skipped:], strict=True) if part]
        if len(body) < 2:
            break
        found = gutters(body, height)
        if len(found) > len(best[0]):
            best = (found, skipped)
    return [(start + end) / 2 for start, end in best[0]], best[1]


def lined_grid(
    bands: Sequence[Sequence[Line]],
    edges: Sequence[float],
    left: float,
    right: float,
    *,
    headings: int,
    under: Sequence[Rule] = (),
    header_band: bool,
) -> Grid:
    """Make a grid of lines in bands between rules; `under` are short rules beneath headings that span columns."""
    height = word_height([line for band in bands for line in band])
    columns = len(edges) + 1
    borders = [left, *edges, right]
    rows: list[Record] = []
    header_rows: int | None = None
    for number, band in enumerate(bands):
        heads_here = len(band) if header_band else headings
        records = [
            record_of(line, edges, height, heading=number == 0 and place < heads_here)
            for place, line in enumerate(band)
        ]
        if number == 0 and (header_band or headings):
            count = heads_here
            heads = _heading_rows(records[:count], borders, under)
            rows += heads
            header_rows = len(heads) if header_band else None
            records = records[count:]
            if not records:
                continue
        found = rows_of(records, columns, height)
        if len(bands) <= 2 + header_band or splits(found, full_grid=False):
            rows += found
        else:
            for record in found[1:]:
                found[0].absorb(record)
            rows.append(found[0])
    cells: dict[tuple[int, int], Cell] = {}
    for place, row in enumerate(rows):
        for column, words in row.columns.items():
            cells[place, column] = Cell(words, 1, min(row.spans.get(column, 1), columns - column))
    ys = [rows[0].top, *((a.bottom + b.top) / 2 for a, b in pairwise(rows)), rows[-1].bottom]
    grid = Grid(borders, ys, cells, header_rows)
    grid.settle()
    return grid


def _heading_rows(records: Sequence[Record], borders: Sequence[float], under: Sequence[Rule]) -> list[Record]:
    """Make header rows of heading lines: one for each level of headings, lines of wrapped headings joined."""
    rows: list[Record] = []
    for place, record in enumerate(records):
        last = place == len(records) - 1
        below = records[place + 1].middle if not last else borders[-1]
        if not last:
            rules = [rule for rule in under if record.middle < rule.at < below]
            _widen(record, borders, rules, records[place + 1])
        parted = rows and (rows[-1].spans or any(rows[-1].middle < rule.at < record.middle for rule in under))
        if rows and not parted and not record.spans:
            rows[-1].absorb(record)
        else:
            rows.append(record)
    return rows


def _widen(record: Record, borders: Sequence[float], rules: Sequence[Rule], following: Record) -> None:
    """Let a heading span the columns over which it is centred, or that the rule beneath it underlines."""
    columns = len(borders) - 1
    for column in sorted(record.columns):
        words = record.columns[column]
        start, end = words[0].box.left, max(word.box.right for word in words)
        centre = (start + end) / 2
        line = next((rule for rule in rules if rule.start - 2 <= centre <= rule.end + 2), None)
        if line is not None:
            covered = [
                place
                for place in range(columns)
                if min(line.end, borders[place + 1]) - max(line.start, borders[place])
                > 0.5 * (borders[place + 1] - borders[place])
                or line.start - 2 <= _middle(following, place, borders) <= line.end + 2
            ]
            first, last = (min(covered), max(covered)) if covered else (column, column)
        else:
            first, last = _centred_over(record, column, centre, borders, following)
        free = all(place == column or place not in record.columns for place in range(first, last + 1))
        if last > first and free and first <= column <= last:
            del record.columns[column]
            record.spans.pop(column, None)
            record.columns[first] = words
            record.spans[first] = last - first + 1


def _middle(record: Record, column: int, borders: Sequence[float]) -> float:
    words = record.columns.get(column)
    if words:
        return (words[0].box.left + words[-1].box.right) / 2
    return (borders[column] + borders[column + 1]) / 2


def _centred_over(
    record: Record, column: int, centre: float, borders: Sequence[float], following: Record
) -> tuple[int, int]:
    """Return the run of columns whose headings one level below have this centre in common."""
    columns = len(borders) - 1
    touched = record.spans.get(column, 1)
    best = (column, min(column + touched, columns) - 1)
    least = 1e9 if touched > 1 else abs(_centre(best, borders, following) - centre) - 1
    for first in range(column, -1, -1):
        if first != column and first in record.columns:
            break
        for last in range(max(first + 1, column + touched - 1), columns):
            if last > column and last in record.columns:
                break
            if first not in following.columns or last not in following.columns:
                continue
            distance = abs(_centre((first, last), borders, following) - centre)
            if distance < min(least, 6.0):
                best, least = (first, last), distance
    return best


def _centre(run: tuple[int, int], borders: Sequence[float], following: Record) -> float:
    first, last = following.columns.get(run[0]), following.columns.get(run[1])
    start = first[0].box.left if first else borders[run[0]]
    end = last[-1].box.right if last else borders[run[1] + 1]
    return (start + end) / 2
