"""Makers of hostile and odd PDFs, written by hand object by object: each bad in the one way its name says."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CATALOGUE: Final = b"<< /Type /Catalog /Pages 2 0 R >>"
_TREE: Final = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
_FONT: Final = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
_SHOWN: Final = b"BT /F1 12 Tf 72 720 Td (plain words) Tj ET"


def build(objects: Mapping[int, bytes], *, root: int = 1, trailer: bytes = b"") -> bytes:
    """Write numbered objects as a PDF with a right cross-reference table; `trailer` is put into its dictionary."""
    out, offsets = bytearray(b"%PDF-1.7\n"), dict[int, int]()
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % offsets[number] if number in offsets else b"0000000000 00000 f \n"
    out += b"trailer\n<< /Size %d /Root %d 0 R " % (size, root) + trailer
    return bytes(out + b" >>\nstartxref\n%d\n%%%%EOF\n" % start)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """Write a stream object of `content`, with more entries in its dictionary."""
    return b"<< /Length %d " % len(content) + entries + b" >>\nstream\n" + content + b"\nendstream"


def page(contents: int = 4, resources: bytes = b"/Font << /F1 5 0 R >>", more: bytes = b"") -> bytes:
    """Write a page of the tree 2 0 R that shows the stream of this number."""
    head = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << " + resources + b" >> "
    return head + b"/Contents %d 0 R " % contents + more + b" >>"


def one_page(
    content: bytes = _SHOWN,
    *,
    resources: bytes = b"/Font << /F1 5 0 R >>",
    more: bytes = b"",
    objects: Mapping[int, bytes] | None = None,
) -> bytes:
    """Write a PDF of one page with Helvetica as F1; `objects` are added or put in place of the five it has."""
    mine = {1: _CATALOGUE, 2: _TREE, 3: page(4, resources, more), 4: stream(content), 5: _FONT}
    return build({**mine, **(objects or {})})


def zero_bytes() -> bytes:
    """Return an empty file."""
    return b""


def html_as_pdf() -> bytes:
    """Return a web page, as a failed download leaves it under a PDF's name."""
    return b"<!DOCTYPE html>\n<html><head><title>404</title></head><body><h1>Not found</h1></body></html>\n"


def truncated() -> bytes:
    """Return a PDF cut in the middle of its page's content: no cross-reference table, no trailer."""
    whole = one_page(_SHOWN * 50)
    return whole[: whole.index(b"endstream") - 500]


def cyclic_page_tree() -> bytes:
    """Return a page tree whose inner node has its own parent as a child."""
    return one_page(
        objects={
            2: b"<< /Type /Pages /Kids [3 0 R 6 0 R] /Count 3 >>",
            6: b"<< /Type /Pages /Parent 2 0 R /Kids [2 0 R 6 0 R] /Count 2 >>",
        }
    )


def cyclic_outline() -> bytes:
    """Return an outline whose entries follow each other in a circle and are their own children."""
    entry = b"<< /Title (entry) /Parent 6 0 R /Next %d 0 R /Prev %d 0 R /First 7 0 R /Last 8 0 R /Dest [3 0 R /Fit] >>"
    return one_page(
        objects={
            1: b"<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>",
            6: b"<< /Type /Outlines /First 7 0 R /Last 8 0 R /Count 2 >>",
            7: entry % (8, 8),
            8: entry % (7, 7),
        }
    )


def cyclic_object_streams() -> bytes:
    """Return object streams that extend each other in a circle, the catalogue in one of them and each in the other."""
    body = b"1 0 " + _CATALOGUE
    extended = b"/Type /ObjStm /N 1 /First 4 /Extends %d 0 R"
    out, offsets = bytearray(b"%PDF-1.7\n"), dict[int, int]()
    for number, made in {
        2: _TREE,
        3: page(),
        4: stream(_SHOWN),
        5: _FONT,
        6: stream(body, extended % 7),
        7: stream(b"6 0 7 0 R", extended % 6),
    }.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n" % number + made + b"\nendobj\n"
    start = len(out)
    # An entry is a type, an offset or the stream it is in, and its index there.
    entries = [(0, 0, 255), (2, 7, 0), *((1, offsets[number], 0) for number in (2, 3, 4, 5)), (2, 7, 0), (2, 6, 0)]
    entries.append((1, start, 0))
    table = b"".join(bytes([kind]) + where.to_bytes(4, "big") + bytes([index]) for kind, where, index in entries)
    out += b"8 0 obj\n" + stream(table, b"/Type /XRef /W [1 4 1] /Size 9 /Root 1 0 R") + b"\nendobj\n"
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def cyclic_cross_reference() -> bytes:
    """Return a cross-reference table that names itself as its predecessor."""
    plain = one_page()
    start = plain.rindex(b"xref\n0 ")
    return plain.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)


