"""Calls into PDFium that are made thousands of times a second, declared to take plain addresses.

The generated bindings wrap every pointer in an object, which takes longer than the calls themselves.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

import pypdfium2.raw as pdfium

if TYPE_CHECKING:
    from collections.abc import Callable

_ADDRESS: Final = ctypes.c_void_p
_NUMBER: Final = ctypes.c_int


def _declared(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    return ctypes.CFUNCTYPE(result, *arguments)(ctypes.cast(function, _ADDRESS).value)  # type: ignore[arg-type]


char_index: Final = _declared(pdfium.FPDFText_GetCharIndexFromTextIndex, _NUMBER, _ADDRESS, _NUMBER)
"""(text page, text index) → character index."""

loose_box: Final = _declared(pdfium.FPDFText_GetLooseCharBox, _NUMBER, _ADDRESS, _NUMBER, _ADDRESS)
"""(text page, character index, FS_RECTF to fill) → whether it was filled."""

text_object: Final = _declared(pdfium.FPDFText_GetTextObject, _ADDRESS, _ADDRESS, _NUMBER)
"""(text page, character index) → the text object that draws it, None for a character that PDFium put in."""

render_mode: Final = _declared(pdfium.FPDFTextObj_GetTextRenderMode, _NUMBER, _ADDRESS)
"""(text object) → text rendering mode (ISO 32000-1, 9.3.6)."""

fill_colour: Final = _declared(
    pdfium.FPDFPageObj_GetFillColor, _NUMBER, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS
)
"""(page object, four unsigned ints to fill: red, green, blue, alpha) → whether they were filled."""


bounds: Final = _declared(pdfium.FPDFPageObj_GetBounds, _NUMBER, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS)
"""(page object, four floats to fill: left, bottom, right, top) → whether they were filled."""

font_of: Final = _declared(pdfium.FPDFTextObj_GetFont, _ADDRESS, _ADDRESS)
"""(text object) → its font."""

is_embedded: Final = _declared(pdfium.FPDFFont_GetIsEmbedded, _NUMBER, _ADDRESS)
"""(font) → 1 where the file holds it, 0 where the system has to."""

object_count: Final = _declared(pdfium.FPDFPage_CountObjects, _NUMBER, _ADDRESS)
"""(page) → how many objects are drawn on it, forms counted as one."""

page_object: Final = _declared(pdfium.FPDFPage_GetObject, _ADDRESS, _ADDRESS, _NUMBER)
"""(page, number) → the object."""

object_type: Final = _declared(pdfium.FPDFPageObj_GetType, _NUMBER, _ADDRESS)
"""(page object) → FPDF_PAGEOBJ_…"""

form_count: Final = _declared(pdfium.FPDFFormObj_CountObjects, _NUMBER, _ADDRESS)
"""(form object) → how many objects are in it."""

form_object: Final = _declared(pdfium.FPDFFormObj_GetObject, _ADDRESS, _ADDRESS, ctypes.c_ulong)
"""(form object, number) → the object."""


def address_of(handle: Any) -> int:
    """Return the address that one of pypdfium2's handles stands for."""
    return ctypes.cast(handle, _ADDRESS).value or 0


class Rectangle:
    """A rectangle that PDFium fills, again and again."""

    __slots__ = ("address", "value")

    def __init__(self) -> None:
        self.value = pdfium.FS_RECTF()
        self.address = ctypes.addressof(self.value)


class Colour:
    """Four numbers that PDFium fills, again and again."""

    __slots__ = ("addresses", "values")

    def __init__(self) -> None:
        self.values = (ctypes.c_uint * 4)()
        self.addresses = _addresses(self.values)


class Bounds:
    """The left, lower, right and upper edge of an object, which PDFium fills again and again."""

    __slots__ = ("addresses", "values")

    def __init__(self) -> None:
        self.values = (ctypes.c_float * 4)()
        self.addresses = _addresses(self.values)


def _addresses(values: Any) -> tuple[int, ...]:
    start, step = ctypes.addressof(values), ctypes.sizeof(values) // len(values)
    return tuple(start + place * step for place in range(len(values)))
