"""Headings: where a document's outline says they stand, and where a text without one shows them by itself."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.index.chunks.block_parser import LINES
from mcp_context_resources.index.chunks.numbered_headings import Numbering, without_number
from mcp_context_resources.index.chunks.text_boundaries import weight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_TITLE_CHARS: Final = 200
"""What of a heading is kept."""

_LONGEST_LINE: Final = 300
_DEEPEST: Final = 8
_ATX: Final = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*?)(?:[ \t]+#+)?[ \t]*$")
_FENCE: Final = re.compile(r"[ \t]{0,12}(?:`{3,}|~{3,})")
_SIGNS: Final = re.compile(r"[\W_]+")
_UNDERLINES: Final = {"=": 1, "-": 2, "~": 3}


@dataclass(frozen=True, slots=True)
class OutlineHeading:
    """A heading of a document's outline: its depth from 1, and the number of the page where it stands."""

    level: int
    title: str
    page: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at characters `start` to `end` of a text, of none where it isn't in the text itself.

    One of a lower `rank` stands above those of higher ranks.
    """

    start: int
    end: int
    rank: int
    title: str


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str


class Headings:
    """Finds the headings of a document, page by page in order.

    An outline of several levels says it all. Where there is none, or one of chapters alone, headings are also known by
    their numbers (`3.2 Title`, `Chapter 3`, `第3章`), by lines under them and, in Markdown, by `#`.
    """

    def __init__(self, outline: Iterable[OutlineHeading], *, markdown: bool) -> None:
        self._of_page: dict[int, list[OutlineHeading]] = defaultdict(list)
        deepest = 0
        for entry in outline:
            deepest = max(deepest, entry.level)
            if entry.title.strip():
                self._of_page[entry.page].append(entry)
        self._in_text = deepest < 2
        self._markdown = markdown
        self._numbering = Numbering()

    def find(self, page: int, text: str, *, ends: bool) -> list[Heading]:
        """Find the headings in a piece of a page, in order; `ends` tells that it is the page's last one."""
        outlined = self._outlined(page, text, ends=ends) if page in self._of_page else []
        if not self._in_text:
            return outlined
        taken = {heading.start for heading in outlined if heading.end > heading.start}
        seen = [heading for heading in self._seen(text) if heading.start not in taken]
        return sorted([*outlined, *seen], key=lambda heading: heading.start)

    def _outlined(self, page: int, text: str, *, ends: bool) -> list[Heading]:
        entries = self._of_page.pop(page)
        lines = _short_lines(text)
        places: dict[str, list[int]] = defaultdict(list)
        folded = [_folded(line.text) for line in lines]
        for number in range(len(lines)):
            for key in _keys(lines, folded, number):
                places[key].append(number)
        found: list[Heading] = []
        least = behind = 0
        for position, entry in enumerate(entries):
            title = one_line(entry.title)
            numbers = places.get(_folded(title)) or places.get(_folded(without_number(title))) or []
            at = bisect_left(numbers, least)
            if at < len(numbers):
                first = lines[numbers[at]]
                last = lines[_last_line(lines, numbers[at], title)]
                least = numbers[at] + 1
                behind = last.end
                found.append(Heading(first.start, last.end, entry.level, title))
            elif ends:
                found.append(Heading(behind, behind, entry.level, title))
            else:
                self._of_page[page] = entries[position:]
                break
        return found

    def _seen(self, text: str) -> list[Heading]:
        found: list[Heading] = []
        lines = _all_lines(text)
        fenced = False
        for number, line in enumerate(lines):
            if not line.text:
                continue
            if _FENCE.match(line.text):
                fenced = not fenced
            elif not fenced and len(line.text) <= _LONGEST_LINE:
                before = lines[number - 1].text if number else ""
                after = lines[number + 1].text if number + 1 < len(lines) else ""
                if (heading := self._at(line, before, after, lines, number)) is not None:
                    found.append(heading)
        return found

    def _at(self, line: _Line, before: str, after: str, lines: Sequence[_Line], number: int) -> Heading | None:
        if self._markdown:
            if atx := _ATX.match(line.text):
                return Heading(line.start, line.end, len(atx[1]), one_line(atx[2]))
        elif (numbered := self._numbering.read(line.text, before, after)) is not None:
            rank, title = numbered
            return Heading(line.start, line.end, rank, one_line(title))
        if not before.strip() and (level := _underlined(line.text, after)):
            return Heading(line.start, lines[number + 1].end, level, one_line(line.text))
        return None


class HeadingPath:
    """The headings that a place stands under, carried from page to page."""

    def __init__(self) -> None:
        self._open: list[Heading] = []

    def enter(self, heading: Heading) -> tuple[str, ...]:
        """Go on under another heading and return the path."""
        while self._open and self._open[-1].rank >= heading.rank:
            self._open.pop()
        self._open.append(heading)
        return self.titles

    @property
    def titles(self) -> tuple[str, ...]:
        """The headings, the outermost first; of very many the innermost are left out."""
        return tuple(heading.title for heading in self._open[:_DEEPEST])


def one_line(title: str) -> str:
    """Write a heading on one line, cut where it is very long."""
    return " ".join(title[: 4 * MAX_TITLE_CHARS].split())[:MAX_TITLE_CHARS]


def _all_lines(text: str) -> list[_Line]:
    return [_Line(match.start(), match.end(), match[0].rstrip()) for match in LINES.finditer(text)]


def _short_lines(text: str) -> list[_Line]:
    """Return the lines that can be headings."""
    return [line for line in _all_lines(text) if 0 < len(line.text) <= _LONGEST_LINE]


def _keys(lines: Sequence[_Line], folded: Sequence[str], number: int) -> Iterator[str]:
    """Give what a heading that begins with a line may read as: that line or two, with its number or without."""
    line = lines[number]
    ways = {folded[number]}
    if (bare := without_number(line.text)) != line.text:
        ways.add(_folded(bare))
    behind = ""
    if number + 1 < len(lines) and lines[number + 1].start == line.end:
        behind = folded[number + 1]
    for way in ways:
        if way:
            yield way
            if behind:
                yield way + behind


def _last_line(lines: Sequence[_Line], number: int, title: str) -> int:
    """Tell whether a heading fills one line or two."""
    wanted = {_folded(title), _folded(without_number(title))}
    alone = {_folded(lines[number].text), _folded(without_number(lines[number].text))}
    return number if wanted & alone else min(number + 1, len(lines) - 1)


def _folded(text: str) -> str:
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _SIGNS.sub("", folded.casefold())


def _underlined(title: str, under: str) -> int:
    """Return the level of a heading with a line of `=`, `-` or `~` under it; 0 for any other line."""
    bare = under.strip()
    level = _UNDERLINES.get(bare[:1], 0)
    if not level or bare.strip(bare[0]) or len(bare) < 3 or not any(map(str.isalpha, title)):
        return 0
    return level if weight(title.strip()) * 0.6 <= len(bare) <= weight(title.strip()) * 2 + 4 else 0
