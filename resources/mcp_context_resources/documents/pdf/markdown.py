"""Markdown of a page: headings from the outline and the fonts, lists, tables, code, links and footnotes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.clean_text import clean_line, clean_positions
from mcp_context_resources.documents.markdown_table import markdown_table
from mcp_context_resources.documents.pdf.content import place_text
from mcp_context_resources.documents.pdf.fragments import PageCharacters
from mcp_context_resources.documents.pdf.frame import Frame
from mcp_context_resources.documents.pdf.line_styles import Style, links_of, styles_of, usual_size
from mcp_context_resources.documents.pdf.lines import GENERATED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pypdfium2

    from mcp_context_resources.documents.pdf.line_styles import Link
    from mcp_context_resources.documents.pdf.lines import Line, Piece
    from mcp_context_resources.documents.pdf.tables.grid import PageTable

_BULLET: Final = re.compile(r"[•‣▪▸►●○◦■□◆◇–—*\u2043\uf0b7\uf0a7・※]\s*(?=\S)")
_NUMBERED: Final = re.compile(r"(?:\(?\d{1,3}[.)]|\(?[a-z][.)]|[①-⑳])\s+(?=\S)")
_SECTION: Final = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,3})*\.?|第\s*\d+\s*[章節部]|[A-Z]\.(?:\d+\.?)*|付録\s*\w|Appendix\s+\w+)\s+\S"
)
_NOTE: Final = re.compile(r"(\d{1,3}|\*{1,3}|†|‡|[＊※]\d{0,2})\s*(?=\D)\S")
_UNSPACED: Final = re.compile("[\u3000-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef]")
_SPECIAL: Final = re.compile(r"^(#{1,6} |>|[-+*] |\d+[.)] |```|~~~|\|)")
_LARGER: Final = ((1.75, 1), (1.4, 2), (1.13, 3))
_HEADING_CHARS: Final = 150
_HEADING_LINES: Final = 3
_NOTE_RATIO: Final = 0.92
_LOW: Final = 0.5
_SHORT: Final = 0.85
_BREAK: Final = 0.45
_RAISED: Final = 0.8


@dataclass(slots=True)
class _Block:
    """Lines that belong together: `kind` is text, heading, item, code, note or table."""

    kind: str
    lines: list[Line]
    level: int = 0
    table: PageTable | None = None


def of_page(
    page: pypdfium2.PdfPage,
    lines: Sequence[Line],
    around: Sequence[Sequence[Line]],
    headings: Mapping[str, int],
    tables: Sequence[PageTable],
    *,
    vertical: bool,
) -> str:
    """Write a page as Markdown.

    `lines` are those of its body, `around` those of the pages near it; `headings` are the outline's titles on it
    with their depth.
    """
    if vertical:
        return place_text(lines, vertical=True).text
    frame = Frame.of(page)
    content = page.get_textpage()
    try:
        usual = usual_size([lines, *around])
        styles = dict(zip(map(id, lines), styles_of(content, lines, usual), strict=True))
        writer = _Writer(PageCharacters(content, frame), links_of(page, frame))
        blocks = _blocks(lines, styles, headings, tables, frame.height)
        notes = {match[1] for block in blocks if block.kind == "note" and (match := _NOTE.match(block.lines[0].text))}
        writer.notes = frozenset(notes)
        return _joined([(block.kind, text) for block in blocks if (text := writer.write(block, lines))])
    finally:
        content.close()


def _joined(blocks: Sequence[tuple[str, str]]) -> str:
    """Put blocks together, a blank line between them but for the items of a list."""
    parts: list[str] = []
    before = ""
    for kind, text in blocks:
        if parts:
            parts.append("\n" if kind == before == "item" else "\n\n")
        parts.append(text)
        before = kind
    return "".join(parts)


def _blocks(
    lines: Sequence[Line],
    styles: Mapping[int, Style],
    headings: Mapping[str, int],
    tables: Sequence[PageTable],
    height: float,
) -> list[_Block]:
    titles = {_bare(title): level for title, level in headings.items()}
    blocks: list[_Block] = []
    placed: set[int] = set()
    before: Line | None = None
    for line in lines:
        inside = next((number for number, table in enumerate(tables) if _is_inside(line, table)), None)
        if inside is not None:
            if inside not in placed:
                placed.add(inside)
                blocks.append(_Block("table", [], table=tables[inside]))
            before = None
            continue
        style = styles[id(line)]
        last = blocks[-1] if blocks else None
        kind, level = _kind(line, style, titles, height)
        if kind == "item" and last is not None and before is not None and _is_mid_sentence(last, before, line):
            kind = "text"
        if last is not None and before is not None and _goes_on(last, before, line, kind, level, styles):
            last.lines.append(line)
        else:
            blocks.append(_Block(kind, [line], level))
        before = line
    return [_settled(block) for block in blocks]


def _kind(line: Line, style: Style, titles: Mapping[str, int], height: float) -> tuple[str, int]:
    text = line.text
    if level := _heading_level(text, style, titles):
        return "heading", level
    if style.typewriter:
        return "code", 0
    if style.ratio <= _NOTE_RATIO and line.box.top > _LOW * height and _NOTE.match(text):
        return "note", 0
    if _BULLET.match(text) or _NUMBERED.match(text):
        return "item", 0
    return "text", 0


def _heading_level(text: str, style: Style, titles: Mapping[str, int]) -> int:
    """Return the depth of a heading, 0 for what is none: by the outline, else by size, else by weight and number."""
    if (level := titles.get(_bare(text))) is not None:
        return min(level, 6)
    if style.typewriter or len(text) > _HEADING_CHARS or not any(character.isalpha() for character in text):
        return 0
    by_size = next((level for ratio, level in _LARGER if style.ratio >= ratio), 0)
    return by_size or (4 if style.bold and _SECTION.match(text) else 0)


def _goes_on(last: _Block, before: Line, line: Line, kind: str, level: int, styles: Mapping[int, Style]) -> bool:
    """Tell whether a line belongs to the block before it."""
    gap = line.box.top - before.box.bottom
    apart = gap > _BREAK * line.size or gap < -line.size
    if kind == "code" and last.kind == "code":
        return -line.size <= gap < 2 * line.size
    if kind == "heading" and last.kind == "heading":
        return not apart and level == last.level and len(last.lines) < _HEADING_LINES
    if kind != "text" or apart:
        return False
    if last.kind == "note":
        return styles[id(line)].ratio <= _NOTE_RATIO
    if last.kind == "item":
        return line.box.left > last.lines[0].box.left - 1 and line.box.left >= before.box.left - 1
    return last.kind == "text" and not _is_last_of_paragraph(last, before)


def _is_mid_sentence(last: _Block, before: Line, line: Line) -> bool:
    """Tell whether a line only happens to begin with a number and a bracket."""
    if last.kind != "text" or line.box.top - before.box.bottom > _BREAK * line.size:
        return False
    found = _NUMBERED.match(line.text)
    return found is not None and not before.text.rstrip().endswith((":", "：", ".", "。")) and "1" not in found[0][:2]


def _is_last_of_paragraph(block: _Block, line: Line) -> bool:
    """Tell whether a line ends early and with a full stop, as the last one of a paragraph does."""
    right = max(other.box.right for other in block.lines)
    left = min(other.box.left for other in block.lines)
    ends = line.text.rstrip().endswith((".", "。", "!", "?", "！", "？", ":", "："))
    return ends and len(block.lines) > 1 and line.box.right - left < _SHORT * (right - left)


def _settled(block: _Block) -> _Block:
    """Take back what was a guess: a long stretch of large text is no heading."""
    if block.kind == "heading" and sum(len(line.text) for line in block.lines) > _HEADING_CHARS * 2:
        return replace(block, kind="text", level=0)
    return block


def _is_inside(line: Line, table: PageTable) -> bool:
    x, y = (line.box.left + line.box.right) / 2, (line.box.top + line.box.bottom) / 2
    return table.box.left - 2 <= x <= table.box.right + 2 and table.box.top - 2 <= y <= table.box.bottom + 2


def _bare(text: str) -> str:
    """Strip what an outline writes otherwise than the page: numbers before the title, blanks, case."""
    text = re.sub(r"^(?:第\s*\d+\s*[章節部]|[\dA-Z]{1,3}(?:\.\d+)*\.?)\s+", "", text.strip())
    return "".join(text.split()).casefold()


class _Writer:
    """Writes blocks; knows where the page's links are."""

    def __init__(self, characters: PageCharacters, links: Sequence[Link]) -> None:
        self._characters = characters
        self._links = links
        self.notes: frozenset[str] = frozenset()

    def write(self, block: _Block, lines: Sequence[Line]) -> str:
        """Return the Markdown of a block."""
        if block.table is not None:
            caption = f"{_escaped(block.table.caption)}\n\n" if block.table.caption else ""
            return caption + markdown_table(block.table.rows, block.table.header_rows)
        if block.kind == "code":
            return f"```\n{self._code(block.lines)}\n```"
        text = self._paragraph(block.lines, of_note=block.kind == "note")
        if block.kind == "heading":
            return f"{'#' * block.level} {text}"
        if block.kind == "note":
            match = _NOTE.match(text)
            mark = match[1] if match else ""
            return f"[^{mark}]: {text[len(mark) :].lstrip()}"
        if block.kind == "item":
            return self._item(block, text, lines)
        return _escaped(text)

    def _item(self, block: _Block, text: str, lines: Sequence[Line]) -> str:
        left = min(line.box.left for line in lines)
        depth = min(5, max(0, round((block.lines[0].box.left - left) / (2.2 * block.lines[0].size))))
        indent = "  " * depth
        bullet = _BULLET.match(text)
        return f"{indent}- {text[bullet.end() :]}" if bullet else f"{indent}{text}"

    def _code(self, lines: Sequence[Line]) -> str:
        left = min(line.box.left for line in lines)
        width = self._width(lines)
        written = []
        for number, line in enumerate(lines):
            gap = line.box.top - lines[number - 1].box.bottom if number else 0.0
            written += [""] if gap > line.size * 0.9 else []
            written.append(" " * round((line.box.left - left) / width) + line.text)
        return "\n".join(written).replace("```", "'''")

    @staticmethod
    def _width(lines: Sequence[Line]) -> float:
        """Return the width of a typewriter character."""
        widest = max(lines, key=lambda line: len(line.text))
        return max(widest.box.width / max(len(widest.text), 1), 1.0)

    def _paragraph(self, lines: Sequence[Line], *, of_note: bool = False) -> str:
        """Join lines into one, as their scripts are written."""
        joined = ""
        for number, line in enumerate(lines):
            text = self._linked(line, with_marks=not of_note)
            if not joined:
                joined = text
            elif lines[number - 1].hyphenated:
                pair = place_text([lines[number - 1], line]).text
                keeps = pair[len(lines[number - 1].text) : len(lines[number - 1].text) + 1] == "-"
                joined += ("-" if keeps else "") + text
            elif _UNSPACED.match(joined[-1]) or _UNSPACED.match(text[:1]):
                joined += text
            else:
                joined += f" {text}"
        return joined

    def _linked(self, line: Line, *, with_marks: bool) -> str:
        """Return a line's text with its links, and its footnote marks where the page has such notes."""
        near = [link for link in self._links if link.box.overlaps(line.box)]
        marks = with_marks and self.notes and any(mark in line.text for mark in self.notes)
        if not near and not marks:
            return line.text
        return "".join(
            self._piece(piece, near, line) if piece.first != GENERATED else clean_line(piece.text)
            for piece in line.pieces
        )

    def _piece(self, piece: Piece, links: Sequence[Link], line: Line) -> str:
        text = clean_line(piece.text)
        positions = clean_positions(piece.text)
        boxes = [self._characters.boxes(piece.index(place), 1)[0] for place in range(len(piece.text))]
        spans: list[tuple[int, int, str]] = []
        for link in links:
            inside = [
                place
                for place, position in enumerate(positions)
                if link.box.left - 1 <= (boxes[position].left + boxes[position].right) / 2 <= link.box.right + 1
                and boxes[position].overlaps(link.box)
            ]
            if inside:
                spans.append((inside[0], inside[-1] + 1, link.uri))
        for match in re.finditer("|".join(re.escape(mark) for mark in self.notes) or r"(?!)", text):
            box = boxes[positions[match.start()]]
            if 0 < box.height < _RAISED * line.size and box.bottom < line.box.bottom - 0.1 * line.size:
                spans.append((match.start(), match.end(), ""))
        written, done = "", 0
        for start, end, uri in sorted(spans):
            if start < done:
                continue
            label = text[start:end]
            written += text[done:start] + (_link(label, uri) if uri else f"[^{label}]")
            done = end
        return written + text[done:]


def _link(label: str, uri: str) -> str:
    blank = label[len(label.rstrip()) :]
    label = label.strip()
    if label == uri or not label:
        return f"<{uri}>{blank}" if label else blank
    return f"[{label}]({uri.replace(')', '%29').replace(' ', '%20')}){blank}"


def _escaped(text: str) -> str:
    """Keep ordinary text from being taken for Markdown's own signs."""
    return "\\" + text if _SPECIAL.match(text) else text
