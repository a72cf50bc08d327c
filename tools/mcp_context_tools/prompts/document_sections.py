"""A document in few tokens: all of its text, or where its parts begin, spread evenly from the first to the last."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.page_range import format_page_range, range_numbers
from mcp_context_resources.errors import UnreadableSourceError
from mcp_context_tools.context_pack.token_estimate import estimated_tokens
from mcp_context_tools.search_hits.places import shown_page
from mcp_context_tools.text_cutting import beginning, one_line, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.spec import OutlineEntry, Page
    from mcp_context_resources.provenance import SourceRef
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import PrivateValues, Services

_AT_ONCE_CHARS: Final = 300_000
_MOST_HEADINGS: Final = 2_000
_CHARS_A_TOKEN: Final = 6
_TOKENS_A_SECTION: Final = 300
_LEAST_SECTIONS: Final = 3
_LEAST_TOKENS: Final = 60
_FRAME_TOKENS: Final = 40
_TITLE_CHARS: Final = 120
_MARKS: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Characters `start` to `end` of a page's text; `total` is how many it has."""

    page: int
    label: str
    text: str
    start: int
    end: int
    total: int

    def place(self, name: str) -> str:
        """Name its place as readers cite it: the page, or just these characters."""
        page = shown_page(name, self.page)
        return page if self.start == 0 and self.end == self.total else f"{page}#chars={self.start}-{self.end}"


