"""Phrases: found in a text exactly, whatever its width, case, kana and line breaks; and candidates checked for them."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from mcp_context_resources.index.analysis.folding import fold, to_hiragana
from mcp_context_resources.index.analysis.terms import pairs, terms_of
from mcp_context_resources.index.analysis.words import Run, units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp_context_resources.index.store import Retriever

_PLAIN: Final = frozenset(string.ascii_lowercase + string.digits)


@dataclass(frozen=True)
class Phrase:
    """Words that must stand in a text one after the other; `text` is folded by `plain`.

    `runs` are neighbours in the surface of every text that holds it, `characters` single characters that it holds.
    """

    text: str
    runs: tuple[tuple[str, ...], ...]
    characters: tuple[str, ...]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # Japanese stands beside Latin letters without a space, and isn't part of their word.
        before = "(?<![a-z0-9])" if self.text[0] in _PLAIN else ""
        after = "(?![a-z0-9])" if self.text[-1] in _PLAIN else ""
        return re.compile(before + r"\s+".join(re.escape(word) for word in self.text.split()) + after)

    def spans(self, plain_text: str) -> Iterator[tuple[int, int]]:
        """Yield where the phrase stands in a text folded by `plain`."""
        return (match.span() for match in self._pattern.finditer(plain_text))

    def stands_in(self, plain_text: str) -> bool:
        """Tell whether a text folded by `plain` holds the phrase."""
        return self._pattern.search(plain_text) is not None


def phrase_of(text: str) -> Phrase | None:
    """Read a phrase; None where it holds no word."""
    folded = fold(text.strip())
    runs: list[tuple[str, ...]] = []
    characters: list[str] = []
    current: list[str] = []
    for unit in units(folded):
        if isinstance(unit, Run):
            run = to_hiragana(unit.text)
            if len(run) == 1:  # in the text it may be the end of a pair
                characters.append(run)
                runs.append(tuple(current))
                current = []
            else:
                current += pairs(run)
        else:
            current += [part for part, _, _ in unit.parts]
    runs.append(tuple(current))
    runs = [run for run in runs if run]
    return Phrase(plain(folded), tuple(runs), tuple(characters)) if runs or characters else None


def plain(folded: str) -> str:
    """Write a folded text in lower case and hiragana; every character keeps its place."""
    lowered = folded.lower()
    if len(lowered) != len(folded):
        lowered = "".join(low if len(low := character.lower()) == 1 else character for character in folded)
    return to_hiragana(lowered)


class PhraseCheck:
    """Reads chunks again for phrases that must stand in them, and for phrases and terms that must not.

    Candidates of a store may hold them, no more.
    """

    def __init__(
        self,
        retriever: Retriever,
        phrases: Sequence[Phrase],
        without_phrases: Sequence[Phrase],
        without_terms: frozenset[str],
    ) -> None:
        self._retriever = retriever
        self._phrases = phrases
        self._without_phrases = without_phrases
        self._without_terms = without_terms

    def phrases(self, chunks: Sequence[int]) -> set[int]:
        """Return those that hold every phrase, in the text or in a heading, and no unwanted one."""
        return {
            number
            for number, heading, text in self._plain(chunks)
            if all(phrase.stands_in(text) or phrase.stands_in(heading) for phrase in self._phrases)
            and not any(phrase.stands_in(text) or phrase.stands_in(heading) for phrase in self._without_phrases)
        }

    def everything(self, chunks: Sequence[int]) -> set[int]:
        """Return those of them that hold no unwanted word either."""
        accepted = self.phrases(chunks)
        if not self._without_terms:
            return accepted
        return {
            number
            for number, heading, text in self._plain(sorted(accepted))
            if self._without_terms.isdisjoint(terms_of(f"{heading}\n{text}").words)
        }

    def _plain(self, chunks: Sequence[int]) -> list[tuple[int, str, str]]:
        found = self._retriever.texts(chunks)
        return [(number, plain(fold(heading)), plain(fold(text))) for number, heading, text in found]
