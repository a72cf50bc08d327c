"""Makers of documents as people have them: drawn pages, forms, labels, and text in fonts that need no files."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import pypdf
from pypdf.annotations import Text
from pypdf.constants import PageLabelStyle, UserAccessPermissions
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table, TableStyle

from tests.support.pdf_files import one_page, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Draw = Callable[[Canvas], None]

WIDTH, HEIGHT = A4
MINCHO: Final = "HeiseiMin-W3"
VERTICAL: Final = "HeiseiKakuGo-W5"


def drawn(*pages: Draw, size: tuple[float, float] = A4, **options: Any) -> bytes:
    """Draw a PDF of these pages; `options` are the canvas's own."""
    pdfmetrics.registerFont(UnicodeCIDFont(MINCHO))
    pdfmetrics.registerFont(UnicodeCIDFont(VERTICAL, isVertical=True))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=size, invariant=1, **options)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def write(
    canvas: Canvas,
    *lines: str,
    left: float = 72,
    top: float = 120,
    font: str = "Helvetica",
    size: float = 11,
    leading: float = 1.3,
) -> None:
    """Write lines below each other, the first with its foot `top` points below the page's top edge."""
    canvas.setFont(font, size)
    for number, line in enumerate(lines):
        canvas.drawString(left, HEIGHT - top - number * leading * size, line)


def page_of(*lines: str, **places: Any) -> Draw:
    """Make a page of lines, placed as `write` does."""
    return lambda canvas: write(canvas, *lines, **places)


def write_table(canvas: Canvas, rows: Sequence[Sequence[str]], *, top: float = 120) -> None:
    """Draw a ruled table with its upper edge `top` points below the page's top edge."""
    table = Table([list(row) for row in rows])
    table.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
    _, height = table.wrapOn(canvas, WIDTH, HEIGHT)
    table.drawOn(canvas, 72, HEIGHT - top - height)


def mapped_text(text: str) -> bytes:
    """Write one line in a font whose glyphs stand for exactly these characters, look-alikes and ligatures included."""
    codes = "".join(f"{number:04X}" for number in range(1, len(text) + 1))
    pairs = "\n".join(
        f"<{number:04X}> <{character.encode('utf-16-be').hex()}>" for number, character in enumerate(text, 1)
    )
    cmap = "begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange"
    cmap += f" {len(text)} beginbfchar\n{pairs}\nendbfchar endcmap"
    font = b"<< /Type /Font /Subtype /Type0 /BaseFont /Own /Encoding /Identity-H"
    font += b" /DescendantFonts [6 0 R] /ToUnicode 8 0 R >>"
    below = b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Own /FontDescriptor 7 0 R /DW 1000 /CIDSystemInfo"
    below += b" << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>"
    descriptor = b"<< /Type /FontDescriptor /FontName /Own /Flags 4 /FontBBox [0 -200 1000 800] /ItalicAngle 0"
    descriptor += b" /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>"
    content = f"BT /F1 12 Tf 72 600 Td <{codes}> Tj ET".encode()
    return one_page(content, objects={5: font, 6: below, 7: descriptor, 8: stream(cmap.encode())})


def decorated(content: bytes) -> bytes:
    """Give a PDF of at least four pages labels (ii, iii, A-1 …), metadata, a comment and an attachment."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.set_page_label(0, 1, style=PageLabelStyle.LOWERCASE_ROMAN, start=2)
    writer.set_page_label(2, len(writer.pages) - 1, style=PageLabelStyle.DECIMAL, prefix="A-")
    writer.add_metadata(
        {"/Title": "港の案内", "/Author": "Mori Aya", "/Subject": "Ferries", "/CreationDate": "D:20260401120000+09'00'"}
    )
    writer.root_object[pypdf.generic.NameObject("/Lang")] = pypdf.generic.TextStringObject("ja-JP")
    comment = Text(text="Check the fares again", rect=(72, 600, 92, 620))
    comment[pypdf.generic.NameObject("/T")] = pypdf.generic.TextStringObject("Sato")
    writer.add_annotation(1, comment)
    writer.add_attachment("fares.csv", b"line,fare\nblue,210\n")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def turned(content: bytes, rotation: int) -> bytes:
    """Turn the pages of a PDF, and cut 20 points off the left and 30 off the foot of what is shown."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    for page in writer.pages:
        page.cropbox = pypdf.generic.RectangleObject((20, 30, WIDTH, HEIGHT))
        page.rotate(rotation)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def locked(content: bytes, *, user: str, owner: str, algorithm: str) -> bytes:
    """Encrypt a PDF; printing alone is permitted."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt(user, owner, algorithm=algorithm, permissions_flag=UserAccessPermissions.PRINT)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def scan(*, text: str = "") -> bytes:
    """Return a page that is one grey picture, with `text` invisibly above it where there is any."""
    layer = f" BT /F1 12 Tf 3 Tr 72 700 Td ({text}) Tj ET".encode() if text else b""
    picture = b"/Type /XObject /Subtype /Image /Width 2 /Height 2 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    return one_page(
        b"q 595 0 0 842 0 0 cm /I Do Q" + layer,
        resources=b"/Font << /F1 5 0 R >> /XObject << /I 6 0 R >>",
        objects={6: stream(b"\xd0\xe0\xe0\xd0", picture)},
    )


def pixels(png: bytes) -> tuple[int, int, Callable[[float, float], tuple[int, ...]]]:
    """Decode a PNG of 8 bits a sample; returns width, height and what colour is at a pixel: (grey,) or (r, g, b)."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks: dict[bytes, bytes] = {}
    position = 8
    while position < len(png):
        length, kind = struct.unpack(">I4s", png[position : position + 8])
        body = png[position + 8 : position + 8 + length]
        assert zlib.crc32(kind + body) == int.from_bytes(png[position + 8 + length : position + 12 + length], "big")
        chunks[kind] = chunks.get(kind, b"") + body
        position += length + 12
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, interlaced) == (8, 0)
    step = {0: 1, 2: 3}[colour]
    rows = _unfiltered(zlib.decompress(chunks[b"IDAT"]), width * step, height, step)
    return width, height, lambda x, y: tuple(rows[int(y)][int(x) * step : int(x) * step + step])


def _unfiltered(raw: bytes, length: int, height: int, step: int) -> list[bytes]:
    rows: list[bytes] = []
    above = bytes(length)
    for row in range(height):
        kind, *line = raw[row * (length + 1) : (row + 1) * (length + 1)]
        if kind:
            for place in range(length):
                left = line[place - step] if place >= step else 0
                corner = above[place - step] if place >= step else 0
                line[place] = (line[place] + _predicted(kind, left, above[place], corner)) & 0xFF
        above = bytes(line)
        rows.append(above)
    return rows


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def form_page(fields: Mapping[str, str]) -> Draw:
    """Make a page of text fields, filled in."""

    def draw(canvas: Canvas) -> None:
        for number, (name, value) in enumerate(fields.items()):
            canvas.acroForm.textfield(name=name, tooltip=f"Your {name}", value=value, x=72, y=600 - 40 * number)

    return draw
