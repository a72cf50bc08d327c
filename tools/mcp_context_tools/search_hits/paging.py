"""Paging of hits: near copies folded, no source taking more than its share of a page."""

from __future__ import annotations

import hashlib
import heapq
import re
import unicodedata
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mcp_context_resources.cursor import decode_cursor, encode_cursor
from mcp_context_resources.errors import InvalidCursorError, StaleCursorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.index.request import SearchRequest
    from mcp_context_resources.index.spec import Hit

ALIKE: Final = 0.8
"""Resemblance from which two texts count as copies of each other."""

_SHINGLE: Final = 6
_SKETCH: Final = 96
_LOOKED_AT: Final = 6_000
_FIGURES: Final = re.compile(r"\d+")
_FILLING: Final = re.compile(r"[\W_]+")


class NearCopies:
    """Finds among texts those that nearly repeat an earlier one.

    Texts are compared by their shingles of six characters, through sketches of the 96 smallest hashes (A. Broder, On
    the resemblance and containment of documents, 1997). Texts with different figures are never copies: two price lists
    differ in nothing else.
    """

    def __init__(self) -> None:
        self._exact: dict[str, int] = {}
        self._sketches: dict[int, tuple[frozenset[int], list[str]]] = {}
        self._holders: dict[int, list[int]] = {}

    def earlier(self, place: int, text: str, *, exactly: bool = False) -> int | None:
        """Return the place of an earlier text that this one repeats, or remember it under its place.

        `exactly`: only an equal one, as for rows of tables, which are alike by nature.
        """
        whole = _folded(text)
        if (same := self._exact.setdefault(whole, place)) != place:
            return same
        if exactly:
            return None
        sketch, figures = _sketch(whole), _FIGURES.findall(text)
        # Only texts that share hashes can resemble each other, and most share none.
        for earlier in sorted({one for value in sketch for one in self._holders.get(value, ())}):
            other, others_figures = self._sketches[earlier]
            if figures == others_figures and _resemblance(sketch, other) >= ALIKE:
                self._exact[whole] = earlier  # the place of what is kept, not of what was folded into it
                return earlier
        self._sketches[place] = sketch, figures
        for value in sketch:
            self._holders.setdefault(value, []).append(place)
        return None


def _folded(text: str) -> str:
    return _FILLING.sub("", unicodedata.normalize("NFKC", text[:_LOOKED_AT]).casefold())


def _sketch(text: str) -> frozenset[int]:
    coded = text.encode("utf-32-le", "surrogatepass")
    last = max(4, len(coded) - 4 * (_SHINGLE - 1))
    hashes = set(map(zlib.crc32, [coded[place : place + 4 * _SHINGLE] for place in range(0, last, 4)]))
    return frozenset(sorted(hashes)[:_SKETCH])


def _resemblance(one: frozenset[int], other: frozenset[int]) -> float:
    shared = one & other
    if 2 * len(shared) < ALIKE * min(len(one), len(other)):
        return 0.0
    size = min(_SKETCH, max(len(one), len(other)))
    smallest = heapq.nsmallest(size, one | other)
    return sum(value in shared for value in smallest) / len(smallest)


MOST_OF_A_SOURCE: Final = 3
"""Hits of one source on a page, where several sources have some."""


@dataclass(frozen=True, slots=True)
class Found:
    """A hit, and the hits that say the same elsewhere."""

    hit: Hit
    copies: list[Hit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PageSpan:
    """A page in the order of all hits: `shown` hits come before it, `end` is where it ends."""

    shown: int
    end: int


def folded(hits: Sequence[Hit]) -> list[Found]:
    """Fold each hit that nearly repeats a better one into that one."""
    kept: dict[int, Found] = {}
    copies = NearCopies()
    for place, hit in enumerate(hits):
        earlier = copies.earlier(place, hit.chunk.text, exactly=hit.chunk.kind in ("row", "schema"))
        if earlier is None:
            kept[place] = Found(hit)
        else:
            kept[earlier].copies.append(hit)
    return list(kept.values())


def in_pages(found: Sequence[Found], size: int, most: int) -> list[list[Found]]:
    """Lay hits out in pages of up to `size`, each with at most `most` of a source; what is over waits for the next."""
    pages: list[list[Found]] = []
    waiting = list(found)
    while waiting:
        page: list[Found] = []
        counts: Counter[str] = Counter()
        rest: list[Found] = []
        for one in waiting:
            key = one.hit.source.key
            if len(page) < size and counts[key] < most:
                counts[key] += 1
                page.append(one)
            else:
                rest.append(one)
        pages.append(page)
        waiting = rest
    return pages


def request_key(request: SearchRequest, size: int) -> str:
    """Identify what a cursor belongs to."""
    return hashlib.sha256(repr((request, size)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def cursor_after(key: str, order: Sequence[Found], shown: int) -> str:
    """Return the cursor that goes on behind the first `shown` hits."""
    return encode_cursor(key, _digest(order[:shown]), shown)


def place_at(cursor: str | None, key: str, pages: Sequence[Sequence[Found]]) -> PageSpan:
    """Return where a cursor goes on; without one, the beginning.

    Raises `InvalidCursorError`, and `StaleCursorError` where the hits before it are no longer what they were.
    """
    order = [one for page in pages for one in page]
    shown = 0
    if cursor is not None:
        whose, digest, shown = decode_cursor(cursor, str, str, int)
        if shown < 1 or whose != key:
            raise InvalidCursorError(
                "The cursor belongs to another search.", "Repeat query, k and filters exactly as in the first call."
            )
        if shown > len(order) or _digest(order[:shown]) != digest:
            raise StaleCursorError(
                "What was found before has changed: files were edited, or more of them can be searched by now.",
                "Search again without a cursor.",
            )
    end = 0
    for page in pages:
        end += len(page)
        if end > shown:
            break
    return PageSpan(shown, end)


def _digest(found: Sequence[Found]) -> str:
    digest = hashlib.sha256()
    for one in found:
        chunk, source = one.hit.chunk, one.hit.source
        place = (source.key, source.fingerprint, chunk.kind, chunk.page, chunk.start, chunk.row, chunk.text)
        digest.update(repr(place).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]
