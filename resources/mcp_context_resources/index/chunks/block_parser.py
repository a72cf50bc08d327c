"""Block parser: a text taken apart into what belongs together: headings, paragraphs, lists, tables, code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from mcp_context_resources.index.chunks.text_boundaries import pieces, trimmed, weight
from mcp_context_resources.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BlockKind = Literal["heading", "paragraph", "list", "table", "code"]

LINES: Final = re.compile(
    r"[^\n\r\v\f\x85\u2028\u2029]*+(?:\r\n|[\n\r\v\f\x85\u2028\u2029])|[^\n\r\v\f\x85\u2028\u2029]++"
)
"""Lines of a text, each with its end."""

_FENCE: Final = re.compile(r"[ \t]{0,12}(`{3,}(?=[^`]*$)|~{3,})")
_LIST_ITEM: Final = re.compile(
    r"[ \t\u3000]*(?:(?:[-*+–]|\d{1,3}[.)])[ \t\u3000]+|(?:[•・●○■□◆‣▪①-⑳]|[(（]\d{1,3}[)）])[ \t\u3000]*)\S"
)
_TABLE_RULE: Final = re.compile(r"[ \t]{0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$")
_GAP: Final = re.compile(r" {2,}")
_INDENTED: Final = re.compile(r"(?:\t| {2,})\S")
_LEADS: Final = re.compile(r"[:：][*_]*$")
# Few lines with gaps in them are no table yet.
_LEAST_ROWS: Final = 3
_LONGEST_ROW: Final = 4_000


@dataclass(frozen=True, slots=True)
class Block:
    """Characters `start` to `end` of a text, white space around them left out.

    `leads` tells that it belongs to what follows it: a heading, or words that introduce a list.
    """

    kind: BlockKind
    start: int
    end: int
    leads: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str


def blocks(text: str, headings: Mapping[int, int]) -> Iterator[Block]:
    """Take a text apart; `headings` tells of each line that is one, by where it begins, where the heading ends."""
    gathered: list[_Line] = []
    fence = ""
    skip_to = 0
    for match in LINES.finditer(text):
        start, end = match.span()
        if start < skip_to:
            continue
        line = match[0].rstrip()
        if fence:
            gathered.append(_Line(start, end, line))
            if _closes(line, fence):
                yield from _block(text, "code", gathered)
                gathered, fence = [], ""
        elif start in headings:
            yield from _blocks_of(text, gathered)
            gathered, skip_to = [], headings[start]
            yield from _block(text, "heading", [_Line(start, skip_to, "")])
        elif opening := _FENCE.match(line):
            yield from _blocks_of(text, gathered)
            gathered, fence = [_Line(start, end, line)], opening[1]
        elif line:
            gathered.append(_Line(start, end, line))
        else:
            yield from _blocks_of(text, gathered)
            gathered = []
    yield from _block(text, "code", gathered) if fence else _blocks_of(text, gathered)


def units(text: str, block: Block, whole: int, most: int) -> list[tuple[int, int]]:
    """Cut a block where it may be cut: not at all where it weighs up to `whole`, else into parts of up to `most`.

    Tables and code are cut between lines, lists before items, all else behind sentences.
    """
    if block.end - block.start <= whole and weight(text[block.start : block.end]) <= whole:
        return [(block.start, block.end)]
    found: list[tuple[int, int]] = []
    for start, end in _parts(text, block):
        if end - start <= most and weight(text[start:end]) <= most:
            found.append((start, end))
        elif block.kind in ("list", "paragraph"):
            for first, last in sentences(text[start:end]):
                if (last - first) * 2 <= most:
                    found.append((start + first, start + last))
                else:
                    found += pieces(text, start + first, start + last, most)
        else:
            found += pieces(text, start, end, most)
    return found


def _parts(text: str, block: Block) -> Iterator[tuple[int, int]]:
    lines = [(match.start(), match.end()) for match in LINES.finditer(text, block.start, block.end)]
    if block.kind == "paragraph" and not _reads_by_lines(text, lines):
        yield block.start, block.end
        return
    start = block.start
    for first, _ in lines[1:]:
        if block.kind != "list" or _LIST_ITEM.match(text, first):
            yield trimmed(text, start, first)
            start = first
    yield trimmed(text, start, block.end)


def _reads_by_lines(text: str, lines: Sequence[tuple[int, int]]) -> bool:
    """Tell text whose line ends matter, such as code, by its indents."""
    indented = sum(_INDENTED.match(text, start) is not None for start, _ in lines)
    return len(lines) > 2 and indented * 2 >= len(lines)


def _closes(line: str, fence: str) -> bool:
    closing = line.strip()
    return closing.startswith(fence) and not closing.strip(fence[0])


def _blocks_of(text: str, lines: list[_Line]) -> Iterator[Block]:
    """Divide lines without a blank one among them."""
    run: list[_Line] = []
    kind: BlockKind = "paragraph"
    table_until = 0
    for place, line in enumerate(lines):
        if place >= table_until:
            table_until = max(table_until, _table_end(lines, place))
        now: BlockKind = "paragraph"
        if place < table_until:
            now = "table"
        elif _LIST_ITEM.match(line.text) or (kind == "list" and run):
            now = "list"
        if now != kind and run:
            yield from _block(text, kind, run)
            run = []
        kind = now
        run.append(line)
    yield from _block(text, kind, run)


def _table_end(lines: Sequence[_Line], place: int) -> int:
    """Return the number of the line behind a table that begins at a line; 0 where none does."""
    if "|" in lines[place].text and place + 1 < len(lines) and _TABLE_RULE.match(lines[place + 1].text):
        end = place + 2
        while end < len(lines) and "|" in lines[end].text:
            end += 1
        return end
    if not _has_cells(lines[place].text):
        return 0
    end = place + 1
    while end < len(lines) and _has_cells(lines[end].text):
        end += 1
    plain = "|" in lines[place].text or "\t" in lines[place].text
    return end if end - place >= (2 if plain else _LEAST_ROWS) else 0


def _has_cells(line: str) -> bool:
    bare = line.strip()
    if len(bare) > _LONGEST_ROW:
        return False
    if " | " in bare or "\t" in bare or (bare[:1] == "|" == bare[-1:] and len(bare) > 1):
        return True
    return "  " in bare and len(_GAP.findall(bare)) >= 2


def _block(text: str, kind: BlockKind, lines: Sequence[_Line]) -> Iterator[Block]:
    if not lines:
        return
    start, end = trimmed(text, lines[0].start, lines[-1].end)
    if start < end:
        leads = kind == "heading" or (kind == "paragraph" and _LEADS.search(text, max(start, end - 8), end) is not None)
        yield Block(kind, start, end, leads)
