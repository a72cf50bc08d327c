"""Converted document: its sections, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MAX_SECTIONS: Final = 50_000
"""Headings that start a section of their own, in one document."""


@dataclass(frozen=True, slots=True)
class Section:
    """What a page is to a PDF: a heading and what follows it up to the next one.

    `label` is the heading's text, `slide 3` or the like, empty for what has no heading; `level` is 1 to 6, 0 without
    a heading. `text` is for reading: headings as lines, lists and tables legible; `markdown` is the same as Markdown.
    `tables` holds the cells of each table in it, header first; cells that span several places are repeated in each.
    """

    label: str
    level: int
    text: str
    markdown: str
    tables: tuple[tuple[tuple[str, ...], ...], ...] = ()


@dataclass(slots=True)
class Converted:
    """A document in sections; `properties` holds JSON values under the names its format knows."""

    title: str
    properties: dict[str, Any] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
