"""What is far from the question is not packed: a pack may be shorter than it is allowed to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.index.spec import Hit
    from mcp_context_tools.context_pack.spec import Block, Gathered

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
