"""Ragged lines: those of a CSV file that have more or fewer cells than its header, by their numbers."""

from __future__ import annotations

import csv
import io
from typing import Final, cast

from mcp_context_resources.tables.duckdb_engine.encoding import open_bytes

_LOOKED_AT_BYTES: Final = 64 << 20
_NAMED_LINES: Final = 8


def ragged_lines(path: str, delimiter: str, quote: str, cells: int) -> str:
    """Say which lines of a UTF-8 file differ from `cells` cells, and what becomes of their cells."""
    short: list[int] = []
    long: list[int] = []
    if len(delimiter) == 1:
        with open_bytes(path) as file:
            text = io.StringIO(file.read(_LOOKED_AT_BYTES).decode("utf-8-sig", "replace"), newline="")
        marks = {"quotechar": quote} if len(quote) == 1 and quote != "\0" else {"quoting": csv.QUOTE_NONE}
        reader = csv.reader(text, delimiter=delimiter, **cast("dict[str, str]", marks))  # type: ignore[arg-type] # one of two keyword arguments
        csv.field_size_limit(_LOOKED_AT_BYTES)
        begins = 1
        for row in reader:
            if row and len(row) != cells:
                (short if len(row) < cells else long).append(begins)
            begins = reader.line_num + 1
    found = [
        f"{_numbers(lines)} {what}"
        for lines, what in ((short, "fewer cells (those missing are null)"), (long, "more (in extra columns)"))
        if lines
    ]
    told = " and ".join(found) or "some have fewer cells (those missing are null) or more (in extra columns)"
    return f"Lines differ in length from the header's {cells} cells: {told}."


def _numbers(lines: list[int]) -> str:
    named = ", ".join(str(line) for line in lines[:_NAMED_LINES])
    rest = len(lines) - _NAMED_LINES
    noun = "line" if len(lines) == 1 else "lines"
    has = "has" if len(lines) == 1 else "have"
    return f"{noun} {named}{f' and {rest:,} more' if rest > 0 else ''} {has}"
