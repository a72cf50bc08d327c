"""Relevance of sentences: how well one supports a statement, which a question is about, by words and by meaning."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mcp_context_resources.sentences import flat, sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mcp_context_tools.model_tasks.call import ModelCall
    from mcp_context_tools.passages import Passage

SUPPORTED: Final = 0.7
"""Share of a statement's words that a sentence must hold to support it; of a few words it must hold all."""

_FEW_TERMS: Final = 4
_MANY_FIGURES: Final = 4

_FEWEST_TERMS: Final = 3
_LONGER: Final = 1.3
_MORE_CHARS: Final = 40
_STEM: Final = 6
_NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
_WORD: Final = re.compile(r"[^\W\d_](?:[^\W_]|(?<=\w)['’](?=\w))*")
_WIDE: Final = re.compile(r"[\u3005\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff]+")
_KANA: Final = re.compile(r"[\u3041-\u309f]+")
_NUMERALS: Final = dict(
    zip("one two three four five six seven eight nine ten eleven twelve".split(), map(str, range(1, 13)), strict=True)
)
_COMMON: Final = frozenset(
    "a about after all also an and any are as at be been before but by can could did do does each for from had has have"
    " he her his how i if in into is it its may me might must my no not of off on only or our out over per she should"
    " so some such than that the their them then there these they this those to under up was we were what when where"
    " which while who why will with would yes you your".split()
)


