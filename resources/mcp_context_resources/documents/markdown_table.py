"""Tables in Markdown (GitHub Flavored Markdown, 4.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def markdown_table(rows: Sequence[Sequence[str]], header_rows: int) -> str:
    """Write rows as a table; several header rows become one, none an empty one."""
    width = max((len(row) for row in rows), default=0)
    if header_rows:
        columns = zip(*rows[:header_rows], strict=False)
        head = [" / ".join(dict.fromkeys(cell for cell in column if cell)) for column in columns]
    else:
        head = [""] * width
    lines = [_line(head), "|" + " --- |" * width]
    lines += [_line(row) for row in rows[header_rows:]]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
