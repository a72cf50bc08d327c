"""How often the answer to a question is inside the pack that `get_context` returns, by how many tokens it may have."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bench.measure import BenchError, Row
from bench.search_ours import opened_services, write_files
from bench.search_questions import EXAMPLE_QUESTIONS, made_questions
from bench.search_rivals import FTS5_TRIGRAM, RIVALS
from bench.search_scores import aligned, quantile
from bench.serving import EXAMPLE_DATA
from mcp_context_tools.context_pack.token_estimate import estimated_tokens
from mcp_context_tools.get_context import GET_CONTEXT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from bench.measure import Options
    from bench.search_questions import Question
    from bench.search_sets import SearchSet
    from mcp_context_tools.tool import Services

_BUDGETS: Final = (500, 1000, 2000)
_QUESTIONS: Final = 100
_QUICK_QUESTIONS: Final = 25
_SETS: Final = ("lohelp", "debpkg")
_RIVAL: Final = f"best documents of {FTS5_TRIGRAM}, whole"
_PERCENT: Final = "%"


async def packs(sets: Sequence[SearchSet], scratch: Path, options: Options) -> tuple[list[Row], list[str]]:
    """Ask questions on the example data, and on the sets with the best whole documents of a search as the rival."""
    rows: list[Row] = []
    lines = [("questions about", "tokens", "ours", "rival", "most tokens used (estimate)")]
    async with opened_services(EXAMPLE_DATA, scratch / "example-cache") as services:
        await services.index.build()
        for budget in _BUDGETS:
            texts = await _packed(services, EXAMPLE_QUESTIONS, budget)
            missed = [
                one.text for one, text in zip(EXAMPLE_QUESTIONS, texts, strict=True) if not one.is_answered_by(text)
            ]
            share = _share(EXAMPLE_QUESTIONS, texts)
            rows.append(Row(f"answer not in {budget:,} tokens, examples", _PERCENT, (share,), "limit", (10.0,), 1.0))
            lines.append(("examples", f"{budget:,}", f"{100 - share:.1f} %", "-", _most(texts)))
            if missed:
                print(f"search: not in {budget} tokens: {missed}", file=sys.stderr, flush=True)
    for one in sets:
        if one.name not in _SETS:
            continue
        print(f"search: packs of {one.name} {one.language} ...", file=sys.stderr, flush=True)
        made = made_questions(one, _QUICK_QUESTIONS if options.quick else _QUESTIONS)
        questions = [question for question, _ in made]
        whole = RIVALS[FTS5_TRIGRAM](one.documents, [question.text for question in questions])
        async with _of_set(one, scratch) as services:
            for budget in _BUDGETS:
                texts = await _packed(services, questions, budget)
                theirs = [_filled(one.documents, found, budget) for found in whole]
                ours, rival = _share(questions, texts), _share(questions, theirs)
                figure = f"answer not in {budget:,} tokens, {one.name} {one.language}"
                rows.append(Row(figure, _PERCENT, (ours,), _RIVAL, (rival,), 1.0))
                shares = (f"{100 - ours:.1f} %", f"{100 - rival:.1f} %")
                lines.append((f"{one.name} {one.language}", f"{budget:,}", *shares, _most(texts)))
    return rows, [
        "get_context, share of questions whose answer stands in the text:",
        *aligned(lines),
        f"{len(EXAMPLE_QUESTIONS)} questions on the example data are written by hand; on the sets a title is the",
        "question, the first sentence of its document that stands in no other the answer.",
    ]


@asynccontextmanager
async def _of_set(one: SearchSet, scratch: Path) -> AsyncIterator[Services]:
    """Open the services over a set's files, those of the evaluation where it has run before."""
    folder = scratch / f"{one.name}-{one.language}"
    if not (folder / "data").exists():
        write_files(folder / "data", one.documents)
    async with opened_services(folder / "data", folder / "cache") as services:
        await services.index.build()
        yield services


async def _packed(services: Services, questions: Sequence[Question], budget: int) -> list[str]:
    texts = []
    for question in questions:
        arguments = GET_CONTEXT.input(question=question.text, max_tokens=budget)
        texts.append((await GET_CONTEXT.run(services, arguments, _silent)).text)
    return texts


async def _silent(done: float, total: float | None = None, message: str | None = None) -> None:
    """Hear of progress and say nothing."""


def _filled(documents: Mapping[str, str], found: Sequence[str], budget: int) -> str:
    """Put documents one after the other as long as there is room, the last one cut."""
    text = "\n\n".join(documents[key] for key in found)[: 8 * budget]
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if estimated_tokens(text[:middle]) <= budget else (low, middle - 1)
    return text[:low]


def _share(questions: Sequence[Question], texts: Sequence[str]) -> float:
    """Return what percentage of questions is not answered."""
    if not questions:
        raise BenchError("There are no questions to be answered.")
    missed = sum(not question.is_answered_by(text) for question, text in zip(questions, texts, strict=True))
    return 100 * missed / len(questions)


def _most(texts: Sequence[str]) -> str:
    return f"{quantile([estimated_tokens(text) for text in texts], 1):,.0f}"
