"""The runtime's functions by name, without importing llama.cpp: what the service hands to its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp_context_resources.models.spec import Generated, Generation, ModelSpec
    from mcp_context_resources.workers.job import Job


def generate(job: Job, spec: ModelSpec, request: Generation) -> Generated:
    """See `llama.generate`."""
    from mcp_context_resources.models import llama

    return llama.generate(job, spec, request)
