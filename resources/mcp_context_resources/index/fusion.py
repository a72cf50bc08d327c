"""One order out of two: chunks ranked by words, and by meaning.

Reciprocal rank fusion: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
Learning Methods", SIGIR 2009. The weighted sum of scores, each scaled to its list: Bruch, Gai, Ingber, "An Analysis of
Fusion Functions for Hybrid Retrieval", arXiv 2210.11934.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Method = Literal["min-max", "rrf"]
"""A weighted sum of scores scaled to 0..1, or reciprocal ranks."""

METHOD: Final[Method] = "min-max"
"""How both lists become one; measured better than ranks alone."""

VECTOR_SHARE: Final = 0.5
"""Weight of the list by meaning, of 1."""

DEPTH: Final = 100
"""How many of each list count."""

RRF_K: Final = 60
"""The constant of reciprocal rank fusion."""

EXACT_BONUS: Final = 0.5
"""What a chunk that holds an identifier of the query whole gains, before scores are scaled back to 0..1."""


def fuse(
    lexical: Sequence[tuple[int, float]],
    vector: Sequence[tuple[int, float]],
    exact: Collection[int] = (),
    *,
    method: Method = METHOD,
    vector_share: float = VECTOR_SHARE,
) -> list[tuple[int, float]]:
    """Make one list of two, each of (chunk, score) with the best first; scores of the result are between 0 and 1.

    Chunks of `exact` come before others as good. Where one list is empty the other keeps its order.
    """
    shares = (1.0 - vector_share, vector_share) if lexical and vector else (1.0, 1.0)
    scores: dict[int, float] = {}
    for ranked, share in ((lexical, shares[0]), (vector, shares[1])):
        scaled = _by_rank(ranked) if method == "rrf" else _by_score(ranked)
        for chunk, score in scaled:
            scores[chunk] = scores.get(chunk, 0.0) + share * score
    if not scores.keys().isdisjoint(exact):
        scores = {
            chunk: (score + EXACT_BONUS * (chunk in exact)) / (1 + EXACT_BONUS) for chunk, score in scores.items()
        }
    return sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))


def _by_rank(ranked: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(chunk, (RRF_K + 1) / (RRF_K + rank)) for rank, (chunk, _) in enumerate(ranked, 1)]


def _by_score(ranked: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Scale scores so that the best is 1 and the last of a long list 0; the last of a short one is worth something."""
    if not ranked:
        return []
    best, last = ranked[0][1], ranked[-1][1]
    floor = last if len(ranked) >= DEPTH else last - (best - last) * (DEPTH - len(ranked)) / DEPTH
    width = best - floor
    return [(chunk, (score - floor) / width if width > 0 else 1.0) for chunk, score in ranked]
