"""What is read from a picture of a page: plain, picklable data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp_context_resources.documents.geometry import Box


@dataclass(frozen=True, slots=True)
class OcrLine:
    """One line of text, or one column of vertical text.

    `box` is in points on the page as it is displayed, also where the scan lies on its side; `confidence` is 0 to 1.
    Lines with the same `block` number, counted from 0, stand in one paragraph.
    """

    text: str
    box: Box
    confidence: float
    block: int = 0


@dataclass(frozen=True, slots=True)
class OcrPage:
    """The lines of a page in reading order.

    `confidence` (0 to 1) is the mean over all characters, 0 without any. `engine` names the recogniser with its version
    and languages. `rotation` is how many degrees clockwise the text is turned on the displayed page; `notes` are
    sentences about what may be wrong.
    """

    lines: tuple[OcrLine, ...]
    confidence: float
    engine: str
    rotation: int = 0
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The lines joined with newlines, a blank line between blocks."""
        blocks = groupby(self.lines, key=lambda line: line.block)
        return "\n\n".join("\n".join(line.text for line in lines) for _, lines in blocks)
