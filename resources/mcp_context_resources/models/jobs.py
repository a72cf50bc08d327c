"""The runtime's functions by name, without importing llama.cpp: what the service hands to its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.spec import Choosing, Chosen, Embedded, Generated, Generation, ModelSpec
    from mcp_context_resources.workers.job import Job


def generate(job: Job, spec: ModelSpec, requests: Sequence[Generation]) -> list[Generated]:
    """See `Runtime.generate`."""
    from mcp_context_resources.models.llama import work

    return work.generate(job, spec, requests)


def choose(job: Job, spec: ModelSpec, request: Choosing) -> Chosen:
    """See `Runtime.choose`."""
    from mcp_context_resources.models.llama import work

    return work.choose(job, spec, request)


def embed(job: Job, spec: ModelSpec, asked: tuple[Sequence[str], bool]) -> Embedded:
    """See `Runtime.embed`; `asked` are texts, and whether their vectors shall have length 1."""
    from mcp_context_resources.models.llama import work

    return work.embed(job, spec, *asked)


def rerank(job: Job, spec: ModelSpec, query: str, texts: Sequence[str]) -> list[float]:
    """See `Runtime.rerank`."""
    from mcp_context_resources.models.llama import work

    return work.rerank(job, spec, query, texts)


def count_tokens(job: Job, spec: ModelSpec, texts: Sequence[str]) -> list[int]:
    """See `Runtime.count_tokens`."""
    from mcp_context_resources.models.llama import work

    return work.count_tokens(job, spec, texts)
