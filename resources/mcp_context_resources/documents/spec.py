"""Specification of what crosses the border: answers of document readers, and the files they are asked about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.reader import DocumentReader
    from mcp_context_resources.provenance import SourceRef
    from mcp_context_resources.workspace.source import Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """A document as a worker needs to know it.

    `passwords` are tried in turn; `encoding` overrides the detected one where the format is text. Pages read from
    pictures are kept in `cache_dir` (empty: nowhere) up to `max_cache_bytes`; `languages` are what they are written in.
    """

    path: str
    fingerprint: str
    reader: DocumentReader
    passwords: tuple[str, ...] = field(default=(), repr=False)
    encoding: str | None = None
    ocr: bool = True
    languages: tuple[str, ...] = ("jpn", "eng")
    cache_dir: str = ""
    max_cache_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Hidden:
    """Text of a page that a person doesn't see, and why."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one page: its number from 1, its printed label (of a section its heading), who read it.

    `text` is the piece from character `start`; `total_chars` is the length of the whole page's text. `header` and
    `footer` are its running heads. `confidence` (0 to 1) is that of text recognised from a picture, else None.
    """

    number: int
    label: str
    text: str
    start: int
    total_chars: int
    engine: str
    header: str = ""
    footer: str = ""
    hidden: tuple[Hidden, ...] = ()
    confidence: float | None = None

    @property
    def end(self) -> int:
        """Character behind the last one in `text`."""
        return self.start + len(self.text)


@dataclass(slots=True)
class Reading:
    """Pages read from one document, in the order asked for.

    `remaining` (a page range) and `next_offset` (inside its first page) say where to go on when not all fitted;
    `problems` are pages that could not be read, or not as they should, by reason.
    """

    total_pages: int
    title: str
    pages: list[Page] = field(default_factory=list)
    remaining: str = ""
    next_offset: int = 0
    notes: list[str] = field(default_factory=list)
    problems: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A heading of a document's outline: depth from 1, page from 1 (None where it leads nowhere), printed label."""

    level: int
    title: str
    page: int | None
    label: str


@dataclass(slots=True)
class Outline:
    """The headings of a document; `more` of them were left out."""

    total_pages: int
    title: str
    entries: list[OutlineEntry] = field(default_factory=list)
    more: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Properties:
    """What a document says of itself: JSON values by name."""

    total_pages: int
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DocumentTable:
    """A table found on a page; `part` names it within the document (`p3_t1`).

    `rows` are of equal length and begin with `header_rows` of headings, which `columns` says in one line each.
    `pages` are all pages it stretches over; `box` is its place on the first.
    """

    part: str
    pages: tuple[int, ...]
    label: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    header_rows: int
    box: Box | None = None
    caption: str = ""


@dataclass(slots=True)
class TablesFound:
    """The tables on some pages; `remaining` says where to go on when the time was up."""

    total_pages: int
    title: str
    tables: list[DocumentTable] = field(default_factory=list)
    searched: str = ""
    remaining: str = ""
    notes: list[str] = field(default_factory=list)
    problems: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A page, or the region `box` of it, as PNG: `width` and `height` in pixels at `dpi`."""

    total_pages: int
    number: int
    label: str
    png: bytes
    width: int
    height: int
    dpi: float
    box: Box
    marked: tuple[Box, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A place in a document: characters `start` to `end` of a page, with the text around it, and where it stands."""

    number: int
    label: str
    start: int
    end: int
    before: str
    text: str
    after: str
    boxes: tuple[Box, ...] = ()


@dataclass(slots=True)
class Matches:
    """What was found; `remaining` pages were not searched, the first of them only from `next_offset` on."""

    total_pages: int
    title: str
    matches: list[Match] = field(default_factory=list)
    searched: str = ""
    remaining: str = ""
    next_offset: int = 0
    notes: list[str] = field(default_factory=list)
    problems: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PageCount:
    """How many pages a document has, or why that can't be told."""

    pages: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FromDocument(Generic[T]):
    """What was read from a document, by which reader, and where it came from."""

    source: Source
    ref: SourceRef
    reader: DocumentReader
    content: T
