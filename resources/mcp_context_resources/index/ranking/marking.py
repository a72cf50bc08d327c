"""Marking: where in a text the words of a query stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.index.analysis.folding import fold_with_places, to_hiragana
from mcp_context_resources.index.analysis.japanese import morphemes
from mcp_context_resources.index.analysis.terms import loan_of, loans_of, word_terms
from mcp_context_resources.index.analysis.words import JAPANESE_RUN, parse_unit, placed_spans, stem
from mcp_context_resources.index.ranking.phrases import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mcp_context_resources.index.ranking.query import ParsedQuery
    from mcp_context_resources.index.spec import Spans

MOST_SPANS: Final = 100
"""Of more spans the first ones are returned."""

_MOST_CHARS: Final = 20_000


class Marker:
    """Finds the words and phrases of one query in texts."""

    def __init__(self, parsed: ParsedQuery) -> None:
        self._phrases = parsed.phrases
        self._terms = {term for word in parsed.words for term in (*word.terms, word.loan) if term}
        spaceless = [word for word in parsed.words if not word.text.isascii()]
        self._surfaces = {to_hiragana(word.text) for word in spaceless}
        self._japanese = any(not term.isascii() for term in self._terms)
        self._loan_words = any(word.loan and word.text.isascii() for word in parsed.words)
        self._seen: dict[tuple[str | None, str], Spans] = {}

    def spans(self, text: str) -> Spans:
        """Return where words and phrases of the query stand in a text, in order and never overlapping."""
        folded = fold_with_places(text[:_MOST_CHARS])
        flat = plain(folded.text)
        found = [span for phrase in self._phrases for span in phrase.spans(flat)]
        in_runs = list(self._surface_spans(flat))
        # Other forms of a word, such as inflected ones, are looked for where the query's own don't all stand.
        others = self._japanese and (self._loan_words or not all(surface in flat for surface in self._surfaces))
        for kind, start, unit in placed_spans(folded.text):
            if kind != "run":
                found += [(start + first, start + last) for first, last in self._in_word(kind, unit)]
            elif others:
                found += self._in_run(unit, start)
        return _merged(folded.original(start, end) for start, end in (*found, *in_runs))

    def _in_word(self, kind: str | None, text: str) -> Spans:
        spans = self._seen.get((kind, text))
        if spans is None:
            self._seen[kind, text] = spans = tuple(self._read_word(kind, text))
        return spans

    def _read_word(self, kind: str | None, text: str) -> Iterator[tuple[int, int]]:
        word = parse_unit(kind, text)
        if word.whole in self._terms or (
            not word.compound and not self._terms.isdisjoint((*word_terms(word), *loans_of(word)))
        ):
            yield word.start, word.end
            return
        for part, start, end in word.parts:
            if not self._terms.isdisjoint((stem(part), loan_of(part))):
                yield start, end

    def _in_run(self, run: str, offset: int) -> Iterator[tuple[int, int]]:
        for match in JAPANESE_RUN.finditer(run):
            for word in morphemes(match.group()):
                if word.term in self._terms:
                    yield offset + match.start() + word.start, offset + match.start() + word.end

    def _surface_spans(self, flat: str) -> Iterator[tuple[int, int]]:
        for surface in self._surfaces:
            place = flat.find(surface)
            while place >= 0:
                yield place, place + len(surface)
                place = flat.find(surface, place + len(surface))


def _merged(spans: Iterable[tuple[int, int]]) -> Spans:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged[:MOST_SPANS])
