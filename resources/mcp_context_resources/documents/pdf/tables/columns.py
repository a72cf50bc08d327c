"""Columns and rows of text that no rules part: by gutters that run down through all lines, and by how lines wrap."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.pdf.tables.numbers import is_value
from mcp_context_resources.documents.pdf.tables.words import cell_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mcp_context_resources.documents.pdf.tables.words import Word

SEGMENT_GAP: Final = 0.55
_GUTTER: Final = 0.45
_FEW_LINES_GUTTER: Final = 0.75
_FEW_LINES: Final = 5
_TALL_PITCH: Final = 1.22

Line = list["Word"]


def word_height(lines: Iterable[Sequence[Word]]) -> float:
    """Return the usual height of a word in points."""
    heights = [word.box.height for line in lines for word in line]
    return median(heights) if heights else 10.0


def segments(line: Sequence[Word], gap: float) -> list[Line]:
    """Part a line where its words stand further apart than `gap` points."""
    parts: list[Line] = []
    for word in line:
        if parts and word.box.left - max(each.box.right for each in parts[-1]) <= gap:
            parts[-1].append(word)
        else:
            parts.append([word])
    return parts


def gutters(lines: Sequence[Sequence[Word]], height: float) -> list[tuple[float, float]]:
    """Return the strips that no word of the lines enters, from left to right; the outsides are none."""
    least = max(3.0, (_GUTTER if len(lines) > _FEW_LINES else _FEW_LINES_GUTTER) * height)
    spans = sorted((word.box.left, word.box.right) for line in lines for word in line)
    found: list[tuple[float, float]] = []
    if not spans:
        return found
    end = spans[0][1]
    for start, right in spans[1:]:
        if start - end >= least:
            found.append((end, start))
        end = max(end, right)
    return found


@dataclass(slots=True)
class Record:
    """One line of a table, or several that make one row: words by column, and where a heading spans more of them."""

    columns: dict[int, Line] = field(default_factory=dict)
    spans: dict[int, int] = field(default_factory=dict)
    lines: int = 1

    @property
    def top(self) -> float:
        """The upper end of its words."""
        return min(word.box.top for line in self.columns.values() for word in line)

    @property
    def bottom(self) -> float:
        """The lower end of its words."""
        return max(word.box.bottom for line in self.columns.values() for word in line)

    @property
    def middle(self) -> float:
        """The middle between both ends."""
        return (self.top + self.bottom) / 2

    def absorb(self, other: Record) -> None:
        """Take the words of a later line."""
        for column, words in other.columns.items():
            self.columns[column] = [*self.columns.get(column, []), *words]
        for column, count in other.spans.items():
            self.spans[column] = max(self.spans.get(column, 1), count)
        self.lines += other.lines


def record_of(line: Sequence[Word], edges: Sequence[float], height: float, *, heading: bool = False) -> Record:
    """Sort the words of a line into the columns between the inner `edges`.

    A segment across an edge spans columns in a heading, and where it is (nearly) alone on its line; in a full line it
    is a text too long for its column.
    """
    record = Record()
    parts = segments(line, SEGMENT_GAP * height)
    for part in parts:
        left, right = part[0].box.left, max(word.box.right for word in part)
        first, last = bisect_right(edges, left + 1), bisect_right(edges, right - 1)
        if last > first and len(parts) > 2 and not heading:
            for word in part:
                column = bisect_right(edges, (word.box.left + word.box.right) / 2)
                record.columns.setdefault(column, []).append(word)
            continue
        if last > first:
            record.spans[first] = max(record.spans.get(first, 1), last - first + 1)
        record.columns.setdefault(first, []).extend(part)
    return record


def rows_of(records: Sequence[Record], columns: int, height: float) -> list[Record]:
    """Join the lines of wrapped cells to rows."""
    if len(records) < 2:
        return list(records)
    pitches = [after.middle - before.middle for before, after in pairwise(records)]
    limit = _between_pitches(pitches, height)
    if limit is not None:
        return _rows_by_pitch(records, pitches, limit)
    edges = _extents(records, columns)
    rows = [_copy(records[0])]
    before = records[0]
    for record, pitch in zip(records[1:], pitches, strict=True):
        if pitch < 0.55 * height or (pitch < 1.9 * height and _wraps(before, rows[-1], record, edges)):
            rows[-1].absorb(record)
        else:
            rows.append(_copy(record))
        before = record
    return rows


def _between_pitches(pitches: Sequence[float], height: float) -> float | None:
    """Return what parts line pitches from row pitches, where these are two kinds."""
    ordered = sorted(pitches)
    best: tuple[float, float] | None = None
    for low, high in pairwise(ordered):
        if (
            low <= 1.4 * height
            and high >= _TALL_PITCH * low
            and high - low > 1.5
            and (not best or high / low > best[0])
        ):
            best = (high / max(low, 0.1), (low + high) / 2)
    return best[1] if best else None


def _rows_by_pitch(records: Sequence[Record], pitches: Sequence[float], limit: float) -> list[Record]:
    """Join lines closer than rows are, unless each of them fills the same columns: then they are rows in groups."""
    groups = [[records[0]]]
    for record, pitch in zip(records[1:], pitches, strict=True):
        if pitch < limit:
            groups[-1].append(record)
        else:
            groups.append([record])
    rows: list[Record] = []
    for group in groups:
        if len(group) > 1 and not _one_row(group):
            rows += [_copy(record) for record in group]
            continue
        rows.append(_copy(group[0]))
        for record in group[1:]:
            rows[-1].absorb(record)
    return rows


def _one_row(group: Sequence[Record]) -> bool:
    """Tell whether lines that stand close are one row: a value or the first cell is there but once."""
    single = False
    for column in set().union(*(record.columns for record in group)):
        texts = [cell_text(record.columns[column]) for record in group if column in record.columns]
        values = sum(map(is_value, texts))
        if values > 1:
            return False
        single = single or (len(texts) == 1 and values == 1)
    if single:
        return True
    return any(0 not in record.columns or len(record.columns) < 2 for record in group)


def _copy(record: Record) -> Record:
    return Record({column: list(words) for column, words in record.columns.items()}, dict(record.spans), record.lines)


def _extents(records: Sequence[Record], columns: int) -> list[float]:
    """Return how far right the words of each column reach."""
    ends = [0.0] * columns
    for record in records:
        for column, words in record.columns.items():
            if record.spans.get(column, 1) == 1:
                ends[column] = max(ends[column], *(word.box.right for word in words))
    return ends


def _wraps(before: Record, row: Record, record: Record, ends: Sequence[float]) -> bool:
    """Tell whether a line goes on with cells that had no more room in the line before it."""
    if not set(record.columns) < set(row.columns) or record.spans:
        return False
    for column, words in record.columns.items():
        above = before.columns.get(column)
        if not above or is_value(cell_text(words)) or len(cell_text(above)) < 8:
            return False
        room = ends[column] - max(word.box.right for word in above)
        if words[0].box.width + 1 < room:
            return False
    return True


def splits(rows: Sequence[Record], *, full_grid: bool) -> bool:
    """Tell whether lines between two rules are several rows, not one row of wrapped cells."""
    if len(rows) < 2 or not all(0 in row.columns for row in rows):
        return False
    shared = set.intersection(*(set(row.columns) for row in rows))
    valued = sum(all(is_value(cell_text(row.columns[column])) for row in rows) for column in shared)
    if valued >= (2 if full_grid else 1):
        return True
    several = sum(len(row.columns) >= 2 for row in rows)
    return not full_grid and (several == len(rows) >= 3 or several >= 0.75 * len(rows) >= 3)