@dataclass(slots=True)
class Sections:
    """What is shown of a document: `excerpts` in its order, of `wanted` pages those in `unshown` not or not whole.

    Its parts are pages or sections, as `noun` says.
    """

    source: Source
    ref: SourceRef
    total: int
    noun: str
    title: str = ""
    outline: list[OutlineEntry] = field(default_factory=list)
    excerpts: list[Excerpt] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    unshown: str = ""
    hidden: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a part begins: a place of the list of pages wanted, and a character of that page."""

    at: int
    character: int


async def read_sections(services: Services, source: Source, pages: str, tokens: int) -> Sections:
    """Read a document, or pages of it, into at most about so many tokens.

    Raises what reading raises, and `UnreadableSourceError` where there is no text.
    """
    found = await services.documents.read(
        source.uri, pages=pages, max_chars=max(1, tokens * _CHARS_A_TOKEN), source=source
    )
    reading = found.content
    outline = (await services.documents.outline(source.uri, skip=0, most=_MOST_HEADINGS, source=source)).content
    wanted = list(dict.fromkeys([*(page.number for page in reading.pages), *range_numbers(reading.remaining)]))
    sections = Sections(
        source, found.ref, reading.total_pages, found.reader.noun, reading.title, wanted=wanted, notes=reading.notes
    )
    inside = set(wanted)
    sections.outline = [entry for entry in outline.entries if entry.page is None or entry.page in inside]
    kept = reading.pages
    if not reading.remaining:
        whole = [Excerpt(page.number, page.label, tidy(page.text), 0, len(page.text), len(page.text)) for page in kept]
        sections.excerpts = [excerpt for excerpt in whole if excerpt.text]
    if reading.remaining or _cost(sections.excerpts) > tokens:
        starts = _starts(sections, tokens)
        numbers = sorted({at for start in starts for at in (start, start + 1) if at < len(wanted)})
        kept = await _pages(services, sections, [wanted[at] for at in numbers])
        sections.excerpts = _spread(sections, kept, starts, tokens, services.private)
    if not sections.excerpts:
        raise UnreadableSourceError(
            f"There is no text on the pages asked for of {source.name}.",
            "They are blank or scanned images; read_document with view image shows them.",
        )
    shown = {excerpt.page for excerpt in sections.excerpts if excerpt.start == 0 and excerpt.end == excerpt.total}
    blank = {page.number for page in kept if not page.text.strip()}
    sections.unshown = format_page_range([number for number in wanted if number not in shown | blank])
    sections.hidden = format_page_range([page.number for page in kept if page.hidden])
    return sections


async def _pages(services: Services, sections: Sections, numbers: Sequence[int]) -> list[Page]:
    """Read pages as far as they fit into what is read at once."""
    found = await services.documents.read(
        sections.source.uri,
        pages=format_page_range(list(numbers)),
        max_chars=_AT_ONCE_CHARS,
        source=sections.source,
    )
    sections.notes = found.content.notes
    return found.content.pages


def _starts(sections: Sections, tokens: int) -> list[int]:
    """Choose where parts begin, as places in the list of pages: at headings of the upper levels, else evenly."""
    most = max(_LEAST_SECTIONS, tokens // _TOKENS_A_SECTION)
    place_of = {number: at for at, number in enumerate(sections.wanted)}
    chosen: list[int] = []
    for level in sorted({entry.level for entry in sections.outline}):
        pages = {entry.page for entry in sections.outline if entry.level <= level and entry.page is not None}
        if len(pages) > most and len(chosen) >= _LEAST_SECTIONS:
            break
        chosen = sorted(place_of[page] for page in pages)
    if len(chosen) < _LEAST_SECTIONS:
        chosen = list(range(len(sections.wanted)))
    if chosen[0] != 0:
        chosen.insert(0, 0)
    return _evenly(chosen, most)


def _evenly(values: list[int], most: int) -> list[int]:
    if len(values) <= most:
        return values
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _spread(
    sections: Sections, pages: Sequence[Page], starts: Sequence[int], tokens: int, private: PrivateValues | None
) -> list[Excerpt]:
    """Take the beginning of each part; what one leaves of its share goes to those behind it."""
    by_number = {page.number: page for page in pages if page.start == 0}
    headings = {entry.page: entry.title for entry in reversed(sections.outline)}
    begins = [
        _Start(at, _find_title(by_number[number].text, headings.get(number, "")))
        for at in starts
        if (number := sections.wanted[at]) in by_number
    ]
    excerpts: list[Excerpt] = []
    left = tokens
    for position, start in enumerate(begins):
        following = begins[position + 1] if position + 1 < len(begins) else None
        share = left // (len(begins) - position)
        for excerpt in _part(sections, by_number, start, following, share, private):
            excerpts.append(excerpt)
            left -= estimated_tokens(excerpt.text) + _FRAME_TOKENS
    return excerpts


def _part(
    sections: Sections,
    pages: dict[int, Page],
    start: _Start,
    following: _Start | None,
    tokens: int,
    private: PrivateValues | None,
) -> list[Excerpt]:
    """Take the beginning of one part, on its first page and where there is room on the next."""
    found: list[Excerpt] = []
    for at in (start.at, start.at + 1):
        page = pages.get(sections.wanted[at]) if at < len(sections.wanted) else None
        if page is None or tokens < _LEAST_TOKENS:
            break
        first = start.character if at == start.at else 0
        last = following.character if following is not None and following.at == at else len(page.text)
        end = min(last, beginning(page.text[:last], tokens - _FRAME_TOKENS, private, first))
        if text := tidy(page.text[first:end]):
            found.append(Excerpt(page.number, page.label, text, first, end, len(page.text)))
            tokens -= estimated_tokens(text) + _FRAME_TOKENS
        if end < len(page.text):
            break
    return found


def _find_title(text: str, title: str) -> int:
    """Return where a heading stands on its page, whatever its blanks and marks; 0 where it isn't found."""
    words = [re.escape(word) for word in _MARKS.split(title[:_TITLE_CHARS]) if word]
    if not words:
        return 0
    match = re.search(r"[\W_]{0,6}".join(words), text, re.IGNORECASE)
    return 0 if match is None else text.rfind("\n", 0, match.start()) + 1


def outline_lines(sections: Sections, tokens: int) -> tuple[list[str], int]:
    """Write the headings, of the upper levels where all take too many tokens; returns also how many are left out."""
    entries = sections.outline
    for level in sorted({entry.level for entry in entries}, reverse=True):
        shown = [entry for entry in entries if entry.level <= level]
        lines = [_heading_line(entry) for entry in shown]
        if sum(map(estimated_tokens, lines)) <= tokens:
            return lines, len(entries) - len(shown)
    upper = min((entry.level for entry in entries), default=1)
    lines = []
    for entry in entries:
        if entry.level == upper:
            line = _heading_line(entry)
            tokens -= estimated_tokens(line)
            if tokens < 0:
                break
            lines.append(line)
    return lines, len(entries) - len(lines)


def _heading_line(entry: OutlineEntry) -> str:
    page = "" if entry.page is None else f"  {entry.page}"
    return f"{'  ' * min(entry.level - 1, 6)}{one_line(entry.title, _TITLE_CHARS)}{page}"


def _cost(excerpts: Sequence[Excerpt]) -> int:
    return sum(estimated_tokens(excerpt.text) + _FRAME_TOKENS for excerpt in excerpts)
