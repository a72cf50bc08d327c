"""Pruning: which passages go into a pack, and of these which sentences, by how near they are to the question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_tools.relevance import Relevance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.index.spec import Hit
    from mcp_context_tools.context_pack.spec import Block, Gathered, Piece

NOT_SEARCHED: Final = "could not be searched in time"
"""Why a source is missing that the search could not reach."""

LESS_TO_DO: Final = "less to do with the question"
"""Why a source is missing whose hits are far worse than the best."""

_ANSWERED: Final = "not needed for the figure"
_SHARE_OF_BEST: Final = 0.3
_LEAST_HITS: Final = 2
_ANSWER: Final = ("columns", "computed")


def near_best(hits: Sequence[Hit]) -> list[Hit]:
    """Return those of some hits, the best first, that score not far below the best, and always the best two."""
    floor = hits[0].score * _SHARE_OF_BEST if hits else 0.0
    near = len(hits)
    while near > _LEAST_HITS and hits[near - 1].score < floor:
        near -= 1
    return list(hits[:near])


def answered_only(gathered: Gathered) -> None:
    """Keep only the figure where a table answers the question by one, and no other table may have been meant.

    Of several that could answer, the one that the question names does; where that doesn't tell them apart none does,
    and each keeps its statement without what it gave.
    """
    able = [block for block in gathered.blocks if block.answers]
    named = [block for block in able if block.answers == "named"]
    sure = named if len(named) == 1 else able if len(able) == 1 else []
    for block in able:
        if block not in sure:
            _without_value(block)
    if sure:
        (only,) = sure
        only.pieces = [piece for piece in only.pieces if piece.data["kind"] in _ANSWER]
        for order, piece in enumerate(only.pieces):
            piece.order = order
        others = {block.source.name for block in gathered.blocks if block.source.key != only.source.key}
        gathered.missing |= dict.fromkeys(sorted(others - gathered.missing.keys()), _ANSWERED)
        gathered.blocks = [only]


def _without_value(block: Block) -> None:
    block.answers = ""
    for piece in block.pieces:
        if piece.data["kind"] == "computed":
            sql = piece.data["sql"]
            piece.text, piece.data = f"SQL: {sql}", {"kind": "sql", "sql": sql}


_RANK_WEIGHT: Final = 0.3
_WITHOUT_WORDS: Final = 0.45
_NEIGHBOURS: Final = ((1, 0.75), (2, 0.45))
_LEAST_TELLING: Final = 20
_FACT_VALUE: Final = 2.0

Taken = dict["Piece", "Block"]
"""Pieces that were chosen, the most valuable first, each with its block."""


def weigh(question: str, blocks: Sequence[Block]) -> None:
    """Set the value of each piece, whose value so far is the rank of its hit.

    A sentence counts for its passage's rank, and for the words it shares with the question or stands near to: a
    passage in another language shares none and keeps almost half, all of its sentences alike.
    """
    every = [piece for block in blocks for piece in block.pieces]
    relevance = Relevance([piece.text for piece in every])
    scores = {piece: relevance.score(question, piece.text) for piece in every}
    highest = max(scores.values(), default=0.0) or 1.0
    for block in blocks:
        own = [scores[piece] / highest for piece in block.pieces]
        # A passage without a word of the question was found by its meaning, which is in all of it.
        shares_none = not any(own)
        for place, piece in enumerate(block.pieces):
            near = [own[place]]
            for distance, share in _NEIGHBOURS:
                near += [own[at] * share for at in (place - distance, place + distance) if 0 <= at < len(own)]
            words = _WITHOUT_WORDS if shares_none else max(near)
            rank = 1 / (1 + _RANK_WEIGHT * piece.value)
            computed = piece.data.get("kind") == "computed"
            piece.value = _FACT_VALUE if computed else rank * (_WITHOUT_WORDS + (1 - _WITHOUT_WORDS) * words)


def choose(blocks: Sequence[Block], costs: dict[Piece, int], opening: Callable[[Block], int], room: int) -> Taken:
    """Take pieces by value until `room` tokens are full; a block's first piece costs what `opening` says more.

    What was said before, word for word, is left out.
    """
    ordered = sorted(
        ((piece, block) for block in blocks for piece in block.pieces),
        key=lambda pair: (-pair[0].value, pair[1].rank, pair[0].order),
    )
    taken: Taken = {}
    opened: set[Block] = set()
    said: set[str] = set()
    for piece, block in ordered:
        same = "".join(piece.text.split()).casefold()
        if len(same) >= _LEAST_TELLING and same in said:
            continue
        cost = costs[piece] + 1 + (0 if block in opened else opening(block))
        if cost > room and taken:
            continue
        room -= cost
        taken[piece] = block
        opened.add(block)
        said.add(same)
    return taken


def without_last(taken: Taken, costs: dict[Piece, int], over: int) -> Taken:
    """Leave out the least valuable pieces until they cost `over` tokens less; one always remains."""
    kept = list(taken.items())
    while len(kept) > 1 and over > 0:
        piece, _ = kept.pop()
        over -= costs[piece] + 1
    return dict(kept)
