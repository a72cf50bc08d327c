"""Composition: what every chart gets, whoever designed it, a title that fits and the sizes of its layout."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mcp_context_resources.charts.theme import Layout

_TITLE_COLUMNS: Final = 64
_TITLE_LINES: Final = 3
_NEVER_FIRST: Final = "、。，．・：；！？ー々）」』】〉》〕］｝ぁぃぅぇぉっゃゅょァィゥェォッャュョ"
_NEVER_LAST: Final = "（「『【〈《〔［｛"
_PANEL_KEYS: Final = ("concat", "hconcat", "vconcat", "facet", "repeat")
_PANEL_CHANNELS: Final = ("facet", "row", "column")


def layout_of(vega_lite: dict[str, Any]) -> Layout:
    """Tell whether a chart is one view or several side by side."""
    encoding = vega_lite.get("encoding")
    panels = any(key in vega_lite for key in _PANEL_KEYS)
    channels = isinstance(encoding, dict) and any(channel in encoding for channel in _PANEL_CHANNELS)
    return "panels" if panels or channels else "single"


def titled(vega_lite: dict[str, Any], title: str | None) -> dict[str, Any]:
    """Return the chart under `title`, in place of its own."""
    if not title:
        return vega_lite
    return {"title": wrapped(title), **{key: value for key, value in vega_lite.items() if key != "title"}}


def warned(vega_lite: dict[str, Any], warning: str | None) -> dict[str, Any]:
    """Return the chart with `warning` in a line of its own above it."""
    if not warning:
        return vega_lite
    given = vega_lite.get("title")
    if not given:
        return {**vega_lite, "title": {"text": warning, "fontSize": 12, "fontWeight": "normal"}}
    head = dict(given) if isinstance(given, dict) else {"text": given}
    before = head.get("subtitle") or []
    head["subtitle"] = [*(before if isinstance(before, list) else [before]), warning]
    return {**vega_lite, "title": head}


def wrapped(text: str, columns: int = _TITLE_COLUMNS) -> str | list[str]:
    """Break a long line at blanks, and inside Japanese anywhere; a wide character counts as two columns."""
    lines = [""]
    for word in _pieces(text):
        if lines[-1] and text_columns(lines[-1] + word.rstrip()) > columns:
            lines.append("")
        lines[-1] += word.lstrip() if not lines[-1] else word
    if len(lines) > _TITLE_LINES:
        lines = [*lines[: _TITLE_LINES - 1], lines[_TITLE_LINES - 1].rstrip() + "…"]
    kept = [line.rstrip() for line in lines]
    return kept[0] if len(kept) == 1 else kept


def _pieces(text: str) -> list[str]:
    """Split a text where a line may break."""
    pieces = [""]
    for character in " ".join(text.split()):
        last = pieces[-1][-1:]
        if last == " " or (_wide(last or "x") and character not in _NEVER_FIRST and last not in _NEVER_LAST):
            pieces.append("")
        pieces[-1] += character
    return pieces


def text_columns(text: str) -> int:
    """Count the columns a text takes: a wide character takes two."""
    return sum(2 if _wide(character) else 1 for character in text)


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
