"""Texts that say the same again: the same passage in two files, or in two versions of one."""

from __future__ import annotations

import heapq
import re
import unicodedata
import zlib
from typing import Final

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
