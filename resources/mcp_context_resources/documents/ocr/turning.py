"""Quarter turns of 8-bit pictures, and of boxes on them."""

from __future__ import annotations


def turned(pixels: bytes, width: int, height: int, quarters: int) -> tuple[bytes, int, int]:
    """Turn a picture anticlockwise by `quarters` of 90 degrees; returns its pixels, width and height."""
    if quarters == 1:
        return b"".join(pixels[column::width] for column in reversed(range(width))), height, width
    if quarters == 2:
        return pixels[::-1], width, height
    if quarters == 3:
        return b"".join(pixels[column::width][::-1] for column in range(width)), height, width
    return pixels, width, height


def turned_back(box: tuple[int, int, int, int], width: int, height: int, quarters: int) -> tuple[int, int, int, int]:
    """Return where a box on a turned picture lies on the original, which is `width` by `height`.

    Boxes are left, top, right and bottom in pixels.
    """
    left, top, right, bottom = box
    if quarters == 1:
        return width - bottom, left, width - top, right
    if quarters == 2:
        return width - right, height - bottom, width - left, height - top
    if quarters == 3:
        return top, height - right, bottom, height - left
    return box
