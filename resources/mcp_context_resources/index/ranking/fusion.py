"""Fusion: one order out of two, of chunks ranked by words and by meaning.

A weighted sum of scores, each on a scale of its own: Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid
Retrieval", arXiv 2210.11934. Scores by meaning are scaled to the list. Scores by words come as shares of what the
whole query would score: a list of chunks that only hold a few weak words of it must not weigh as much as one that holds
them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

VECTOR_SHARE: Final = 0.5
"""Weight of the list by meaning, of 1."""

DEPTH: Final = 100
"""How many of the list by meaning spread over the scale; those after it are at its end."""

EXACT_BONUS: Final = 0.5
"""What a chunk that holds an identifier of the query whole gains, before scores are scaled back to 0..1."""


def fuse(
    lexical: Sequence[tuple[int, float]],
    vector: Sequence[tuple[int, float]],
    exact: Collection[int] = (),
    *,
    without_vector: Collection[int] = (),
    vector_share: float = VECTOR_SHARE,
) -> list[tuple[int, float]]:
    """Make one list of two, each of (chunk, score) with the best first; scores of the result are between 0 and 1.

    Scores of `lexical` are shares of the query, those of `vector` tell how near, on any scale. Chunks of `exact` come
    before others as good; of those `without_vector` the score by words counts alone, for nobody knows how near they
    are. Where one list is empty the other keeps its order.
    """
    shares = (1.0 - vector_share, vector_share) if lexical and vector else (1.0, 1.0)
    scores: dict[int, float] = {}
    over = dict(lexical)
    for chunk, share in lexical:
        scores[chunk] = (1.0 if chunk in without_vector else shares[0]) * min(1.0, max(0.0, share))
    for chunk, score in _scaled(vector):
        scores[chunk] = scores.get(chunk, 0.0) + shares[1] * score
    if not scores.keys().isdisjoint(exact):
        scores = {
            chunk: (score + EXACT_BONUS * (chunk in exact)) / (1 + EXACT_BONUS) for chunk, score in scores.items()
        }
    return sorted(scores.items(), key=lambda scored: (-scored[1], -over.get(scored[0], 0.0), scored[0]))


def _scaled(ranked: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Scale scores so that the best is 1 and number `DEPTH` is 0; the last of a short list is worth something."""
    if not ranked:
        return []
    best, last = ranked[0][1], ranked[min(len(ranked), DEPTH) - 1][1]
    floor = last if len(ranked) >= DEPTH else last - (best - last) * (DEPTH - len(ranked)) / DEPTH
    width = best - floor
    return [(chunk, max(0.0, (score - floor) / width) if width > 0 else 1.0) for chunk, score in ranked]
