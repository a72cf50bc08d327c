"""Sentences ordered by meaning, where words alone don't lead to them: another language, other words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_tools.model_tasks.call import ModelCall
    from mcp_context_tools.relevance import Sentence

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
