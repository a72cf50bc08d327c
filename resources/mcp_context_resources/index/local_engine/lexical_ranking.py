"""Rank chunks by the words of a query: BM25 over fields of the cache, identifiers and exact words first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import tantivy

from mcp_context_resources.index.local_engine.lexical_index import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mcp_context_resources.index.analysis.phrases import Phrase
    from mcp_context_resources.index.analysis.query import Sought, Wanted
    from mcp_context_resources.index.local_engine.source_filter import Reach

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

_DEEPER: Final = 4
_DEEPEST: Final = 20_000
_LONG_LIST: Final = 50_000

Clause = tuple[Any, Any]


class Ranking(NamedTuple):
    """Chunks and their scores, the best first; how many hold words of the query; those that hold an identifier.

    A score is the share of the query that stands in the chunk; it may be a little over 1.
    """

    found: list[tuple[int, float]]
    total: int
    exact: frozenset[int]


def rank(
    schema: Any, searcher: Any, wanted: Wanted, reach: Reach, most: int, accepts: Callable[[list[int]], set[int]] | None
) -> Ranking:
    """Rank up to `most` chunks; of those found `accepts` returns the ones that really hold what must be there."""
    if not wanted.words or (reach.sources is not None and not reach.sources):
        return Ranking([], 0, frozenset())
    with guarded():
        limits = [*_bounds(schema, reach), *_demands(schema, wanted)]
        clauses = _Clauses(schema)
        better = [(tantivy.Occur.Should, clause) for clause in clauses.weak(wanted)]
        query = tantivy.Query.boolean_query([(tantivy.Occur.Must, clauses.of(wanted)), *better, *limits])
        found, total = _search(searcher, query, reach, most, accepts)
        full = _full_score(searcher, wanted)
        return Ranking(
            [(chunk, score / full) for chunk, score in found], total, _exact(schema, searcher, wanted, limits, most)
        )


class _Clauses:
    """Makes the part of a query that scores."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema

    def of(self, wanted: Wanted) -> Any:
        clauses = [self._word(word) for word in wanted.words]
        clauses += [self._term("surface", pair, PAIRS_WEIGHT) for pair in wanted.pairs]
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, clause) for clause in clauses])

    def weak(self, wanted: Wanted) -> list[Any]:
        """Make clauses that find nothing by themselves."""
        return [self._any("words", word.terms, WEAK_WEIGHT) for word in wanted.weak if word.terms]

    def _word(self, word: Sought) -> Any:
        whole = IDENTIFIER_WEIGHT if word.identifier else 1.0
        loan = (word.loan,) if word.loan else ()
        either = [self._term("words", term, WORDS_WEIGHT * whole) for term in word.terms]
        either += [self._term("loans", term, LOAN_WEIGHT) for term in loan]
        clauses = [_best_of(either)] if either else []
        clauses += self._surface(word, SURFACE_WEIGHT * whole)
        bag = tuple(dict.fromkeys((*word.terms, *loan, *(word.parts if not word.terms else ()))))
        clauses.append(self._any("heading", bag, HEADING_WEIGHT))
        clauses.append(self._any("name", bag, NAME_WEIGHT))
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, clause) for clause in clauses])

    def _surface(self, word: Sought, weight: float) -> list[Any]:
        if len(word.parts) > 1:
            phrase = tantivy.Query.phrase_query(self._schema, "surface", list(word.parts))
            return [tantivy.Query.boost_query(phrase, weight)]
        if not word.parts:
            return []
        if len(word.parts[0]) == 1 and not word.parts[0].isascii():
            return [self._term("characters", word.parts[0], CHARACTERS_WEIGHT)]
        return [self._term("surface", word.parts[0], weight)]

    def _any(self, field: str, terms: Collection[str], weight: float) -> Any:
        return _best_of([self._term(field, term, weight) for term in terms])

    def _term(self, field: str, term: str, weight: float) -> Any:
        option = "position" if field == "surface" else "freq"
        query = tantivy.Query.term_query(self._schema, field, term, option)
        return query if weight == 1.0 else tantivy.Query.boost_query(query, weight)


def _best_of(clauses: list[Any]) -> Any:
    return clauses[0] if len(clauses) == 1 else tantivy.Query.disjunction_max_query(clauses)


def _full_score(searcher: Any, wanted: Wanted) -> float:
    """Return what a chunk would score that holds every word of a query, weak ones counted in full; more than 0."""
    chunks = max(1, searcher.num_docs)
    rarities = 0.0
    for word in (*wanted.words, *wanted.weak):
        holding = max(
            [searcher.doc_freq("words", term) for term in word.terms]
            or [min((searcher.doc_freq("surface", part) for part in word.parts), default=0)]
        )
        weight = IDENTIFIER_WEIGHT if word.identifier else 1.0
        rarities += weight * math.log(1 + (max(0, chunks - holding) + 0.5) / (holding + 0.5))
    return FULL_SCORE * rarities


