"""`answer`: from the sources only, each statement with a quote that stands in them.

A model of any size writes freely; then each of its statements is looked for in the sources. One that no sentence
supports (its numbers and most of its words) is dropped and counted, so that nothing made up gets through, whatever the
model does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread

from mcp_context_resources.errors import ContextError
from mcp_context_resources.models.spec import Generation
from mcp_context_resources.sentences import flat, sentences
from mcp_context_tools.model_tasks.outcome import Outcome
from mcp_context_tools.model_tasks.wording import TaskWording, wording
from mcp_context_tools.relevance import Relevance, Sentence, best_support, by_meaning, sentences_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_tools.model_tasks.call import ModelCall
    from mcp_context_tools.passages import Material

_EVIDENCE_TOKENS: Final = 1_500
_SMALL_MODELS_TOKENS: Final = 200
_CLOSEST: Final = 3
_LOOKED_AT: Final = 400
_WEAK_COVERAGE: Final = 0.5
_SOME_COVERAGE: Final = 0.1
_PROMPT_TOKENS: Final = 200
_DEFAULT_TOKENS: Final = 200
_DENIALS: Final = (
    "not in the text",
    "does not say",
    "doesn't say",
    "not mentioned",
    "文章にありません",
    "書かれていません",
)


async def answer(call: ModelCall, question: str, material: Material, max_tokens: int | None) -> Outcome:
    """Answer a question: `status` is answered, not_in_sources, or not_verified where nothing written could be verified.

    Where there is no answer the closest passages are quoted instead.
    """
    words = wording(question)
    max_tokens = max_tokens or min(_DEFAULT_TOKENS, call.context_tokens // 2)
    every = await anyio.to_thread.run_sync(sentences_of, material.passages)
    ranked, note = await _ranked(call, question, every)
    chosen = await _evidence(call, ranked, max_tokens)
    text = "\n".join(sentence.text for sentence in sorted(chosen, key=every.index))
    made = (
        await call.generate(
            [Generation(words.answer, f"{text}\n\n{words.question}{question}", max_tokens)], "answering"
        )
    )[0]
    statements, dropped, denied = _verified(
        made.text, every if len(every) <= _LOOKED_AT else ranked[:_LOOKED_AT], words
    )
    data: dict[str, Any] = {
        "status": "answered" if statements else "not_in_sources" if denied or not dropped else "not_verified",
        "text": " ".join(statement for statement, _ in statements),
        "statements": [_cited(sentence, statement) for statement, sentence in statements],
        "dropped": dropped,
        "sentences_read": len(chosen),
        "sentences": len(every),
    }
    if statements:
        lines = [f"{statement} [{sentence.uri}: “{sentence.text}”]\n" for statement, sentence in statements]
        outcome = Outcome("", data, made.finish, cut_list="statements", lines=lines)
    else:
        closest = ranked[:_CLOSEST]
        data["closest"] = [_cited(sentence) for sentence in closest]
        first = (
            "The sources do not say.\n"
            if data["status"] == "not_in_sources"
            else "Nothing the model wrote could be verified in the sources.\n"
        )
        lines = [f"Closest: “{sentence.text}” [{sentence.uri}]\n" for sentence in closest]
        outcome = Outcome(first, data, made.finish, cut_list="closest", lines=lines)
    if note:
        outcome.notes.append(note)
    if dropped:
        outcome.notes.append(f"Dropped: {dropped} statements that no sentence of the sources supports.")
    if len(chosen) < len(every):
        outcome.notes.append(f"The model read the {len(chosen)} of {len(every):,} sentences nearest to the question.")
    return outcome


async def _ranked(call: ModelCall, question: str, every: Sequence[Sentence]) -> tuple[list[Sentence], str]:
    """Order sentences by how much they have to do with the question; returns also what is to be told of it."""

    def by_words() -> tuple[list[Sentence], float]:
        relevance = Relevance([sentence.text for sentence in every])
        scores = {id(sentence): relevance.score(question, sentence.text) for sentence in every}
        order = sorted(every, key=lambda sentence: -scores[id(sentence)])
        return order, max((relevance.coverage(question, sentence.text) for sentence in order[:_CLOSEST]), default=0.0)

    order, coverage = await anyio.to_thread.run_sync(by_words)
    if coverage >= _WEAK_COVERAGE or len(order) <= _CLOSEST:
        return order, ""
    try:
        return await by_meaning(call, question, order, words_tell=coverage >= _SOME_COVERAGE), ""
    except ContextError as error:
        return order, f"Sentences were compared by their words alone: {error.message}"


async def _evidence(call: ModelCall, ranked: Sequence[Sentence], max_tokens: int) -> list[Sentence]:
    """Return the first sentences that together fit what the model reads well."""
    room = min(
        call.context_tokens - max_tokens - _PROMPT_TOKENS, _SMALL_MODELS_TOKENS if call.is_small else _EVIDENCE_TOKENS
    )
    some = ranked[: max(1, room // 4)]
    counts = await call.count_tokens([sentence.text for sentence in some])
    chosen: list[Sentence] = []
    for sentence, tokens in zip(some, counts, strict=True):
        room -= tokens + 1
        if chosen and room < 0:
            break
        chosen.append(sentence)
    return chosen


def _verified(
    text: str, evidence: Sequence[Sentence], words: TaskWording
) -> tuple[list[tuple[str, Sentence]], int, bool]:
    """Return the statements that sentences support, how many were dropped, and whether the model denied an answer."""
    found: dict[str, Sentence] = {}
    dropped = 0
    denied = False
    for start, end in sentences(text):
        statement = flat(text[start:end])
        if any(denial in statement.casefold() for denial in (words.not_there, *_DENIALS)):
            denied = True
            continue
        sentence, _ = best_support(statement, evidence)
        if sentence is None:
            dropped += 1
        else:
            found.setdefault(statement, sentence)
    return list(found.items()), dropped, denied


def _cited(sentence: Sentence, statement: str | None = None) -> dict[str, Any]:
    cited: dict[str, Any] = {} if statement is None else {"text": statement}
    cited |= {"quote": sentence.text, "uri": sentence.uri, "source": sentence.passage.source}
    if sentence.passage.page is not None:
        cited["page"] = sentence.passage.page
    return cited
