"""How well a ranking finds the one document that a query is about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

DEPTH: Final = 10
"""So many documents of a ranking are looked at."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over all queries, each between 0 and 1.

    `recall_n` is the share of queries whose document stands among the first n; `mrr` the mean of 1/rank, 0 beyond the
    tenth place; `ndcg` the normalised discounted cumulative gain of the first ten (Järvelin and Kekäläinen 2002).
    """

    recall_1: float
    recall_5: float
    recall_10: float
    mrr: float
    ndcg: float

    @classmethod
    def of(cls, ranks: Sequence[int | None]) -> Scores:
        """Score the rank, from 1, of each query's document; None where it was not found. At least one is needed."""
        found = [rank for rank in ranks if rank is not None and rank <= DEPTH]
        count = len(ranks)
        return cls(
            found.count(1) / count,
            sum(rank <= 5 for rank in found) / count,
            len(found) / count,
            sum(1 / rank for rank in found) / count,
            sum(1 / math.log2(1 + rank) for rank in found) / count,
        )


def rank_of(target: str, found: Sequence[str]) -> int | None:
    """Return the place, from 1, of a document among those found, each counted once; None where it isn't there."""
    distinct = list(dict.fromkeys(found))
    return distinct.index(target) + 1 if target in distinct else None


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of cells as text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of at least one value don't exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
