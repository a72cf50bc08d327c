"""Which sentences go into a pack: those nearest to the question, of the passages found best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_tools.relevance import Relevance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_tools.context_pack.spec import Block, Piece

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
