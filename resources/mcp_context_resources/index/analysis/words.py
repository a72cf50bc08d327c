"""Words: a folded text cut into words, numbers, identifiers and runs of scripts without spaces (tokenizer)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import Stemmer

from mcp_context_resources.index.analysis.folding import JAPANESE, MARKS, SPACELESS

if TYPE_CHECKING:
    from collections.abc import Iterator

_LETTERS: Final = rf"(?:[A-Za-z0-9]|(?![{SPACELESS}\x00-\x7f])[^\W_][{MARKS}]*)+"
_JOINER: Final = r"(?:[-_./:@&'#\\+=%~]{1,3})"
_UNIT: Final = re.compile(
    rf"(?P<run>[{SPACELESS}]+)"
    rf"|(?P<number>(?<![A-Za-z0-9.,])[0-9]{{1,3}}(?:,[0-9]{{3}}){{1,6}}(?![0-9])(?:\.[0-9]{{1,20}}(?![0-9A-Za-z]))?)"
    rf"|(?P<word>{_LETTERS}(?:{_JOINER}{_LETTERS}){{0,40}}(?:\+\+|#(?![A-Za-z0-9]))?)"
)
_PIECE: Final = re.compile(_LETTERS)
_PART: Final = re.compile(r"[0-9]+|[^0-9]+")
_CAMEL: Final = re.compile(r"(?:[A-Z]?[a-z0-9]+)(?:[A-Z][a-z0-9]+)+")
_HUMP: Final = re.compile(r"[A-Z]?[a-z]+|[0-9]+|[A-Z]")
_MOST_PARTS: Final = 8
"""A piece of more parts than that, such as a hash in hexadecimal digits, stays whole."""

_VOWELS: Final = frozenset("aeiouy")
JAPANESE_RUN: Final = re.compile(f"[{JAPANESE}]+")
"""A piece of text a Japanese dictionary knows of."""

LONGEST_TERM: Final = 80
"""Longer words are cut: they are no words."""

STOP_WORDS: Final = frozenset(
    """
    a about after all also am an and any are as at be because been before being both but by can could did do does doing
    each for from had has have having he her here hers him his how i if in into is it its just me more most my no nor
    not of off on once only or our ours out over own same she should so some such t than that the their theirs them
    then there these they this those through to too under until up us very was we were what when where which while who
    whom why will with would you your yours
    """.split()
)
"""Words a query is not searched for where it holds any other."""

_STEMMER: Final = Stemmer.Stemmer("english", 0)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a script without spaces, from `start` on."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)

    def japanese(self) -> Iterator[tuple[int, str]]:
        """Yield the pieces a Japanese dictionary knows of, each with its place in the text."""
        for match in JAPANESE_RUN.finditer(self.text):
            yield self.start + match.start(), match.group()


@dataclass(frozen=True, slots=True)
class Word:
    """A word, a number or an identifier: `whole` is how it is found whatever its signs, `pieces` are what signs join.

    `parts` are the smallest, cut where letters and digits or humps of a camel meet, each with its place.
    """

    start: int
    end: int
    whole: str
    pieces: tuple[str, ...]
    parts: tuple[tuple[str, int, int], ...]

    @property
    def compound(self) -> bool:
        """Whether there is more than one part to it."""
        return len(self.parts) > 1


def spans(text: str) -> Iterator[tuple[str | None, str]]:
    """Cut a folded text into `run`s, `number`s and `word`s, as they are written."""
    for match in _UNIT.finditer(text):
        yield match.lastgroup, match.group()


def placed_spans(text: str) -> Iterator[tuple[str | None, int, str]]:
    """Cut a folded text as `spans` does, and tell where each starts."""
    for match in _UNIT.finditer(text):
        yield match.lastgroup, match.start(), match.group()


def parse_unit(kind: str | None, text: str) -> Word:
    """Take apart what `spans` calls a `number` or a `word`."""
    return parse_number(text) if kind == "number" else parse_word(text)


def units(text: str) -> Iterator[Run | Word]:
    """Cut a folded text; signs and blanks are passed over."""
    for match in _UNIT.finditer(text):
        kind, found, start = match.lastgroup, match.group(), match.start()
        if kind == "run":
            yield Run(found, start)
        elif kind == "number":
            yield parse_number(found, start)
        else:
            yield _word(found, start)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return the stem of a lower-case English word (Porter2); other words, numbers and short ones as they are."""
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    if word[-1] == "s" and not _VOWELS.intersection(word):  # PDFs, which English grammar takes for no plural
        return word[:-1]
    stemmed: str = _STEMMER.stemWord(word)
    return stemmed


def parse_number(text: str, start: int = 0) -> Word:
    """Read thousands together: 1,234.5 is 1234 and 5."""
    plain = text.replace(",", "")
    head, _, tail = plain.partition(".")
    end = start + len(text)
    middle = end - len(tail)
    parts = ((head, start, middle - 1), (tail, middle, end)) if tail else ((head, start, end),)
    return Word(start, end, plain, tuple(part for part, _, _ in parts), parts)


def _word(text: str, start: int) -> Word:
    word = parse_word(text)
    if not start:
        return word
    parts = tuple((part, start + first, start + last) for part, first, last in word.parts)
    return Word(start, start + len(text), word.whole, word.pieces, parts)


@lru_cache(maxsize=32_768)
def parse_word(text: str) -> Word:
    """Take a word or an identifier apart that stands alone."""
    pieces: list[str] = []
    parts: list[tuple[str, int, int]] = []
    for match in _PIECE.finditer(text):
        piece, offset = match.group(), match.start()
        pieces.append(piece.casefold()[:LONGEST_TERM])
        cut = list((_HUMP if _CAMEL.fullmatch(piece) else _PART).finditer(piece))
        if len(cut) > _MOST_PARTS:
            parts.append((pieces[-1], offset, match.end()))
        else:
            parts += [
                (part.group().casefold()[:LONGEST_TERM], offset + part.start(), offset + part.end()) for part in cut
            ]
    return Word(0, len(text), _whole(text, pieces), tuple(pieces), tuple(parts))


def _whole(text: str, pieces: list[str]) -> str:
    """Write an identifier without its signs; between digits one stays, or 1.23 and 12.3 were the same."""
    if text.endswith(("++", "#")):  # C++, C#
        return text.casefold()[:LONGEST_TERM]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += "." + piece if whole[-1].isdecimal() and piece[0].isdecimal() else piece
    return whole[:LONGEST_TERM]
