"""Lexical search: clauses of a query by terms as tantivy runs them, and the matches that a filter admits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import tantivy

from mcp_context_resources.index.local_engine.lexical_index import guarded
from mcp_context_resources.index.store import Match, TermMatches, TermStatistics

if TYPE_CHECKING:
    from collections.abc import Collection

    from mcp_context_resources.index.analysis.terms import Field
    from mcp_context_resources.index.local_engine.source_filter import SourceFilter
    from mcp_context_resources.index.store import Clause, LexicalQuery

_LONG_LIST: Final = 50_000


class LexicalSearch:
    """Searches one state of the index of words; `searcher` is tantivy's view of it."""

    def __init__(self, schema: Any, searcher: Any, admitted: SourceFilter) -> None:
        self._schema = schema
        self._searcher = searcher
        self._filter = admitted
        self._sorts_out = len(admitted.sources or ()) > _LONG_LIST or len(admitted.hidden) > _LONG_LIST

    def matches(self, query: LexicalQuery, start: int, stop: int) -> TermMatches:
        """Return the matches `start` to `stop`; see `Retriever.by_terms`. Raises `BrokenCacheError`."""
        if self._filter.sources is not None and not self._filter.sources:
            return TermMatches([], 0, ended=True)
        with guarded():
            answer = self._searcher.search(self._query(query), stop - start, count=not start, offset=start)
            found = self._admitted(answer.hits)
            return TermMatches(found, 0 if start else answer.count, len(answer.hits) < stop - start)

    def statistics(self, terms: Collection[tuple[Field, str]]) -> TermStatistics:
        """Count the chunks that hold each term. Raises `BrokenCacheError`."""
        with guarded():
            holding = {(field, term): self._searcher.doc_freq(field, term) for field, term in terms}
            return TermStatistics(self._searcher.num_docs, holding)

    def _query(self, query: LexicalQuery) -> Any:
        occur = tantivy.Occur
        clauses = [(occur.Must, self._clause(query.scored))]
        clauses += [(occur.Should, self._clause(clause)) for clause in query.bonus]
        clauses += self._bounds()
        clauses += [
            (occur.Must, tantivy.Query.const_score_query(self._clause(clause), 0.0)) for clause in query.required
        ]
        clauses += [(occur.MustNot, self._clause(clause)) for clause in query.excluded]
        return tantivy.Query.boolean_query(clauses)

    def _clause(self, clause: Clause) -> Any:
        if isinstance(clause, Match):
            return self._match(clause)
        clauses = [self._clause(one) for one in clause.clauses]
        if clause.how == "best":
            return tantivy.Query.disjunction_max_query(clauses)
        occur = tantivy.Occur.Must if clause.how == "all" else tantivy.Occur.Should
        return tantivy.Query.boolean_query([(occur, one) for one in clauses])

    def _match(self, match: Match) -> Any:
        if len(match.terms) > 1:
            query = tantivy.Query.phrase_query(self._schema, match.field, list(match.terms))
        else:
            option = "position" if match.field == "surface" else "freq"
            query = tantivy.Query.term_query(self._schema, match.field, match.terms[0], option)
        return query if match.weight == 1.0 else tantivy.Query.boost_query(query, match.weight)

    def _bounds(self) -> list[tuple[Any, Any]]:
        """Keep to chunks that are admitted; what a very long list would have to exclude is sorted out afterwards."""

        def among(field: str, values: Collection[int]) -> Any:
            query = tantivy.Query.term_set_query(self._schema, field, sorted(values))
            return tantivy.Query.const_score_query(query, 0.0)

        sources, kinds, hidden = self._filter.sources, self._filter.kinds, self._filter.hidden
        bounds: list[tuple[Any, Any]] = []
        if sources is not None and len(sources) <= _LONG_LIST:
            bounds.append((tantivy.Occur.Must, among("source", sources)))
        if kinds:
            bounds.append((tantivy.Occur.Must, among("kind", kinds)))
        if 0 < len(hidden) <= _LONG_LIST:
            bounds.append((tantivy.Occur.MustNot, among("source", hidden)))
        return bounds

    def _admitted(self, hits: list[tuple[float, Any]]) -> list[tuple[int, float]]:
        addresses = [address for _, address in hits]
        if not addresses:
            return []
        ids = self._searcher.fast_field_values("id", addresses)
        scored = zip(ids, (score for score, _ in hits), strict=True)
        if not self._sorts_out:
            return list(scored)
        sources = self._searcher.fast_field_values("source", addresses)
        return [hit for hit, source in zip(scored, sources, strict=True) if self._filter.admits_source(source)]
