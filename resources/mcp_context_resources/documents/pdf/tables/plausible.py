"""Plausible tables: what tells one from prose, lists, contents, code and formulas that happen to align."""

from __future__ import annotations

import re
from statistics import median
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.pdf.tables.numbers import is_number, is_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.pdf.tables.columns import Line
    from mcp_context_resources.documents.pdf.tables.grid import Grid
    from mcp_context_resources.documents.pdf.tables.words import PageText

_LEADERS: Final = re.compile(r"\.{4,}|(?:\. ){3,}|…{2,}|・{4,}|(?:\s\.){4,}")
_MARKER: Final = re.compile(
    r"[•·◦▪‣∗*–—\-●○■□◆◇・]|\(?\w{1,3}[.)、．]|\[\w{1,8}\]|第?[0-9０-９一二三四五六七八九十]+[.)、．条章節]?"
)
_CODE: Final = re.compile(r"[{};=<>$\\|#`~^]")
_MATH_FONT: Final = re.compile(r"CMMI|CMSY|CMEX|MSAM|MSBM|Math|Symbol", re.IGNORECASE)
_PROSE_HEIGHTS: Final = 13.0
_SAMPLE: Final = 24
_LEAST_ROW: Final = 6.0


def holds_table(grid: Grid) -> bool:
    """Tell whether a grid drawn on the page holds a table, and is no empty form, chart or page layout."""
    rows = grid.texts()
    filled = [sum(bool(text) for text in row) for row in rows]
    columns = len(rows[0])
    in_columns = [sum(bool(row[column]) for row in rows) for column in range(columns)]
    if grid.ys[-1] - grid.ys[0] < _LEAST_ROW * len(rows):
        return False
    symbols = sum(not any(map(str.isalnum, text)) and not is_value(text) for row in rows for text in row if text)
    if symbols > 0.3 * sum(filled):
        return False
    written = "".join(text for row in rows for text in row)
    if sum(map(str.isalnum, written)) < 0.45 * len(written):
        return False
    covered = sum(cell.rows * cell.columns for cell in grid.cells.values() if cell.text)
    if sum(count > 0 for count in filled) < 2 or sum(count > 0 for count in in_columns) < 2 or sum(filled) < 4:
        return False
    if covered < 0.3 * len(rows) * columns or not any(count >= 2 for count in filled):
        return False
    return sum(len(text) > 600 for row in rows for text in row) < 0.25 * sum(filled)


def aligned_table(grid: Grid, lines: Sequence[Line], height: float, text: PageText) -> bool:
    """Tell whether lines that only align with each other, without a rule between them, are a table."""
    rows = grid.texts()
    return (
        len(rows) >= 3
        and between_rules(grid, lines, height)
        and not any(_is_prose(grid, column, height) for column in range(len(rows[0])))
        and _has_values(rows)
        and all(_is_aligned(grid, column) for column in range(len(rows[0])))
        and not _reads_as_list(rows)
        and not set_as_code_or_formula(lines, text)
    )


def between_rules(grid: Grid, lines: Sequence[Line], height: float) -> bool:
    """Tell whether text between horizontal rules is a table, and no article in columns, contents or code."""
    rows = grid.texts()
    columns = len(rows[0])
    if len(rows) < 2 or columns < 2:
        return False
    cells = [text for row in rows for text in row if text]
    if len(cells) < 0.4 * len(rows) * columns or len(cells) < 4:
        return False
    if sum(sum(map(bool, row)) >= 2 for row in rows) < 0.6 * len(rows):
        return False
    written = [" ".join(word.text for word in line) for line in lines]
    if sum(bool(_LEADERS.search(line)) for line in written) > 0.2 * len(written):
        return False
    across = sum(cell.columns > 1 for (row, _), cell in grid.cells.items() if row >= (grid.header_rows or 1))
    if across > 0.2 * len(rows):
        return False
    return sum(_is_prose(grid, column, height) for column in range(columns)) < min(2, columns)


