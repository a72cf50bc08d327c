"""PNG: pixels into a file, and a file made smaller without losing a pixel (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_SIGNATURE_BYTES: Final = len(_SIGNATURE)
_LEVEL: Final = 6


def encoded(pixels: bytes, width: int, height: int, *, channels: int) -> bytes:
    """Write 8-bit pixels, row by row without padding, as PNG; `channels` is 1 for grey, 3 for red, green and blue."""
    kind = 0 if channels == 1 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    stride = width * channels
    # Each row begins with its filter: none, which suits flat areas and sharp letters.
    rows = b"".join(b"\0" + pixels[start : start + stride] for start in range(0, stride * height, stride))
    body = zlib.compress(rows, _LEVEL)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def deflated(png: bytes) -> bytes:
    """Compress a PNG's pixels anew: renderers in a hurry leave charts four times as large as need be."""
    parts = [png[:_SIGNATURE_BYTES]]
    pixels = b""
    for kind, body in _chunks(png):
        if kind == b"IDAT":
            pixels += body
            continue
        if kind == b"IEND":
            parts.append(_chunk(b"IDAT", zlib.compress(zlib.decompress(pixels), _LEVEL)))
        parts.append(_chunk(kind, body))
    return b"".join(parts)


def size_of(png: bytes) -> tuple[int, int]:
    """Return a PNG's width and height in pixels."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = _SIGNATURE_BYTES
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        yield png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        position += 12 + length


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
