"""The pages that the documents bench reads: always the same ones, with what the reference reads on them."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bench.document_packages import ODD, fetched, run_command
from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_READ_SECONDS: Final = 30.0
_MOST_PAGES: Final = 40
_QUICK_PAGES: Final = 8
_QUICK_ODD: Final = 4
_SLOW_PAGES: Final = 8
_SLOW_ODD: Final = 4
_PAGE_COUNT: Final = re.compile(r"^Pages:\s+(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Extract:
    """Some pages of one file, and poppler's text of each."""

    path: Path
    group: str
    pages: tuple[int, ...]
    reference: tuple[str, ...]

    def fewer(self, most: int) -> Extract:
        """Return at most `most` of these pages, the first and the last."""
        kept = [number - 1 for number in sampled(len(self.pages), most)]
        return replace(self, pages=tuple(self.pages[i] for i in kept), reference=tuple(self.reference[i] for i in kept))


@dataclass(frozen=True, slots=True)
class Corpus:
    """All extracts, and notes on what is missing."""

    extracts: tuple[Extract, ...]
    notes: tuple[str, ...]


def corpus(*, quick: bool) -> Corpus:
    """Return the corpus, fetched if it isn't there; what can't be had is named in its notes.

    Raises `BenchError` where poppler isn't installed, or nothing can be had.
    """
    if shutil.which("pdftotext") is None:
        raise BenchError("pdftotext is missing, the reference of this bench: install poppler-utils and poppler-data.")
    files, notes = fetched()
    if quick:
        odd = [path for path, group in files if group == ODD]
        left_out = set(odd) - set(odd[::_QUICK_ODD])
        files = [(path, group) for path, group in files if path not in left_out]
    extracts, unread = [], 0
    for path, group in files:
        extract = _extract(path, group, _QUICK_PAGES if quick else _MOST_PAGES)
        if extract is None:
            unread += 1
        else:
            extracts.append(extract)
    if not extracts:
        raise BenchError(f"There is no PDF to read. {' '.join(notes)}")
    if unread:
        notes.append(f"Left out: {unread} files of which poppler, the reference, reads nothing (locked or damaged).")
    return Corpus(tuple(extracts), tuple(notes))


def sampled(total: int, most: int) -> tuple[int, ...]:
    """Return at most `most` page numbers of `total`: the first ones and the last ones."""
    if total <= most:
        return tuple(range(1, total + 1))
    first = most - most // 2
    return (*range(1, first + 1), *range(total - (most - first) + 1, total + 1))


def for_slow_readers(extracts: Sequence[Extract], *, quick: bool) -> list[Extract]:
    """Return the share of the pages that is given to readers of about a page a second."""
    most = _SLOW_PAGES // 2 if quick else _SLOW_PAGES
    odd = [extract for extract in extracts if extract.group == ODD]
    kept = [extract for extract in extracts if extract.group != ODD] + odd[::_SLOW_ODD]
    return [extract.fewer(most) for extract in kept]


def ranges(pages: Iterable[int]) -> list[tuple[int, int]]:
    """Return ascending page numbers as (first, last) of consecutive ones."""
    found: list[tuple[int, int]] = []
    for page in pages:
        if found and page == found[-1][1] + 1:
            found[-1] = (found[-1][0], page)
        else:
            found.append((page, page))
    return found


def _extract(path: Path, group: str, most: int) -> Extract | None:
    """Sample a file by poppler; None where poppler can't read it."""
    try:
        match = _PAGE_COUNT.search(run_command("pdfinfo", str(path), seconds=_READ_SECONDS))
        if match is None or match[1] == "0":
            return None
        pages = sampled(int(match[1]), most)
        texts: list[str] = []
        for first, last in ranges(pages):
            told = run_command("pdftotext", "-f", str(first), "-l", str(last), str(path), "-", seconds=_READ_SECONDS)
            texts += (told.split("\f") + [""] * (last - first))[: last - first + 1]
    except BenchError:
        return None
    return Extract(path, group, pages, tuple(texts))
