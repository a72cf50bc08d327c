"""Numbered headings: `3.2 Title`, `Chapter 3`, `第3章`, `Appendix B`."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from mcp_context_resources.index.chunks.text_boundaries import weight

_MOST_WEIGHT: Final = 120
_SKIPPED: Final = 2
_SHORT: Final = 40
_KANJI_DIGITS: Final = "\\d一二三四五六七八九十百〇"
_NUMBERED: Final = re.compile(r"[ \t\u3000]*(\d{1,3}(?:[.．]\d{1,3}){0,5})(?:[.．][ \t\u3000]*|[ \t\u3000]+)(\S.*)$")
_JAPANESE: Final = re.compile(
    rf"[ \t\u3000]*(第[ \t]?[{_KANJI_DIGITS}]{{1,6}}[ \t]?(編|部|章|節|款|条)(?:の[{_KANJI_DIGITS}]{{1,3}})?)"
    r"(?:[ \t\u3000：:]+(.*)|([（(〔].*))?$"
)
_LATIN: Final = re.compile(
    r"[ \t]*((Part|Volume|Chapter|Appendix|Annex|Section|Article|[A-Z]{4,8})[ \t]+(?:[IVXLC]{1,7}|\d{1,3}|[A-Z])\b)"
    r"[ \t]*(?:[.:：–—-][ \t]*)?(.*)$"
)
_RANKS: Final = {
    "編": 10, "部": 10, "章": 11, "節": 12, "款": 13, "条": 14,
    "part": 10, "volume": 10, "chapter": 11, "appendix": 11, "annex": 11, "section": 12, "article": 14,
}  # fmt: skip
_BY_DEPTH: Final = 20
_ENDS_A_SENTENCE: Final = re.compile(r"[。．.、，,;；:：!！]$")
# Lines of a table of contents, and running heads.
_LEADERS: Final = re.compile(r"(?:[…‥.・·]|(?<=\s))\s*\d{1,4}$|\.{3}|(?:\. ){3}|[…‥]{2}|・{3}|\t| \| | {3,}")
_ITEM: Final = re.compile(r"[ \t\u3000]*\d{1,3}[.．)）]?[ \t\u3000]+\S")
_IN_BRACKETS: Final = re.compile(r"[（(〔][^（(〔）)〕]{1,60}[）)〕]")


def without_number(title: str) -> str:
    """Take the number off a heading."""
    for pattern, group in ((_NUMBERED, 2), (_JAPANESE, 3), (_LATIN, 3)):
        if found := pattern.match(title):
            return (found[group] or title).strip()
    return title


class Numbering:
    """Recognises numbered headings by their sequence: a number that follows none before is a figure or a list's."""

    def __init__(self) -> None:
        self._last: tuple[int, ...] = ()

    def read(self, line: str, before: str, after: str) -> tuple[int, str] | None:
        """Return rank and title of a line that is a numbered heading, given the lines around it; None for others."""
        if _LEADERS.search(after):  # the line is one of two in a table of contents
            return None
        if found := _JAPANESE.match(line):
            return self._japanese(found)
        if (found := _LATIN.match(line)) and (kind := found[2].lower()) in _RANKS:
            return self._latin(found, _RANKS[kind])
        found = _NUMBERED.match(line)
        return self._numbered(found, before, after) if found else None

    def _numbered(self, found: re.Match[str], before: str, after: str) -> tuple[int, str] | None:
        if not _is_title(found[2]) or not _begins_title(found[2]):
            return None
        number = tuple(int(part) for part in re.split("[.．]", found[1]))
        if len(number) == 1 and not _stands_alone(found, before, after):
            return None
        if not self._follows(number):
            return None
        self._last = number
        return _BY_DEPTH + len(number), found[0].strip()

    def _latin(self, found: re.Match[str], rank: int) -> tuple[int, str] | None:
        if found[3] and (not _is_title(found[3]) or found[3][0].islower()):
            return None
        self._restart(rank)
        return rank, found[0].strip()

    def _japanese(self, found: re.Match[str]) -> tuple[int, str] | None:
        rank, title = _RANKS[found[2]], found[3] or found[4] or ""
        if found[2] == "条":  # the text of an article goes on in the line of its number
            named = _IN_BRACKETS.match(title)
            return rank, found[1] + (named[0] if named else "")
        if title and not _is_title(title):
            return None
        self._restart(rank)
        return rank, found[0].strip()

    def _restart(self, rank: int) -> None:
        if rank <= _RANKS["章"]:
            self._last = ()

    def _follows(self, number: tuple[int, ...]) -> bool:
        """Tell whether a number may come after the last one: its first child, or next to it or to one above it."""
        if number in ((1,), (1, 1), (0,)) or (not self._last and len(number) <= 2 and number[-1] <= 1):
            return True
        last = self._last
        if not last:
            # Numbers within a chapter that has one itself, such as 3.1 in chapter 3.
            return len(number) == 2 and number[1] == 1
        shared = 0
        while shared < min(len(last), len(number)) and last[shared] == number[shared]:
            shared += 1
        rest = number[shared:]
        if not rest:
            return False
        if shared == len(last):
            return all(part in (0, 1) for part in rest)
        return 0 < rest[0] - last[shared] <= (_SKIPPED if shared else 1) and all(part in (0, 1) for part in rest[1:])


def _stands_alone(found: re.Match[str], before: str, after: str) -> bool:
    """Tell a heading with one number from an item of a list and from a footnote."""
    if before.strip() or _ITEM.match(after):
        return False
    dotted = found[0][found.end(1)] in ".．"
    return not after.strip() or (dotted and weight(found[2]) <= _SHORT)


def _begins_title(title: str) -> bool:
    first = unicodedata.normalize("NFKC", title[0])
    return first.isupper() or (first.isalpha() and not first.islower()) or first in "「『“\"‘'("


def _is_title(title: str) -> bool:
    return (
        weight(title) <= _MOST_WEIGHT
        and _ENDS_A_SENTENCE.search(title) is None
        and _LEADERS.search(title) is None
        and weight("".join(filter(str.isalpha, title))) >= 2
    )
