"""Chunker: pages cut into passages that can be found and cited, by headings, paragraphs, sentences, tables and code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.index.chunks.block_parser import LINES, blocks, units
from mcp_context_resources.index.chunks.headings import HeadingPath, Headings, OutlineHeading, one_line
from mcp_context_resources.index.chunks.text_boundaries import boundary_before, is_boundary, weight
from mcp_context_resources.index.spec import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mcp_context_resources.index.chunks.block_parser import Block, BlockKind
    from mcp_context_resources.index.spec import ChunkKind

__all__ = ["VERSION", "Chunker", "OutlineHeading"]

VERSION: Final = 1
"""To be raised with every change of how texts are cut: what was cut another way is cut anew."""

_WINDOW: Final = 400_000
_NEAR: Final = 4_000
_MOST_OF: Final = 0.75


@dataclass(slots=True)
class _Unit:
    """What is not cut any further: what it weighs, how far it is from the one before, the headings above it.

    `leads` tells that it belongs to what follows, `title` that it is a heading, `begins` that it is the first under
    one. `head` is the first line of the table that it continues.
    """

    start: int
    end: int
    weight: int
    kind: BlockKind
    leads: bool
    heading: tuple[str, ...]
    head: str = ""
    gap: int = 0
    begins: bool = False


class Chunker:
    """Cuts a document, page by page in order, always in the same way whatever the pieces it comes in.

    A chunk weighs about `chunk_chars`, a wide character counting twice, and never more than twice that; it doesn't
    reach over the end of a page. `outline` are the document's headings, `markdown` tells how those in the text are
    written.
    """

    def __init__(self, chunk_chars: int, outline: Iterable[OutlineHeading] = (), *, markdown: bool = False) -> None:
        self._target = chunk_chars
        self._headings = Headings(outline, markdown=markdown)
        self._path = HeadingPath()
        self._rest = ""
        self._start = 0

    def add(self, page: int, text: str, *, ends: bool = True) -> list[Chunk]:
        """Cut the next piece of a page; `ends` tells that it is the page's last one.

        What of a page is not cut yet is kept until more of it comes.
        """
        self._rest += text
        found: list[Chunk] = []
        while len(self._rest) > _WINDOW:
            cut = _window_end(self._rest)
            found += self._cut(page, self._rest[:cut], ends=False)
            self._start, self._rest = self._start + cut, self._rest[cut:]
        if ends:
            found += self._cut(page, self._rest, ends=True)
            self._start, self._rest = 0, ""
        return found

    def _cut(self, page: int, text: str, *, ends: bool) -> list[Chunk]:
        found: list[Chunk] = []
        for group in _packed(self._units(page, text, ends=ends), self._target):
            start, end = group[0].start, group[-1].end
            rows = sum(unit.weight for unit in group if unit.kind == "table")
            kind: ChunkKind = "table" if rows * 2 > sum(unit.weight for unit in group) else "text"
            path = (*_path(group), group[0].head) if group[0].head else _path(group)
            found.append(Chunk(kind, text[start:end], page, self._start + start, self._start + end, heading=path))
        return found

    def _units(self, page: int, text: str, *, ends: bool) -> Iterator[_Unit]:
        headings = self._headings.find(page, text, ends=ends)
        inside = {heading.start: heading.end for heading in headings if heading.end > heading.start}
        position = last = 0
        for block in blocks(text, inside):
            begins = False
            # White space before a heading is not part of its block.
            while position < len(headings) and headings[position].start <= block.start:
                self._path.enter(headings[position])
                position, begins = position + 1, True
            for unit in self._units_of(text, block):
                unit.gap, unit.begins = unit.start - last, begins
                last, begins = unit.end, False
                yield unit
        for heading in headings[position:]:
            self._path.enter(heading)

    def _units_of(self, text: str, block: Block) -> Iterator[_Unit]:
        whole = self._target * 3 // 2 if block.kind in ("table", "code") else self._target
        places = _joined(text, units(text, block, whole, self._target), whole)
        path, head = self._path.titles, ""
        for number, (start, end) in enumerate(places):
            leads = block.leads and number == len(places) - 1
            yield _Unit(start, end, weight(text[start:end]), block.kind, leads, path, head)
            if block.kind == "table" and not number:
                first = LINES.match(text, start)
                head = one_line(first[0] if first else "")


def _window_end(text: str) -> int:
    """Return where a text that is too long to be looked at whole is best cut."""
    floor = _WINDOW - _NEAR
    for mark in ("\n\n", "\n", "。", ". ", " "):
        found = text.rfind(mark, floor, _WINDOW)
        if found >= 0:
            return found + len(mark)
    return boundary_before(text, _WINDOW, floor)


def _packed(found: Iterable[_Unit], target: int) -> Iterator[list[_Unit]]:
    """Put units together to groups: as much as fits, a new one where a heading begins, tiny ones avoided."""
    small = target // 4
    before: list[_Unit] = []
    group: list[_Unit] = []
    size = 0
    for unit in found:
        more = size + unit.gap + unit.weight
        full = more > 2 * target or (more > target and size >= small)
        if group and (full or (unit.begins and size - _size(group[len(group) - _leading(group) :]) >= small)):
            carried = _carried(group, unit, small, 2 * target)
            if before:
                yield before
            before, group = group[: len(group) - len(carried)], carried
            size = _size(group)
        size += unit.weight + (unit.gap if group else 0)
        group.append(unit)
    rest = before + group
    tiny = size < small and _size(rest) <= 2 * target
    if before and tiny and (not group[0].begins or _leading(group) == len(group)):
        yield rest
        return
    yield from filter(None, (before, group))


def _carried(group: list[_Unit], following: _Unit, small: int, most: int) -> list[_Unit]:
    """Return the units at the end of a group that belong to what follows: headings, words before a list."""
    for count in range(min(_leading(group), len(group) - 1), 0, -1):
        kept = group[-count:]
        if _size(kept) <= small and _size(kept) + following.gap + following.weight <= most:
            return kept
    return []


def _leading(group: list[_Unit]) -> int:
    """Count the units at the end of a group that lead on."""
    count = 0
    while count < len(group) and group[-1 - count].leads:
        count += 1
    return count


def _size(group: list[_Unit]) -> int:
    """Tell what a group weighs, with what is between its units."""
    return sum(unit.weight + unit.gap for unit in group) - (group[0].gap if group else 0)


def _path(group: list[_Unit]) -> tuple[str, ...]:
    """Return the headings that nearly all of a group stands under, but for the group's own that nothing follows."""
    bodies = [unit for unit in group if unit.kind != "heading"] or group[-1:]
    longest = max(bodies, key=lambda unit: unit.weight).heading
    total = sum(unit.weight for unit in bodies)
    for length in range(len(longest), 0, -1):
        if sum(unit.weight for unit in bodies if unit.heading[:length] == longest[:length]) >= _MOST_OF * total:
            return longest[:length]
    return ()


def _joined(text: str, places: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Put together again what was cut within a character."""
    found: list[tuple[int, int]] = []
    for start, end in places:
        torn = found and found[-1][1] == start and not is_boundary(text, start)
        if torn and weight(text[found[-1][0] : end]) <= most:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found
