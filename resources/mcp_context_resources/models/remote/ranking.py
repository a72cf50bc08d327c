"""Reranking by a server, in the form that llama-server, vLLM and Jina share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.remote.client import ServerClient

MAX_BATCH_TEXTS: Final = 64
PATH: Final = "rerank"


async def rerank_batch(client: ServerClient, model: str, query: str, texts: Sequence[str]) -> list[float]:
    """Return the score of each text for the query, in the order of the texts.

    Raises `Refused`, `ModelUnavailableError`.
    """
    body = {"model": model, "query": query, "documents": list(texts), "top_n": len(texts)}
    answer = await client.post(f"{client.server.url}/{PATH}", body)
    results = (answer.get("results") or answer.get("data")) if isinstance(answer, dict) else None
    scores: dict[int, float] = {}
    for item in results if isinstance(results, list) else []:
        index = item.get("index") if isinstance(item, dict) else None
        score = item.get("relevance_score", item.get("score")) if isinstance(item, dict) else None
        if isinstance(index, int) and isinstance(score, int | float) and math.isfinite(score):
            scores[index] = float(score)
    if scores.keys() != set(range(len(texts))):
        raise client.not_understood("no score for each text")
    return [scores[position] for position in range(len(texts))]
