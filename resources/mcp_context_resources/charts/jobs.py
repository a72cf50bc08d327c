"""The renderer's function by name, without importing it: what the service hands to its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp_context_resources.charts.spec import Drawing, Picture
    from mcp_context_resources.workers.job import Job


def draw(job: Job, drawing: Drawing) -> Picture:
    """See `render.draw`."""
    from mcp_context_resources.charts import render

    return render.draw(job, drawing)
