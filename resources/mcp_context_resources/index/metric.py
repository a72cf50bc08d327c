"""How vectors are compared, and how that is told with the name of their model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Metric = Literal["cosine", "inner_product", "l2"]
"""By the angle between them, by the product as they are, or by the distance between their ends."""

_MARK: Final = "#"


def compared_by(model: str, metric: Metric) -> str:
    """Name a model and how its vectors are compared: other vectors are kept for each way. No model has no name."""
    return model if metric == "cosine" or not model else f"{model}{_MARK}{metric}"


def metric_of(model: str) -> Metric:
    """Return how the vectors of a model named by `compared_by` are compared."""
    _, mark, told = model.rpartition(_MARK)
    return next((metric for metric in get_args(Metric) if mark and told == metric), "cosine")


def likeness(metric: Metric, matrix: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compare each row with a query, higher is nearer; cosines, products, or distances below zero.

    Cosines are those of vectors that have length 1 already.
    """
    if metric != "l2":
        return matrix @ query
    distances: NDArray[np.float32] = np.linalg.norm(matrix - query, axis=1)
    return -distances
