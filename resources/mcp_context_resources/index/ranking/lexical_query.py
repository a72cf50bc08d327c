"""Lexical query: the clauses and weights by which chunks are looked for by terms, and what all of them would score.

Fields are weighed against each other, identifiers count double, phrases and unwanted words bound what may match. BM25
scores are made shares of what a chunk would score that holds the whole query, so that they compare over queries.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from mcp_context_resources.index.store import Clause, Combination, LexicalQuery, Match

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp_context_resources.index.analysis.terms import Field
    from mcp_context_resources.index.ranking.phrases import Phrase
    from mcp_context_resources.index.ranking.query import ParsedQuery, QueryWord
    from mcp_context_resources.index.store import TermStatistics

WORDS_WEIGHT: Final = 1.0
"""Weight of a dictionary form or stem in the text."""

SURFACE_WEIGHT: Final = 0.5
"""Weight of a word that stands in the text just as it stands in the query."""

PAIRS_WEIGHT: Final = 0.15
"""Weight of a pair of characters that words of the query share."""

CHARACTERS_WEIGHT: Final = 0.3
"""Weight of a single character."""

HEADING_WEIGHT: Final = 0.6
"""Weight of a word in the headings above a text."""

NAME_WEIGHT: Final = 0.4
"""Weight of a word in the name of the source."""

IDENTIFIER_WEIGHT: Final = 2.0
"""Weight of an identifier that stands in the text whole, whatever its signs."""

WEAK_WEIGHT: Final = 0.3
"""Weight of a word that says nothing of what a text is about."""

LOAN_WEIGHT: Final = 1.0
"""Weight of a word that English and Japanese have in common, where it stands in the other script."""

FULL_SCORE: Final = 2.0
"""What a text scores that holds all of a query, for each unit of the sum of its words' rarities; BM25 gives a word that
fills a text 2.2 of it."""


def lexical_query(parsed: ParsedQuery) -> LexicalQuery:
    """Make the query that finds chunks by the words of a parsed one, which has some."""
    words = [_word(word) for word in parsed.words]
    words += [Match("surface", (pair,), PAIRS_WEIGHT) for pair in parsed.pairs]
    bonus = [_best(_each("words", word.terms, WEAK_WEIGHT)) for word in parsed.weak if word.terms]
    required, excluded = _bounds(parsed)
    return LexicalQuery(_sum(words), tuple(bonus), required, excluded)


def identifier_query(parsed: ParsedQuery) -> LexicalQuery | None:
    """Make the query that finds chunks which hold an identifier of a parsed query whole; None where it has none."""
    whole = [Match("surface", word.parts) for word in parsed.words if word.identifier and word.parts]
    if not whole:
        return None
    required, excluded = _bounds(parsed)
    return LexicalQuery(_sum(whole), (), required, excluded)


def terms_of_query(parsed: ParsedQuery) -> set[tuple[Field, str]]:
    """Return the terms whose statistics `full_score` needs."""
    fields: set[tuple[Field, str]] = set()
    for word in (*parsed.words, *parsed.weak):
        if word.terms:
            fields.update(("words", term) for term in word.terms)
        else:
            fields.update(("surface", part) for part in word.parts)
    return fields


def full_score(parsed: ParsedQuery, statistics: TermStatistics) -> float:
    """Return what a chunk would score that holds every word of a query, weak ones counted in full; more than 0."""
    chunks = max(1, statistics.chunks)
    rarities = 0.0
    for word in (*parsed.words, *parsed.weak):
        if word.terms:
            holding = max(statistics.holding["words", term] for term in word.terms)
        else:
            holding = min((statistics.holding["surface", part] for part in word.parts), default=0)
        weight = IDENTIFIER_WEIGHT if word.identifier else 1.0
        rarities += weight * math.log(1 + (max(0, chunks - holding) + 0.5) / (holding + 0.5))
    return FULL_SCORE * rarities


def _word(word: QueryWord) -> Clause:
    whole = IDENTIFIER_WEIGHT if word.identifier else 1.0
    loan = (word.loan,) if word.loan else ()
    clauses: list[Clause] = []
    if either := [*_each("words", word.terms, WORDS_WEIGHT * whole), *_each("loans", loan, LOAN_WEIGHT)]:
        clauses.append(_best(either))
    clauses += _surface(word, SURFACE_WEIGHT * whole)
    if anywhere := tuple(dict.fromkeys((*word.terms, *loan, *(word.parts if not word.terms else ())))):
        clauses.append(_best(_each("heading", anywhere, HEADING_WEIGHT)))
        clauses.append(_best(_each("name", anywhere, NAME_WEIGHT)))
    return _sum(clauses)


def _surface(word: QueryWord, weight: float) -> list[Clause]:
    if not word.parts:
        return []
    if len(word.parts) == 1 and len(word.parts[0]) == 1 and not word.parts[0].isascii():
        return [Match("characters", word.parts, CHARACTERS_WEIGHT)]
    return [Match("surface", word.parts, weight)]


def _bounds(parsed: ParsedQuery) -> tuple[tuple[Clause, ...], tuple[Clause, ...]]:
    """Keep to chunks that may hold the phrases, and away from unwanted words."""
    fields: tuple[Field, ...] = ("words", "heading")
    unwanted = tuple(Match(field, (term,)) for term in sorted(parsed.without_terms) for field in fields)
    return tuple(_holds(phrase) for phrase in parsed.phrases), unwanted


def _holds(phrase: Phrase) -> Clause:
    """Find a phrase in the text, or its words in the headings."""
    text = [Match("surface", run) for run in phrase.runs]
    text += _each("characters", phrase.characters)
    parts = dict.fromkeys((*(part for run in phrase.runs for part in run), *phrase.characters))
    heading = _each("heading", parts)
    return _sum([Combination("all", tuple(text)), Combination("all", tuple(heading))])


def _each(field: Field, terms: Iterable[str], weight: float = 1.0) -> list[Match]:
    return [Match(field, (term,), weight) for term in terms]


def _best(clauses: list[Match]) -> Clause:
    return clauses[0] if len(clauses) == 1 else Combination("best", tuple(clauses))


def _sum(clauses: Iterable[Clause]) -> Clause:
    return Combination("sum", tuple(clauses))
