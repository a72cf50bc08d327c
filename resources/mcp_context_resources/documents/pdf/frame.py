"""Frame of a page: from a PDF's own coordinates to the page as it is displayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_context_resources.documents.geometry import Box

if TYPE_CHECKING:
    import pypdfium2


@dataclass(frozen=True, slots=True)
class Frame:
    """The displayed part of a page: its size in points after cropping and rotation, and how points get there.

    A point (x, y) of the PDF's user space (ISO 32000-1, 8.3.2) is shown at (a·x + c·y + e, b·x + d·y + f).
    """

    width: float
    height: float
    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @classmethod
    def of(cls, page: pypdfium2.PdfPage) -> Frame:
        """Take the frame of an open page."""
        left, bottom, right, top = page.get_bbox()
        rotation = page.get_rotation()
        width, height = right - left, top - bottom
        if rotation == 90:
            return cls(height, width, 0, 1, 1, 0, -bottom, -left)
        if rotation == 180:
            return cls(width, height, -1, 0, 0, 1, right, -bottom)
        if rotation == 270:
            return cls(height, width, 0, -1, -1, 0, top, right)
        return cls(width, height, 1, 0, 0, -1, -left, top)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Show where a point of the PDF's user space is displayed."""
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    @property
    def upright(self) -> bool:
        """Whether what is upright in the PDF's user space is displayed so, or upside down."""
        return self.a != 0

    def box(self, left: float, bottom: float, right: float, top: float) -> Box:
        """Show where a rectangle of the PDF's user space is displayed."""
        if self.a == 1:
            return Box(left + self.e, self.f - top, right + self.e, self.f - bottom)
        (x0, y0), (x1, y1) = self.point(left, bottom), self.point(right, top)
        return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