def lying_page_count() -> bytes:
    """Return one page in a tree that claims a million."""
    return one_page(objects={2: _TREE.replace(b"/Count 1", b"/Count 1000000")})


def negative_page_count() -> bytes:
    """Return one page in a tree that claims fewer than none."""
    return one_page(objects={2: _TREE.replace(b"/Count 1", b"/Count -7")})


def wide_page_tree(pages: int = 100_000) -> bytes:
    """Return a true tree of very many pages, each an object of its own, in one node."""
    kids = b" ".join(b"%d 0 R" % number for number in range(6, 6 + pages))
    leaf = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    return one_page(
        objects={
            2: b"<< /Type /Pages /Count %d /Kids [" % (pages + 1) + b"3 0 R " + kids + b"] >>",
            **dict.fromkeys(range(6, 6 + pages), leaf),
        }
    )


def repeated_page(pages: int = 1_000_000) -> bytes:
    """Return a tree of very many pages, all of them the same object, in one node."""
    return one_page(objects={2: b"<< /Type /Pages /Count %d /Kids [" % pages + b"3 0 R " * pages + b"] >>"})


def deep_page_tree(depth: int = 20_000) -> bytes:
    """Return one page below very many nodes of one child each."""
    nodes = {
        5 + i: b"<< /Type /Pages /Parent %d 0 R /Kids [%d 0 R] /Count 1 >>"
        % (2 if i == 1 else 4 + i, 3 if i == depth else 6 + i)
        for i in range(1, depth + 1)
    }
    return one_page(objects={2: b"<< /Type /Pages /Kids [6 0 R] /Count 1 >>", **nodes})


def deflate_bomb(megabytes: int = 1_000) -> bytes:
    """Return a page whose content of a few kilobytes inflates, twice, to this many megabytes of drawing commands."""
    piece = b"0 0 m 9 9 l S\n" * 70_000
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    # Behind a full flush nothing refers back, so that one piece can stand there again and again.
    block = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 1
    for _ in range(megabytes):
        checksum = zlib.adler32(piece, checksum)
    once = b"\x78\xda" + block * megabytes + packer.flush() + checksum.to_bytes(4, "big")
    packed = stream(zlib.compress(once, 9), b"/Filter [/FlateDecode /FlateDecode]")
    return one_page(objects={4: packed})


def nested_form_loop() -> bytes:
    """Return a form that shows itself, and two that show each other, twice in each step."""
    entries = b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /A 6 0 R /B 7 0 R >> >>"
    return one_page(
        b"/A Do /B Do",
        resources=b"/XObject << /A 6 0 R /B 7 0 R >>",
        objects={6: stream(b"/A Do /B Do /B Do", entries), 7: stream(b"/A Do /A Do", entries)},
    )


def nested_form_doubling(levels: int = 40) -> bytes:
    """Return forms without a loop, each of which shows the next one twice: 2 to the power of `levels` drawings."""
    entries = (
        b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /Font << /F1 5 0 R >> /XObject << /N %d 0 R >> >>"
    )
    forms = {6 + i: stream(b"/N Do /N Do", entries % (7 + i)) for i in range(levels)}
    forms[6 + levels] = stream(b"BT /F1 9 Tf (x) Tj ET", b"/Type /XObject /Subtype /Form /BBox [0 0 9 9]")
    return one_page(b"/N Do", resources=b"/XObject << /N 6 0 R >>", objects=forms)


def deeply_nested_arrays(depth: int = 100_000) -> bytes:
    """Return a page with an entry of arrays in arrays, and the same among its drawing commands."""
    nested = b"[" * depth + b"]" * depth
    return one_page(_SHOWN + b" " + nested + b" TJ", more=b"/Rotate " + nested)


def deeply_nested_dictionaries(depth: int = 50_000) -> bytes:
    """Return a catalogue with dictionaries in dictionaries."""
    nested = b"<< /A " * depth + b"1" + b" >>" * depth
    return one_page(objects={1: _CATALOGUE.replace(b" >>", b" /Names " + nested + b" >>")})


def many_form_fields(fields: int = 10_000) -> bytes:
    """Return a page with very many text fields, all filled in."""
    field = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (field %d) /V (value %d) /Rect [0 0 9 9] /P 3 0 R >>"
    references = b" ".join(b"%d 0 R" % number for number in range(6, 6 + fields))
    return one_page(
        more=b"/Annots [" + references + b"]",
        objects={
            1: _CATALOGUE.replace(b" >>", b" /AcroForm << /Fields [" + references + b"] >> >>"),
            **{6 + i: field % (i, i) for i in range(fields)},
        },
    )


