"""Vertical text whose font neither the file nor the system has: PDFium leaves it out, pypdf reads it by its codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.clean_text import clean_text
from mcp_context_resources.documents.pdf.hidden import TINY_POINTS
from mcp_context_resources.documents.pdf.opening import quiet

if TYPE_CHECKING:
    from mcp_context_resources.documents.pdf.opening import PdfFile

LOST: Final = (
    "vertical text in a font that is not in the file can't be read; it can with a Japanese font on this machine"
)


def read_columns(file: PdfFile, index: int) -> str:
    """Return the text of a vertical page, a line a column, from right to left; raises whatever pypdf raises.

    Without what is off the page or too small to see.
    """
    with quiet():
        page = file.reader().pages[index]
        box = page.mediabox
        columns: dict[float, list[tuple[float, str]]] = {}

        def place(text: str, outer: list[float], inner: list[float], _font: Any, size: float | None) -> None:
            across = inner[4] * outer[0] + inner[5] * outer[2] + outer[4]
            up = inner[4] * outer[1] + inner[5] * outer[3] + outer[5]
            scale = abs(inner[0] * outer[0] + inner[1] * outer[2]) + abs(inner[0] * outer[1] + inner[1] * outer[3])
            seen = box.left < across < box.right and box.bottom < up < box.top
            if text.strip() and seen and scale * (size or 1.0) >= TINY_POINTS:
                columns.setdefault(round(across, 1), []).append((-up, text.strip()))

        page.extract_text(visitor_text=place)
    leftward = [columns[across] for across in sorted(columns, reverse=True)]
    downward = (sorted(column, key=lambda part: part[0]) for column in leftward)
    return clean_text("\n".join("".join(text for _, text in column) for column in downward))
