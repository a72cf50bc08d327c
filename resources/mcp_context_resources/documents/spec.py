"""What crosses the process border between the document service and its workers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one page: its number from 1, its printed label, and the engine that read it.

    `text` is the piece from character `start`; `total_chars` is the length of the whole page's text.
    """

    number: int
    label: str
    text: str
    start: int
    total_chars: int
    engine: str

    @property
    def end(self) -> int:
        """Character behind the last one in `text`."""
        return self.start + len(self.text)


@dataclass(slots=True)
class Reading:
    """Pages read from one document, in the order asked for.

    `remaining` (a page range) and `next_offset` (inside its first page) say where to go on when not all fitted.
    """

    total_pages: int
    title: str
    pages: list[Page] = field(default_factory=list)
    remaining: str = ""
    next_offset: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PageCount:
    """How many pages a document has, or why that can't be told."""

    pages: int | None
    problem: str = ""
