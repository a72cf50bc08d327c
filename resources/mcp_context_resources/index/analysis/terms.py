"""The terms a text is found by."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from mcp_context_resources.index.analysis.folding import fold, to_hiragana
from mcp_context_resources.index.analysis.japanese import loan_word, terms
from mcp_context_resources.index.analysis.stop_words import STOP_WORDS
from mcp_context_resources.index.analysis.words import JAPANESE_RUN, Word, parse_unit, spans, stem


class Terms(NamedTuple):
    """Terms of a text, in its order.

    `words` are dictionary forms and stems; `surface` is what stands there, cut as small as can be, pairs of characters
    where a script has no spaces; `characters` are those scripts' single characters.
    """

    words: list[str]
    surface: list[str]
    characters: list[str]


def terms_of(text: str) -> Terms:
    """Take a text apart."""
    words, surface, characters = found = Terms([], [], [])
    for kind, text_of_unit in spans(fold(text)):
        if kind == "run":
            plain = to_hiragana(text_of_unit)
            characters.extend(plain)
            surface.extend(pairs(plain))
            for piece in JAPANESE_RUN.findall(text_of_unit):
                words.extend(terms(piece))
        else:
            of_surface, of_words = _terms_of_unit(kind, text_of_unit)
            surface.extend(of_surface)
            words.extend(of_words)
    return found


@lru_cache(maxsize=65_536)
def _terms_of_unit(kind: str | None, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    word = parse_unit(kind, text)
    return tuple(part for part, _, _ in word.parts), tuple(word_terms(word))


def pairs(run: str) -> list[str]:
    """Return the pairs of neighbours in a run of characters; of a single one itself."""
    return [run[place : place + 2] for place in range(len(run) - 1)] or [run]


def word_terms(word: Word) -> list[str]:
    """Return the terms of a word: stems of its parts and pieces, what it is whole, its Japanese form."""
    if not word.compound and word.whole == word.pieces[0]:
        return alternatives(word.whole)
    found = [word.whole]
    for piece in dict.fromkeys((*word.pieces, *(part for part, _, _ in word.parts))):
        found += alternatives(piece)
    return list(dict.fromkeys(found))


def alternatives(word: str) -> list[str]:
    """Return the stem of a single word and its Japanese form, where there is one."""
    stemmed = stem(word)
    if word in STOP_WORDS:
        return [stemmed]
    japanese = loan_word(word) or loan_word(stemmed)
    return [stemmed, japanese] if japanese else [stemmed]