@dataclass(frozen=True, slots=True)
class About:
    """The words and figures of a text that tell what it is about."""

    terms: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def of(cls, text: str) -> About:
        """Find them in a text."""
        return cls(terms(text), numbers(text))

    @property
    def all(self) -> frozenset[str]:
        """Words and figures alike."""
        return self.terms | self.numbers


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage: from character `start` to `end` of its text, on one line as `text`."""

    text: str
    passage: Passage
    start: int
    end: int
    _about: list[About] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def about(self) -> About:
        """What the sentence is about, kept with it for as long as it is needed."""
        if not self._about:
            self._about.append(About.of(self.text))
        return self._about[0]

    @property
    def uri(self) -> str:
        """The citation of exactly this sentence."""
        return self.passage.cite(self.start, self.end)


def sentences_of(passages: Iterable[Passage]) -> list[Sentence]:
    """Cut passages into sentences; those without a letter or figure are left out."""
    found = []
    for passage in passages:
        for start, end in sentences(passage.text, lines=passage.lines):
            text = flat(passage.text[start:end])
            if any(character.isalnum() for character in text):
                found.append(Sentence(text, passage, start, end))
    return found


def numbers(text: str) -> frozenset[str]:
    """Return the numbers in a text, however they are written: `1,890`, `１８９０`, `two`."""
    text = unicodedata.normalize("NFKC", text)
    found = {number.replace(",", "").rstrip(".") for number in _NUMBER.findall(text)}
    found.update(_NUMERALS[word] for word in (word.casefold() for word in _WORD.findall(text)) if word in _NUMERALS)
    return frozenset(number.lstrip("0") or "0" for number in found)


def terms(text: str) -> frozenset[str]:
    """Return what a text is about: its words but the commonest, cut to their stems, and pairs of Japanese signs."""
    text = unicodedata.normalize("NFKC", text).casefold()
    found = {word[:_STEM] for word in _WORD.findall(_WIDE.sub(" ", _KANA.sub(" ", text))) if word not in _COMMON}
    for run in _WIDE.findall(text):
        found.update(run[place : place + 2] for place in range(max(1, len(run) - 1)))
    return frozenset(found)


def support(statement: str, evidence: str) -> float:
    """Tell how well a text supports a statement: the share of its words found there; 0 when a number is missing."""
    return _support(About.of(statement), About.of(evidence))


def _support(statement: About, evidence: About) -> float:
    figures = statement.numbers
    if not figures <= evidence.numbers:
        return 0.0
    if not statement.terms:
        return 1.0 if figures else 0.0
    return (len(statement.terms & evidence.terms) + len(figures)) / (len(statement.terms) + len(figures))


def best_support(statement: str, evidence: Sequence[Sentence]) -> tuple[Sentence | None, float]:
    """Return the sentence that supports a statement best, and how well; None when none does well enough.

    A statement of few words, or one much longer than the sentence, is supported by none: the one says nothing, the
    other goes round in circles.
    """
    said = About.of(statement)
    best = max(evidence, key=lambda sentence: _support(said, sentence.about), default=None)
    if best is None:
        return None, 0.0
    score = _support(said, best.about)
    about = len(said.all)
    says = about >= _FEWEST_TERMS and (about > _FEW_TERMS or score == 1.0)
    fits = len(statement) <= len(best.text) * _LONGER + _MORE_CHARS
    return (best if says and fits and score >= SUPPORTED else None), score


class Relevance:
    """How much sentences have to do with a question: shared words, rare ones for more (BM25's idf)."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = len(texts)
        self._frequency = Counter(term for text in texts for term in About.of(text).all)
        self._asked: dict[str, frozenset[str]] = {}

    def score(self, question: str, text: str) -> float:
        """Return the weight of what question and text share, more for a short text."""
        about = About.of(text)
        shared = self._of_question(question) & about.all
        return sum(map(self._weight, shared)) / (1 + math.log1p(len(about.terms)) / 4)

    def coverage(self, question: str, text: str) -> float:
        """Return which share of the question's words, by weight, the text has."""
        asked = self._of_question(question)
        whole = sum(map(self._weight, asked))
        return sum(map(self._weight, asked & About.of(text).all)) / whole if whole else 0.0

    def centrality(self, text: str) -> float:
        """Return how typical a text is of all: the mean frequency of its words, figures counting as facts."""
        about = terms(text)
        if len(about) < 3:
            return 0.0
        common = sum(self._frequency[term] for term in about) / len(about)
        figures = len(numbers(text))
        facts = 1.0 if figures == 0 else 1.2 if figures <= _MANY_FIGURES else 0.5  # a list of figures says little
        return math.log1p(common) * facts * min(1.0, len(about) / 8)

    def _of_question(self, question: str) -> frozenset[str]:
        if question not in self._asked:
            self._asked = {question: About.of(question).all}
        return self._asked[question]

    def _weight(self, term: str) -> float:
        seen = self._frequency[term]
        return math.log(1 + (self._count - seen + 0.5) / (seen + 0.5))


_EMBEDDED: Final = 160
_RANKS: Final = 60
_SECONDS: Final = 30.0


async def by_meaning(call: ModelCall, question: str, ranked: Sequence[Sentence], *, words_tell: bool) -> list[Sentence]:
    """Order sentences by meaning, and where words tell anything by both (reciprocal rank fusion, Cormack et al. 2009).

    `ranked` are in their order by words. Only 160 are looked at for their meaning: the first by words, and others
    evenly spread.

    Raises `ModelUnavailableError` where there is no model that embeds.
    """
    services = call.services
    catalogue = await services.tables.catalogue()
    model = await services.models.choose(catalogue, "embed")
    step = max(1, len(ranked) // _EMBEDDED)
    some = [*dict.fromkeys([*ranked[: _EMBEDDED // 2], *ranked[_EMBEDDED // 2 :: step]])][:_EMBEDDED]

    async def progress(done: float, total: float) -> None:
        await call.report(done, total or None, f"comparing {done:,.0f} of {total:,.0f} sentences")

    seconds = min(_SECONDS, call.seconds_left)
    asked = await services.models.embed(model, [question], "query", deadline=seconds)
    read = await services.models.embed(
        model, [sentence.text for sentence in some], "passage", deadline=seconds, on_progress=progress
    )
    if asked.finish != "stop" or not read.vectors:
        return list(ranked)
    import numpy as np  # not at the start of a server: it takes a tenth of a second

    vectors = np.frombuffer(read.vectors, "<f4").reshape(-1, read.dimensions)
    nearness = vectors @ np.frombuffer(asked.vectors, "<f4")
    by_nearness = [some[place] for place in np.argsort(-nearness)]
    weight = 1.0 if words_tell else 0.0
    ranks = {id(sentence): weight / (_RANKS + place) for place, sentence in enumerate(ranked)}
    for place, sentence in enumerate(by_nearness):
        ranks[id(sentence)] += 2 / (_RANKS + place)
    return sorted(ranked, key=lambda sentence: -ranks[id(sentence)])
