"""Evaluation sets for search: documents without their titles, and the titles, written by people, as queries.

Where a document exists in both languages, the title of one language is a query on the documents of the other, too.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from bench.measure import BenchError
from bench.search_packages import LANGUAGES, titled_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.search_packages import Titled

_JAPANESE: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_SEED: Final = 20_261_123


@dataclass(frozen=True, slots=True)
class Query:
    """A text to look for, in a language, and the document it is the title of."""

    text: str
    language: str
    target: str


@dataclass(frozen=True, slots=True)
class SearchSet:
    """Documents of one language, by id, and queries on them in one language or two."""

    name: str
    language: str
    documents: Mapping[str, str]
    queries: tuple[Query, ...]

    @property
    def languages(self) -> list[str]:
        """The languages of its queries, its own first."""
        there = {query.language for query in self.queries}
        return sorted(there, key=lambda language: (language != self.language, language))

    def asked_in(self, language: str) -> tuple[Query, ...]:
        """Return the queries of a language."""
        return tuple(query for query in self.queries if query.language == language)

    def task(self, language: str) -> str:
        """Name the queries of a language on these documents."""
        return f"{self.name} {language}→{self.language}"


@dataclass(frozen=True, slots=True)
class SetPlan:
    """How much of a collection is taken: documents of each language, and at `most` so many characters of each.

    A text shorter than `least` (half of that in Japanese) says too little; `crossed` tells whether titles of the other
    language are asked, too.
    """

    documents: int
    quick_documents: int
    least: int = 80
    most: Mapping[str, int] | None = None
    crossed: bool = True


_QUERIES: Final = 300
_QUICK_QUERIES: Final = 60
_LEAST_TITLE: Final = {"en": 9, "ja": 4}
# Manual pages are cut so that embedding them stays affordable.
_PLANS: Final = {
    "lohelp": SetPlan(600, 60, least=200),
    "man": SetPlan(300, 24, least=400, most={"en": 3600, "ja": 1800}, crossed=False),
    "debpkg": SetPlan(2000, 100),
}


def search_sets(*, quick: bool) -> tuple[list[SearchSet], list[str]]:
    """Return the sets that can be had, two languages of each collection, and notes on what can't."""
    sets: list[SearchSet] = []
    notes: list[str] = []
    for name, plan in _PLANS.items():
        try:
            texts = titled_texts(name)
        except BenchError as error:
            notes.append(f"Without {name}: {error}")
            continue
        documents = plan.quick_documents if quick else plan.documents
        sets += sampled_sets(name, texts, plan, documents, _QUICK_QUERIES if quick else _QUERIES)
    return sets, notes


def sampled_sets(
    name: str, texts: Mapping[str, Titled], plan: SetPlan, documents: int, queries: int
) -> list[SearchSet]:
    """Draw documents and queries by lot, always the same ones; the targets are the same in both languages.

    Texts of several documents and titles of several documents have no one target: the first are taken once, the others
    not asked.
    """
    fit = {language: _fit(texts[language], language, plan) for language in LANGUAGES}
    titled = {language: _titled(texts[language], fit[language], language) for language in LANGUAGES}
    chosen: dict[str, list[str]] = {}
    asked: dict[str, list[str]] = {}
    for language in LANGUAGES:
        own = sorted(titled["en"] & titled["ja"] if plan.crossed else titled[language])
        Random(_SEED).shuffle(own)
        asked[language] = own[: min(queries, documents)]
        # Shuffled with the targets among them, so that a smaller set is always a part of a larger one.
        others = sorted(fit[language])
        Random(_SEED).shuffle(others)
        chosen[language] = list(dict.fromkeys([*asked[language], *others]))[:documents]
    return [
        SearchSet(
            name,
            language,
            {key: fit[language][key] for key in sorted(chosen[language])},
            tuple(
                Query(texts[other][key][0], other, key)
                for other in (LANGUAGES if plan.crossed else (language,))
                for key in asked[language]
            ),
        )
        for language in LANGUAGES
    ]


def _fit(texts: Titled, language: str, plan: SetPlan) -> dict[str, str]:
    """Return the texts that can be documents: in their language, long enough, each once."""
    fit: dict[str, str] = {}
    seen: set[str] = set()
    least = plan.least if language == "en" else plan.least // 2
    for key in sorted(texts):
        text = texts[key][1]
        if plan.most is not None:
            text = text[: plan.most[language]]
        if len(text) >= least and text not in seen and _is_in(text, language):
            seen.add(text)
            fit[key] = text
    return fit


def _titled(texts: Titled, fit: Mapping[str, str], language: str) -> set[str]:
    """Return those whose title is their own and says something."""
    often = Counter(title for title, _ in texts.values())
    return {
        key
        for key in fit
        if often[texts[key][0]] == 1
        and len(texts[key][0]) >= _LEAST_TITLE[language]
        and (language == "en" or _is_in(texts[key][0], language))
    }


def _is_in(text: str, language: str) -> bool:
    """Tell whether a text is in a language: many pages of the Japanese packages aren't translated, or hardly."""
    share = len(_JAPANESE.findall(text)) / max(1, len(text))
    return share >= 0.3 if language == "ja" else share < 0.05
