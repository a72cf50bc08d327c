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
        self._sketches: list[tuple[int, frozenset[int], list[str]]] = []

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
        for earlier, other, others_figures in self._sketches:
            if figures == others_figures and _resemblance(sketch, other) >= ALIKE:
                return earlier
        self._sketches.append((place, sketch, figures))
        return None


def _folded(text: str) -> str:
    return _FILLING.sub("", unicodedata.normalize("NFKC", text[:_LOOKED_AT]).casefold())


def _sketch(text: str) -> frozenset[int]:
    coded = text.encode("utf-32-le", "surrogatepass")
    last = max(1, len(text) - _SHINGLE + 1)
    hashes = {zlib.crc32(coded[4 * place : 4 * (place + _SHINGLE)]) for place in range(last)}
    return frozenset(heapq.nsmallest(_SKETCH, hashes))


def _resemblance(one: frozenset[int], other: frozenset[int]) -> float:
    shared = one & other
    if 2 * len(shared) < ALIKE * min(len(one), len(other)):
        return 0.0
    size = min(_SKETCH, max(len(one), len(other)))
    smallest = heapq.nsmallest(size, one | other)
    return sum(value in shared for value in smallest) / len(smallest)
