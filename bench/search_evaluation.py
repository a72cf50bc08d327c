"""Whether the right document is found: the product by words, by meaning and both, beside other searches."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from bench.measure import BenchError, Row
from bench.search_ours import opened, rank, write_files
from bench.search_pdfs import PDF_SEARCH, other_search, write_pdfs
from bench.search_rivals import RIVALS
from bench.search_scores import Scores, aligned, rank_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.measure import Options
    from bench.search_sets import Query, SearchSet
    from mcp_context_resources.index.spec import SearchMode

MODES: Final[tuple[SearchMode, ...]] = ("lexical", "vector", "hybrid")
_PARITY: Final = 5.0
_PDF_DOCUMENTS: Final = 90
_PDF_QUICK_DOCUMENTS: Final = 30
_PDF_QUICK_SETS: Final = ("lohelp",)
_PERCENT: Final = "%"


@dataclass(slots=True)
class Evaluation:
    """Scores by task and contender; the product's under the names of its modes, of which `best` stands for it."""

    scores: dict[str, dict[str, Scores]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    best: SearchMode = "hybrid"

    def add(self, task: str, contender: str, queries: Sequence[Query], found: Sequence[Sequence[str]]) -> None:
        """Score what a contender found for each query of a task."""
        ranks = [rank_of(query.target, keys) for query, keys in zip(queries, found, strict=True)]
        self.scores.setdefault(task, {})[contender] = Scores.of(ranks)

    def rows(self) -> list[Row]:
        """Set what is lacking of nDCG 1 beside the rivals', so that less is better and small differences show."""
        rows = []
        for task, scores in self.scores.items():
            mine = _lacking(scores[self.best])
            figure = f"lacking nDCG@10, {task}"
            rivals = {name: _lacking(score) for name, score in scores.items() if name not in MODES}
            rows += [Row(figure, _PERCENT, (mine,), rival, (theirs,), 1.0) for rival, theirs in rivals.items()]
        for task, scores in self.scores.items():
            english = task.replace("ja→ja", "en→en")
            if task.endswith("ja→ja") and english in self.scores:
                limit = _lacking(self.scores[english][self.best]) + _PARITY
                figure = f"lacking nDCG@10, {task}"
                rows.append(Row(figure, _PERCENT, (_lacking(scores[self.best]),), "en→en + 5 points", (limit,), 1.0))
        return rows

    def matrix(self) -> list[str]:
        """Show everyone's figures on every task."""
        lines: list[tuple[str, ...]] = [("task", "contender", "recall@1", "recall@5", "recall@10", "MRR", "nDCG@10")]
        for task, scores in self.scores.items():
            for name, one in scores.items():
                figures = (one.recall_1, one.recall_5, one.recall_10, one.mrr, one.ndcg)
                shown = f"ours, {name}" if name in MODES else name
                lines.append((task, shown, *(f"{figure:.3f}" for figure in figures)))
        return aligned(lines)


async def evaluate(sets: Sequence[SearchSet], scratch: Path, options: Options) -> Evaluation:
    """Ask every contender every query of every set."""
    evaluation = Evaluation()
    for one in sets:
        await _ours(one, scratch / f"{one.name}-{one.language}", evaluation)
        await _rivals(one, evaluation)
    for one in sets:
        if not options.quick or one.name in _PDF_QUICK_SETS:
            count = _PDF_QUICK_DOCUMENTS if options.quick else _PDF_DOCUMENTS
            await _in_pdfs(one, count, scratch / f"pdf-{one.name}-{one.language}", evaluation)
    return evaluation


async def _ours(one: SearchSet, folder: Path, evaluation: Evaluation) -> None:
    print(f"search: {one.name} {one.language}, {len(one.documents):,} documents ...", file=sys.stderr, flush=True)
    keys = write_files(folder / "data", one.documents)
    async with opened(folder / "data", folder / "cache") as search:
        state = await search.build()
        if state.vectors_ready < state.chunks:
            evaluation.best = "lexical"
            evaluation.notes += [f"Vectors of {state.vectors_ready} of {state.chunks} passages.", *state.notes]
        for language in one.languages:
            queries = one.asked_in(language)
            for mode in MODES if evaluation.best == "hybrid" else ("lexical",):
                found = await rank(search, [query.text for query in queries], mode)
                evaluation.add(one.task(language), mode, queries, [[keys[file] for file, _ in hits] for hits in found])


async def _rivals(one: SearchSet, evaluation: Evaluation) -> None:
    for name, ranking in RIVALS.items():
        for language in one.languages:
            queries = one.asked_in(language)
            texts = [query.text for query in queries]
            try:
                found = await anyio.to_thread.run_sync(ranking, one.documents, texts)
            except BenchError as error:
                _note(evaluation, f"Without {name}: {error}")
                break
            evaluation.add(one.task(language), name, queries, found)


async def _in_pdfs(one: SearchSet, count: int, folder: Path, evaluation: Evaluation) -> None:
    """Let the other server, which reads PDFs only, and ours search the same PDFs."""
    queries = one.asked_in(one.language)[:count]
    wanted = {query.target for query in queries}
    documents = {key: text for key, text in one.documents.items() if key in wanted}
    data = folder / "data"
    places = write_pdfs(data, documents, one.language)
    (folder / "scratch").mkdir()
    texts = [query.text for query in queries]
    task = f"{one.task(one.language)} in PDFs"
    try:
        theirs = await other_search(data, places, texts, folder / "scratch")
    except BenchError as error:
        _note(evaluation, f"Without {PDF_SEARCH}: {error}")
        return
    async with opened(data, folder / "cache") as search:
        await search.build()
        for mode in MODES if evaluation.best == "hybrid" else ("lexical",):
            found = await rank(search, texts, mode, pages=True)
            keys = [[places.get((file, page or 0), "") for file, page in hits] for hits in found]
            evaluation.add(task, mode, queries, keys)
    evaluation.add(task, PDF_SEARCH, queries, theirs)


def _note(evaluation: Evaluation, note: str) -> None:
    if note not in evaluation.notes:
        evaluation.notes.append(note)


def _lacking(scores: Scores) -> float:
    return 100 * (1 - scores.ndcg)
