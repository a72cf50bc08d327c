"""Page ranges such as `1-3,7,10-`, by number or by printed label (`iv`, `A-3`, `=12`)."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

_DASHES: Final = "-–—−〜~"
_PART: Final = re.compile(rf"\s*(\d{{1,9}})?\s*(?:([{_DASHES}])\s*(\d{{1,9}})?)?\s*", re.ASCII)
_HINT: Final = (
    "Write pages as 5, 2-4, 7- (to the end) or a list such as 1-3,8; printed labels as iv, A-3, or =12 for the page"
    " printed 12."
)
_SHOWN_LABELS: Final = 8


def parse_page_range(text: str, total: int, label: Callable[[int], str] | None = None) -> list[int]:
    """Return the page numbers a range names, in its order, without repetition; an empty range means all.

    `label` tells the printed label of a page by its index from 0. A bare number is always a page number; `=12` is the
    page printed 12. An end beyond the last page is taken as the last page.

    Raises `InvalidInputError` for what is not a range, `NotFoundError` for a page the document doesn't have.
    """
    if not text.strip():
        return list(range(1, total + 1))
    labels = _Labels(total, label)
    pages: dict[int, None] = {}
    for part in unicodedata.normalize("NFKC", text).replace("、", ",").split(","):
        match = _PART.fullmatch(part)
        if match is None or not part.strip() or not (match[1] or match[3]):
            pages.update(dict.fromkeys(labels.part(part.strip(), text)))
            continue
        first = int(match[1]) if match[1] else 1
        last = first if not match[2] else int(match[3]) if match[3] else total
        if first < 1 or (match[3] and last < first):
            raise InvalidInputError(f"{text!r} is not a page range.", _HINT)
        if first > total:
            raise NotFoundError(f"There is no page {first}: the document has {total}.", f"Ask for pages 1-{total}.")
        pages.update(dict.fromkeys(range(first, min(last, total) + 1)))
    return list(pages)


class _Labels:
    """Finds pages by their printed labels, which are read when one is first asked for."""

    def __init__(self, total: int, label: Callable[[int], str] | None) -> None:
        self._total = total
        self._label = label
        self._numbers: dict[str, int] | None = None

    def part(self, part: str, whole: str) -> list[int]:
        """Return the pages of one label, or from one label to another."""
        if not part or self._label is None:
            raise InvalidInputError(f"{whole!r} is not a page range.", _HINT)
        if (number := self._find(part)) is not None:
            return [number]
        for place, character in enumerate(part):
            if character in _DASHES:
                first, last = self._find(part[:place]), self._find(part[place + 1 :])
                if first is not None and not part[place + 1 :].strip():
                    last = self._total
                if first is not None and last is not None and first <= last:
                    return list(range(first, last + 1))
        raise NotFoundError(f"No page is labelled {part.lstrip('=')!r}.", f"{self._examples()} {_HINT}".strip())

    def _find(self, label: str) -> int | None:
        known = self._known()
        wanted = label.strip()
        if wanted.startswith("="):
            return known.get(_folded(wanted[1:]))
        if wanted.isascii() and wanted.isdecimal():
            return int(wanted) if 1 <= int(wanted) <= self._total else None
        return known.get(_folded(wanted))

    def _known(self) -> dict[str, int]:
        if self._numbers is None:
            self._numbers = {}
            for index in range(self._total):
                if self._label is not None:
                    self._numbers.setdefault(_folded(self._label(index)), index + 1)
        return self._numbers

    def _examples(self) -> str:
        if self._label is None:
            return ""
        labels = [self._label(index) for index in range(min(self._total, _SHOWN_LABELS))]
        return f"The first pages are labelled {', '.join(labels)}."


def _folded(label: str) -> str:
    return unicodedata.normalize("NFKC", label).strip().casefold()


def format_page_range(pages: list[int]) -> str:
    """Write page numbers as the shortest range that names them in the same order."""
    parts: list[str] = []
    start = 0
    for i in range(1, len(pages) + 1):
        if i == len(pages) or pages[i] != pages[i - 1] + 1:
            parts.append(str(pages[start]) if i - start == 1 else f"{pages[start]}-{pages[i - 1]}")
            start = i
    return ",".join(parts)


def range_numbers(pages: str) -> list[int]:
    """Read back what `format_page_range` wrote."""
    numbers: list[int] = []
    for part in pages.split(",") if pages else ():
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def merged_ranges(*ranges: str, since: int | None = None) -> str:
    """Put ranges that `format_page_range` wrote together, each page once; `since`: without those before this page."""
    found = list(dict.fromkeys(number for pages in ranges for number in range_numbers(pages)))
    return format_page_range(found if since is None else found[found.index(since) :])
