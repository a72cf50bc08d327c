"""Checking pictures before anything decodes them: what they are, and how large they would become."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PICTURES: Final = 16
"""Most pictures of one prompt."""
MAX_BYTES: Final = 20 << 20
"""Largest file of one picture."""
MAX_SIDE: Final = 8_192
MAX_PIXELS: Final = 40_000_000
"""Largest picture; a page of A4 at 600 dpi is 35 million pixels."""

_MAX_STRETCH: Final = 100
_MAX_SCANS: Final = 100
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # numbers of a pixel, by the colour type of a PNG
_DEPTHS: Final = frozenset({1, 2, 4, 8, 16})
_NO_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_NO_FRAME: Final = frozenset({0xC4, 0xC8, 0xCC})
_SCAN: Final = 0xDA
_END: Final = 0xD9
_CHUNK: Final = 1 << 20
_SLACK: Final = 1 << 16


def check_pictures(pictures: Sequence[bytes]) -> None:
    """Make sure that the pictures are few and small enough to be decoded.

    Raises `InvalidInputError`.
    """
    if len(pictures) > MAX_PICTURES:
        raise InvalidInputError(
            f"There are {len(pictures)} pictures, but a prompt takes at most {MAX_PICTURES}.",
            "Ask about fewer pages at a time.",
        )
    for number, picture in enumerate(pictures, start=1):
        _check(picture, number)


def no_picture(number: int) -> InvalidInputError:
    """Return the error that tells that what was given as picture `number` is none."""
    return InvalidInputError(f"Picture {number} is no readable PNG or JPEG.", "Give a whole PNG or JPEG file.")


def _check(picture: bytes, number: int) -> None:
    if len(picture) > MAX_BYTES:
        raise InvalidInputError(
            f"Picture {number} has {len(picture) / (1 << 20):,.0f} MB; at most {MAX_BYTES >> 20} are taken.",
            "Give a smaller picture, or a JPEG.",
        )
    try:
        if picture.startswith(_PNG):
            size = _png_size(picture)
        elif picture.startswith(_JPEG):
            size = _jpeg_size(picture)
        else:
            size = None
    except (struct.error, IndexError, zlib.error):
        size = None
    if size is None or min(size) < 1:
        raise no_picture(number)
    if max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS or max(size) > _MAX_STRETCH * min(size):
        raise InvalidInputError(
            f"Picture {number} is {size[0]:,} × {size[1]:,} pixels; at most {MAX_SIDE:,} on a side,"
            f" {MAX_PIXELS // 1_000_000} million in all and {_MAX_STRETCH} times as long as wide are taken.",
            "Give a smaller picture, or a part of it.",
        )


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height; None for a damaged file and for one whose contents are more than fits its size."""
    length, kind, width, height, depth, colour = struct.unpack_from(">I4sIIBB", data, len(_PNG))
    if kind != b"IHDR" or length != 13 or colour not in _SAMPLES or depth not in _DEPTHS:
        return None
    if max(width, height) > MAX_SIDE:
        return width, height
    # Interlaced rows are shorter and more; twice as much is enough for them too.
    most = 2 * height * (1 + (width * _SAMPLES[colour] * depth + 7) // 8) + _SLACK
    return (width, height) if _inflated_fits(data, most) else None


def _inflated_fits(data: bytes, most: int) -> bool:
    """Tell whether the pixels of a PNG, decompressed, have at most so many bytes."""
    inflating = zlib.decompressobj()
    place = len(_PNG)
    while place + 8 <= len(data) and not inflating.eof:
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"IDAT":
            packed = data[place + 8 : place + 8 + length]
            while packed and not inflating.eof:
                most -= len(inflating.decompress(packed, _CHUNK))
                if most < 0:
                    return False
                packed = inflating.unconsumed_tail
        elif kind == b"IEND":
            break
        place += 12 + length
    inflating.decompress(b"", _CHUNK)  # what an output of just that size left behind
    return inflating.eof


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height; None for a damaged or cut file and for one drawn over in absurdly many scans."""
    scan = bytes((0xFF, _SCAN))
    if data.count(scan) > _MAX_SCANS or data.rfind(bytes((0xFF, _END))) < data.rfind(scan):
        return None
    place = 2
    while True:
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        place += 1
        if marker == 0xFF:
            continue
        place += 1
        if marker in _NO_LENGTH:
            continue
        if marker in {_SCAN, _END}:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", data, place + 3)
            return width, height
        (length,) = struct.unpack_from(">H", data, place)
        if length < 2:
            return None
        place += length