def cyclic_form_fields() -> bytes:
    """Return fields that are each other's children."""
    field = b"<< /T (field) /FT /Tx /Kids [%d 0 R] /Parent %d 0 R /V (value) >>"
    return one_page(
        objects={
            1: _CATALOGUE.replace(b" >>", b" /AcroForm << /Fields [6 0 R] >> >>"),
            6: field % (7, 7),
            7: field % (6, 6),
        }
    )


def huge_page() -> bytes:
    """Return a page of a size no paper has, in a unit that makes it larger still."""
    box = b"/MediaBox [0 0 2000000000 2000000000] /UserUnit 75000"
    return one_page(objects={3: page().replace(b"/MediaBox [0 0 595 842]", box)})


def empty_page_box() -> bytes:
    """Return a page whose box has no area, and is written backwards."""
    return one_page(objects={3: page().replace(b"[0 0 595 842]", b"[9 9 9 -9]")})


def jbig2_garbage() -> bytes:
    """Return a page that shows a JBIG2 image of noise with an absurd size."""
    return _image(b"/JBIG2Decode")


def jpx_garbage() -> bytes:
    """Return a page that shows a JPEG 2000 image that is noise behind a true signature."""
    return _image(b"/JPXDecode", b"\x00\x00\x00\x0cjP  \r\n\x87\n")


def font_without_to_unicode() -> bytes:
    """Return a page in a font with glyphs by number and no word on what they mean."""
    font = b"<< /Type /Font /Subtype /Type0 /BaseFont /Unknown /Encoding /Identity-H /DescendantFonts [6 0 R] >>"
    below = b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Unknown /FontDescriptor 7 0 R /CIDSystemInfo"
    below += b" << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>"
    descriptor = b"<< /Type /FontDescriptor /FontName /Unknown /Flags 4 /FontBBox [0 0 9 9] /ItalicAngle 0"
    descriptor += b" /Ascent 9 /Descent 0 /CapHeight 9 /StemV 1 >>"
    return one_page(b"BT /F1 12 Tf 72 720 Td <00010002000300FF> Tj ET", objects={5: font, 6: below, 7: descriptor})


def cyclic_to_unicode() -> bytes:
    """Return a font whose character map builds on itself and maps a range of four thousand million codes."""
    cmap = b"begincmap 1 begincodespacerange <00000000> <FFFFFFFF> endcodespacerange"
    cmap += b" 1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange endcmap"
    font = b"<< /Type /Font /Subtype /Type0 /BaseFont /Unknown /Encoding /Identity-H /DescendantFonts [5 0 R]"
    return one_page(objects={5: font + b" /ToUnicode 6 0 R >>", 6: stream(cmap, b"/UseCMap 6 0 R")})


def cyclic_stream_length() -> bytes:
    """Return a content stream whose length is the stream itself."""
    return one_page(objects={4: b"<< /Length 4 0 R >>\nstream\n" + _SHOWN + b"\nendstream"})


def cyclic_page_labels() -> bytes:
    """Return a number tree of page labels whose node is its own child."""
    return one_page(
        objects={
            1: _CATALOGUE.replace(b" >>", b" /PageLabels 6 0 R >>"),
            6: b"<< /Kids [6 0 R] /Limits [0 1] >>",
        }
    )


def _image(image_filter: bytes, signature: bytes = b"") -> bytes:
    noise = signature + bytes(i * i % 251 for i in range(4_000))
    entries = b"/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 1 /ColorSpace /DeviceGray"
    return one_page(
        b"q 500 0 0 500 9 9 cm /I Do Q " + _SHOWN,
        resources=b"/Font << /F1 5 0 R >> /XObject << /I 6 0 R >>",
        objects={6: stream(noise, entries + b" /Filter " + image_filter)},
    )


CRAFTED: Final[Mapping[str, Callable[[], bytes]]] = {
    maker.__name__: maker
    for maker in (
        zero_bytes,
        html_as_pdf,
        truncated,
        cyclic_page_tree,
        cyclic_outline,
        cyclic_object_streams,
        cyclic_cross_reference,
        cyclic_form_fields,
        cyclic_page_labels,
        cyclic_stream_length,
        cyclic_to_unicode,
        lying_page_count,
        negative_page_count,
        wide_page_tree,
        repeated_page,
        deep_page_tree,
        deflate_bomb,
        nested_form_loop,
        nested_form_doubling,
        deeply_nested_arrays,
        deeply_nested_dictionaries,
        many_form_fields,
        huge_page,
        empty_page_box,
        jbig2_garbage,
        jpx_garbage,
        font_without_to_unicode,
    )
}
"""Every maker by its name."""
