"""Work of a process with llama.cpp: each function loads its model first, unless it is the one in memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mcp_context_resources.models.llama import choosing, embedding, generating
from mcp_context_resources.models.llama.loaded_model import held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.spec import Choosing, Chosen, Embedded, Generated, Generation, ModelSpec
    from mcp_context_resources.workers.job import Job


def generate(job: Job, spec: ModelSpec, requests: Sequence[Generation]) -> list[Generated]:
    """Generate a text for each request; of pictures by the model's projector."""
    started = time.perf_counter()
    model = held(spec)
    load_seconds = time.perf_counter() - started
    pictures = any(request.pictures for request in requests)
    model.work_on(several=len(requests) > 1 and not pictures)
    if pictures:
        from mcp_context_resources.models.llama import vision

        return vision.generate(job, model, requests, load_seconds)
    return generating.generate(job, model, requests, load_seconds)


def choose(job: Job, spec: ModelSpec, request: Choosing) -> Chosen:
    """Tell how likely each label is as the answer to each prompt."""
    model = held(spec)
    model.work_on(several=True)
    return choosing.choose(job, model, request)


def embed(job: Job, spec: ModelSpec, texts: Sequence[str], unit: bool) -> Embedded:
    """Make a vector of each text, of length 1 if `unit`."""
    return embedding.embed(job, held(spec, embedding=True), texts, unit=unit)


def rerank(job: Job, spec: ModelSpec, query: str, texts: Sequence[str]) -> list[float]:
    """Tell how well each text answers the query."""
    return embedding.rerank(job, held(spec, embedding=True), query, texts)


def count_tokens(_job: Job, spec: ModelSpec, texts: Sequence[str]) -> list[int]:
    """Count the tokens of each text."""
    model = held(spec)
    return [len(model.tokenize(text)) for text in texts]
