"""Index terms: what a chunk is found by, field by field."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from mcp_context_resources.index.analysis.folding import fold, to_hiragana
from mcp_context_resources.index.analysis.japanese import loan_word, terms
from mcp_context_resources.index.analysis.words import JAPANESE_RUN, STOP_WORDS, Word, parse_unit, spans, stem

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION: Final = 2
"""Changes with every change of the terms a text is found by."""

Field = Literal["words", "surface", "characters", "loans", "heading", "name"]
"""What a term stands in: as `Terms` tells them of the text; any of these of the headings above it, and of the name of
its source."""


class Terms(NamedTuple):
    """Terms of a text, in its order.

    `words` are dictionary forms and stems; `surface` is what stands there, cut as small as can be, pairs of characters
    where a script has no spaces; `characters` are those scripts' single characters. `loans` are what words of English
    and Japanese have in common: the Japanese forms of Latin words, and the words written in katakana.
    """

    words: list[str]
    surface: list[str]
    characters: list[str]
    loans: list[str]


def version() -> str:
    """Identify the way texts are taken apart: ours, and the Japanese dictionary, where there is one."""
    try:
        japanese = f"sudachi {metadata.version('sudachipy')} core {metadata.version('sudachidict_core')}"
    except metadata.PackageNotFoundError:
        japanese = "pairs of characters"
    return f"{VERSION}, {japanese}"


def fields_of(text: str, heading: Sequence[str], name: str) -> dict[Field, Sequence[str]]:
    """Return the terms of each field of a chunk; those of its heading and name each once, for they aren't weighed."""
    words, surface, characters, loans = terms_of(text)
    fields: dict[Field, Sequence[str]] = {"name": _bag(name), "words": words, "surface": surface}
    fields |= {"characters": characters, "loans": loans}
    if heading:
        fields["heading"] = _bag(heading_line(heading))
    return fields


def heading_line(heading: Sequence[str]) -> str:
    """Write the headings above a chunk in one line, the outermost first."""
    return " / ".join(heading)


def terms_of(text: str) -> Terms:
    """Take a text apart."""
    words, surface, characters, loans = found = Terms([], [], [], [])
    for kind, text_of_unit in spans(fold(text)):
        if kind == "run":
            plain = to_hiragana(text_of_unit)
            characters.extend(plain)
            surface.extend(pairs(plain))
            for piece in JAPANESE_RUN.findall(text_of_unit):
                for term, loan in terms(piece):
                    words.append(term)
                    if loan:
                        loans.append(term)
        else:
            of_surface, of_words, of_loans = _terms_of_unit(kind, text_of_unit)
            surface.extend(of_surface)
            words.extend(of_words)
            loans.extend(of_loans)
    return found


@lru_cache(maxsize=256)
def _bag(text: str) -> tuple[str, ...]:
    terms = terms_of(text)
    return tuple(dict.fromkeys((*terms.words, *terms.surface, *terms.characters, *terms.loans)))


@lru_cache(maxsize=65_536)
def _terms_of_unit(kind: str | None, text: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    word = parse_unit(kind, text)
    return tuple(part for part, _, _ in word.parts), tuple(word_terms(word)), tuple(loans_of(word))


def pairs(run: str) -> list[str]:
    """Return the pairs of neighbours in a run of characters; of a single one itself."""
    return [run[place : place + 2] for place in range(len(run) - 1)] or [run]


def word_terms(word: Word) -> list[str]:
    """Return the terms of a word: stems of its parts and pieces, what it is whole."""
    if not word.compound and word.whole == word.pieces[0]:
        return [stem(word.whole)]
    return list(dict.fromkeys((word.whole, *(stem(piece) for piece in smaller(word)))))


def loans_of(word: Word) -> list[str]:
    """Return the Japanese forms of a word and of what it is made of, where there are any."""
    return [loan for piece in smaller(word) if (loan := loan_of(piece))]


def loan_of(word: str) -> str:
    """Return the Japanese form of a single word, where there is one; of a word that says something."""
    return "" if word in STOP_WORDS else loan_word(word) or loan_word(stem(word))


def smaller(word: Word) -> list[str]:
    """Return what a word is made of, each once: its pieces and its parts."""
    return list(dict.fromkeys((*word.pieces, *(part for part, _, _ in word.parts))))
