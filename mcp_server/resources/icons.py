"""Icons, drawn in a few strokes: the one of the server goes out with every answer of protocol 2026-07-28."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from mcp_types import Icon

_STROKES: Final = {
    "server": "M13 6A5.5 5.5 0 1 0 13.5 9M13.5 2v4h-4M5.5 8h5M8 5.5v5",
    "table": "M2 3h12v10H2zM2 6.5h12M6 3v10",
    "document": "M3 1.5h7l3 3v10H3zM9.5 1.5v3.5H13M5.5 8h5M5.5 11h5",
    "model": "M4.5 4.5h7v7h-7zM6 2v2.5M10 2v2.5M6 11.5V14M10 11.5V14M2 6h2.5M2 10h2.5M11.5 6H14M11.5 10H14",
    "result": "M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
}
_COLOUR: Final = "#28a"  # seen on white and on black
_PLAIN: Final = "=:/'"  # a URI holds no spaces


def icon(name: str) -> Icon:
    """Return the icon of the server or of a kind of resource, as a picture inside its URI."""
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<path fill='none' stroke='{_COLOUR}' d='{_STROKES[name]}'/></svg>"
    )
    return Icon(src="data:image/svg+xml," + quote(svg, safe=_PLAIN), mime_type="image/svg+xml")
