"""Tables that are no files: made when someone asks for them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source


class DerivedTables(Protocol):
    """Makes tables out of other sources."""

    async def table(self, catalogue: Catalogue, name: str, on_progress: Progress | None = None) -> Source | None:
        """Return the table of that name, made now if need be; None where the name is none of its.

        Its `path` is a file of the cache, its `origin` the file it was made of.

        Raises `NotFoundError` for a name of its own that leads nowhere, and whatever reading the source raises.
        """
