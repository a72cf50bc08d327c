"""Embedding: texts to vectors, and passages ranked for a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import llama_cpp
import numpy as np

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.llama.loaded_model import Aborted, Held
from mcp_context_resources.models.spec import Embedded, Finish
from mcp_context_resources.workers.job import deadline_exceeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mcp_context_resources.workers.job import Job

_POOLING_RANK: Final = 4
_POOLING_NONE: Final = 0
_PROGRESS_EVERY: Final = 8


def embed(job: Job, held: Held, texts: Sequence[str], *, unit: bool) -> Embedded:
    """Make a vector for each text, of length 1 if `unit`: one text an evaluation is fastest on a processor's cores.

    Raises `InvalidInputError` for a model that makes no vectors of whole texts.
    """
    dimensions = llama_cpp.llama_model_n_embd(held.model)
    vectors: list[bytes] = []
    cut: list[int] = []
    total = 0
    finish: Finish = "stop"
    with held.abort.heeding(job):
        for number, text in enumerate(texts):
            if job.should_stop:
                finish = "cancelled" if job.cancelled else "deadline"
                break
            tokens = held.tokenize(text, begin=True)
            if len(tokens) > held.context_tokens:
                cut.append(number)
                tokens = [*tokens[: held.context_tokens - 1], tokens[-1]]
            total += len(tokens)
            try:
                vector = _pooled(held, tokens, dimensions)
            except Aborted:
                finish = "cancelled" if job.cancelled else "deadline"
                break
            length = float(np.linalg.norm(vector)) if unit else 1.0
            vectors.append((vector / length if length else vector).astype("<f4").tobytes())
            if number % _PROGRESS_EVERY == 0:
                job.progress(number + 1, len(texts))
    return Embedded(
        vectors=b"".join(vectors),
        dimensions=dimensions,
        finish=finish,
        tokens=total,
        cut=tuple(cut),
        quantization=held.quantization,
        device=held.device,
    )


def rerank(job: Job, held: Held, query: str, texts: Sequence[str]) -> list[float]:
    """Score how well each text answers the query, by a model trained to rank.

    Raises `InvalidInputError` for a model that doesn't rank, `DeadlineExceededError` when not all could be scored.
    """
    if llama_cpp.llama_pooling_type(held.context) != _POOLING_RANK:
        raise InvalidInputError(f"{held.spec.name} is no model that ranks.", "Name one made for reranking.")
    scores: list[float] = []
    asked = held.tokenize(query, begin=True)[: held.context_tokens // 2]
    separator = [
        token for token in (llama_cpp.llama_vocab_sep(held.vocabulary),) if token >= 0 and asked[-1:] != [token]
    ]
    end = [token for token in (held.end_token,) if token >= 0]
    with held.abort.heeding(job):
        for number, text in enumerate(texts):
            room = held.context_tokens - len(asked) - len(separator) - len(end)
            passage = held.tokenize(text)[:room]
            tokens = [*asked, *separator, *passage, *end]
            try:
                if job.should_stop:
                    raise Aborted
                scores.append(float(_pooled(held, tokens, 1)[0]))
            except Aborted:
                raise deadline_exceeded(job.deadline_seconds) from None
            job.progress(number + 1, len(texts))
    return scores


def _pooled(held: Held, tokens: list[int], size: int) -> npt.NDArray[np.float32]:
    held.forget()
    held.batch.clear()
    held.batch.add(tokens, 0, 0, outputs=True)
    held.evaluate()
    if llama_cpp.llama_pooling_type(held.context) == _POOLING_NONE:
        raise InvalidInputError(f"{held.spec.name} makes no vectors of whole texts.", "Name an embedding model.")
    found = llama_cpp.llama_get_embeddings_seq(held.context, 0)
    return np.ctypeslib.as_array(found, shape=(size,)).copy()
