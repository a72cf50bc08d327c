"""Line styles: bold, in a typewriter face, how large beside the usual text; and where they link to."""

from __future__ import annotations

import ctypes
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pypdfium2.raw as pdfium

from mcp_context_resources.documents.pdf.lines import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pypdfium2

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.pdf.frame import Frame
    from mcp_context_resources.documents.pdf.lines import Line

_BOLD_WEIGHT: Final = 600
_BOLD_WORDS: Final = ("bold", "black", "heavy", "demi")
_TYPEWRITER_WORDS: Final = ("mono", "courier", "consol", "typewriter", "cmtt", "fixed")
_FIXED_PITCH: Final = 1  # flag 1 of a font descriptor (ISO 32000-1, 9.8.2)
_NAME_BYTES: Final = 200
_MOST_LINKS: Final = 500
_URI_BYTES: Final = 2_000
_WEB: Final = ("http://", "https://", "mailto:")


@dataclass(frozen=True, slots=True)
class Style:
    """How a line is set; `ratio` is its size over that of the usual text."""

    bold: bool
    typewriter: bool
    ratio: float


@dataclass(frozen=True, slots=True)
class Link:
    """An area of a page that leads to an address."""

    box: Box
    uri: str


def usual_size(pages: Iterable[Sequence[Line]]) -> float:
    """Return the size in which most characters are set, in points; 0 without any."""
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[round(line.size * 2) / 2] += sum(len(piece.text) for piece in line.pieces)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def styles_of(content: pypdfium2.PdfTextPage, lines: Sequence[Line], usual: float) -> list[Style]:
    """Return the style of each line, by its first and its middle character."""
    name = ctypes.create_string_buffer(_NAME_BYTES)
    flags = ctypes.c_int()
    styles = []
    for line in lines:
        bold: list[bool] = []
        typewriter: list[bool] = []
        for index in _looked_at(line):
            length = pdfium.FPDFText_GetFontInfo(content, index, name, _NAME_BYTES, ctypes.byref(flags))
            font = name.raw[: max(0, min(length, _NAME_BYTES) - 1)].decode("utf-8", "replace").lower()
            weight = pdfium.FPDFText_GetFontWeight(content, index)
            bold.append(weight >= _BOLD_WEIGHT or any(word in font for word in _BOLD_WORDS))
            typewriter.append(bool(flags.value & _FIXED_PITCH) or any(word in font for word in _TYPEWRITER_WORDS))
        ratio = line.size / usual if usual else 1.0
        styles.append(Style(bool(bold) and all(bold), bool(typewriter) and all(typewriter), ratio))
    return styles


def links_of(page: pypdfium2.PdfPage, frame: Frame) -> list[Link]:
    """Return the areas of a page that lead to web and mail addresses."""
    links: list[Link] = []
    position = ctypes.c_int(0)
    handle = pdfium.FPDF_LINK()
    while len(links) < _MOST_LINKS and pdfium.FPDFLink_Enumerate(page, ctypes.byref(position), ctypes.byref(handle)):
        action = pdfium.FPDFLink_GetAction(handle)
        if not action:
            continue
        buffer = ctypes.create_string_buffer(_URI_BYTES)
        length = pdfium.FPDFAction_GetURIPath(page.pdf, action, buffer, _URI_BYTES)
        uri = buffer.raw[: max(0, min(length, _URI_BYTES) - 1)].decode("utf-8", "replace")
        area = pdfium.FS_RECTF()
        if uri.lower().startswith(_WEB) and pdfium.FPDFLink_GetAnnotRect(handle, ctypes.byref(area)):
            links.append(Link(frame.box(area.left, area.bottom, area.right, area.top), uri))
    return links


def _looked_at(line: Line) -> list[int]:
    own = [piece for piece in line.pieces if piece.first != GENERATED]
    if not own:
        return []
    longest = max(own, key=lambda piece: len(piece.text))
    length = len(longest.text)
    return sorted({longest.index(place) for place in (0, length // 2, length - 1)})