def _is_prose(grid: Grid, column: int, height: float) -> bool:
    """Tell whether the cells of a column are long lines of text, one below the other."""
    widths = []
    for (_, place), cell in grid.cells.items():
        if place == column and cell.words:
            widths.append(max(word.box.right for word in cell.words) - min(word.box.left for word in cell.words))
    return bool(widths) and median(widths) > _PROSE_HEIGHTS * height


def _has_values(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether enough of the cells are numbers, or so many columns of short texts that chance is ruled out."""
    columns = len(rows[0])
    body = rows[1:]
    numeric = 0
    for column in range(columns):
        texts = [row[column] for row in body if row[column]]
        numeric += bool(len(texts) >= 2 and sum(map(is_value, texts)) >= 0.7 * len(texts))
    density = sum(bool(text) for row in rows for text in row) / (len(rows) * columns)
    longest = median(max(len(text) for text in row) for row in rows)
    if columns == 2:
        return numeric == 1 and len(rows) >= 4 and density > 0.95 and not is_number(rows[1][0])
    if numeric:
        return density > 0.55 and longest <= 40
    return columns >= 3 and len(rows) >= 4 and density > 0.85 and longest <= 30


def _is_aligned(grid: Grid, column: int) -> bool:
    """Tell whether the cells of a column share their left ends, right ends or middles."""
    lefts, rights = [], []
    for (row, place), cell in grid.cells.items():
        if place == column and cell.words and cell.columns == 1 and row:
            lefts.append(min(word.box.left for word in cell.words))
            rights.append(max(word.box.right for word in cell.words))
    if len(lefts) < 2:
        return True
    middles = [(left + right) / 2 for left, right in zip(lefts, rights, strict=True)]
    for ends in (lefts, rights, middles):
        usual = median(ends)
        if sum(abs(end - usual) <= 2.5 for end in ends) >= 0.75 * len(ends):
            return True
    # Numbers set on their decimal point share no end: they are narrow.
    return max(rights) - min(lefts) < 45


def _reads_as_list(rows: Sequence[Sequence[str]]) -> bool:
    first = [row[0] for row in rows if row[0]]
    if len(rows[0]) <= 3 and sum(bool(_MARKER.fullmatch(text)) for text in first) >= 0.6 * len(first):
        return not _counts_up_from_header(rows)
    if len(rows[0]) == 2 and sum(text.endswith((":", "：")) for text in first) >= 0.5 * len(first):
        return True
    body = "".join(text for row in rows for text in row)
    return len(_CODE.findall(body)) > 0.06 * max(len(body), 1)


def _counts_up_from_header(rows: Sequence[Sequence[str]]) -> bool:
    return all(rows[0]) and not any(map(is_number, rows[0])) and any(is_number(text) for text in rows[1][1:])


def set_as_code(lines: Sequence[Line], text: PageText) -> bool:
    """Tell whether nearly all words are in a typewriter font, as listings are."""
    words = [word for line in lines for word in line]
    sample = words[:: max(1, len(words) // _SAMPLE)]
    fonts = [text.font(word) for word in sample]
    return sum(font.fixed_pitch and not _is_wide_named(font.name) for font in fonts) > 0.85 * len(fonts)


def set_as_code_or_formula(lines: Sequence[Line], text: PageText) -> bool:
    """Tell whether many words are in a typewriter font or in one for mathematics."""
    words = [word for line in lines for word in line]
    sample = words[:: max(1, len(words) // _SAMPLE)]
    fonts = [text.font(word) for word in sample]
    code = sum(font.fixed_pitch and not _is_wide_named(font.name) for font in fonts)
    formula = sum(bool(_MATH_FONT.search(font.name)) for font in fonts)
    return code > 0.5 * len(fonts) or formula > 0.25 * len(fonts)


def _is_wide_named(name: str) -> bool:
    """Tell Japanese fonts, whose kanji are all of one width, from those made for code."""
    plain = name.lower()
    return any(mark in plain for mark in ("gothic", "mincho", "cjk", "ipa", "haranoaji", "ming", "song", "hei"))
