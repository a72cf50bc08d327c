"""Rows of a table as text that can be searched and read by itself: `id: 7; name: Alice`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_context_resources.index.chunks.text_boundaries import pieces
from mcp_context_resources.index.spec import Chunk
from mcp_context_tools.rendering import cell_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def row_chunks(number: int, columns: Sequence[str], row: Sequence[object], most: int) -> Iterator[Chunk]:
    """Write a row, in several chunks where it weighs more than `most`; of each `start` and `end` say which part."""
    cells = zip(columns, row, strict=True)
    line = "; ".join(f"{column}: {text}" for column, cell in cells if cell is not None and (text := cell_line(cell)))
    for start, end in pieces(line, 0, len(line), most):
        yield Chunk("row", line[start:end], start=start, end=end, row=number)