def _bounds(schema: Any, reach: Reach) -> list[Clause]:
    """Keep to the chunks in reach; what a very long list would have to exclude is sorted out afterwards."""

    def among(field: str, values: Collection[int]) -> Any:
        query = tantivy.Query.term_set_query(schema, field, sorted(values))
        return tantivy.Query.const_score_query(query, 0.0)

    bounds: list[Clause] = []
    if reach.sources is not None and len(reach.sources) <= _LONG_LIST:
        bounds.append((tantivy.Occur.Must, among("source", reach.sources)))
    if reach.kinds:
        bounds.append((tantivy.Occur.Must, among("kind", reach.kinds)))
    if 0 < len(reach.hidden) <= _LONG_LIST:
        bounds.append((tantivy.Occur.MustNot, among("source", reach.hidden)))
    return bounds


def _demands(schema: Any, wanted: Wanted) -> list[Clause]:
    """Keep to chunks that may hold the phrases, and away from unwanted words."""
    demands: list[Clause] = [
        (tantivy.Occur.Must, tantivy.Query.const_score_query(_holds(schema, phrase), 0.0)) for phrase in wanted.phrases
    ]
    demands += [
        (tantivy.Occur.MustNot, tantivy.Query.term_query(schema, field, term, "freq"))
        for term in sorted(wanted.without_terms)
        for field in ("words", "heading")
    ]
    return demands


def _holds(schema: Any, phrase: Phrase) -> Any:
    """Find a phrase in the text, or its words in the headings."""
    text = [_neighbours(schema, run) for run in phrase.runs]
    text += [tantivy.Query.term_query(schema, "characters", one, "freq") for one in phrase.characters]
    parts = dict.fromkeys((*(part for run in phrase.runs for part in run), *phrase.characters))
    heading = [tantivy.Query.term_query(schema, "heading", part, "freq") for part in parts]
    both = [
        tantivy.Query.boolean_query([(tantivy.Occur.Must, clause) for clause in clauses]) for clauses in (text, heading)
    ]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, clause) for clause in both])


def _neighbours(schema: Any, parts: tuple[str, ...]) -> Any:
    if len(parts) == 1:
        return tantivy.Query.term_query(schema, "surface", parts[0])
    return tantivy.Query.phrase_query(schema, "surface", list(parts))


def _search(
    searcher: Any, query: Any, reach: Reach, most: int, accepts: Callable[[list[int]], set[int]] | None
) -> tuple[list[tuple[int, float]], int]:
    """Look deeper and deeper until there are enough chunks that may answer."""
    sorted_out = accepts is not None or _sorts_out(reach)
    limit = most * _DEEPER if sorted_out else most
    seen = total = 0
    found: list[tuple[int, float]] = []
    while True:
        answer = searcher.search(query, limit - seen, count=not seen, offset=seen)
        total = total if seen else answer.count
        new = _admitted(searcher, answer.hits, reach if sorted_out else None)
        if accepts is not None and new:
            accepted = accepts([number for number, _ in new])
            new = [hit for hit in new if hit[0] in accepted]
        found += new
        if len(answer.hits) < limit - seen or len(found) >= most or limit >= _DEEPEST:
            return found[:most], total
        seen, limit = limit, min(limit * _DEEPER, _DEEPEST)


def _sorts_out(reach: Reach) -> bool:
    return len(reach.sources or ()) > _LONG_LIST or len(reach.hidden) > _LONG_LIST


def _admitted(searcher: Any, hits: list[tuple[float, Any]], reach: Reach | None) -> list[tuple[int, float]]:
    addresses = [address for _, address in hits]
    if not addresses:
        return []
    ids = searcher.fast_field_values("id", addresses)
    scored = zip(ids, (score for score, _ in hits), strict=True)
    if reach is None:
        return list(scored)
    sources = searcher.fast_field_values("source", addresses)
    return [hit for hit, source in zip(scored, sources, strict=True) if _in_sources(reach, source)]


def _in_sources(reach: Reach, source: int) -> bool:
    return (reach.sources is None or source in reach.sources) and source not in reach.hidden


def _exact(schema: Any, searcher: Any, wanted: Wanted, limits: list[Clause], most: int) -> frozenset[int]:
    """Find chunks that hold an identifier of the query whole."""
    whole = [_neighbours(schema, word.parts) for word in wanted.words if word.identifier and word.parts]
    if not whole:
        return frozenset()
    either = tantivy.Query.boolean_query([(tantivy.Occur.Should, clause) for clause in whole])
    query = tantivy.Query.boolean_query([(tantivy.Occur.Must, either), *limits])
    return frozenset(number for number, _ in _admitted(searcher, searcher.search(query, most).hits, None))
