"""Catalogue: all sources at one moment, what was found inside their files, and tables made of others on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mcp_context_resources.workspace.name_matching import near_names
from mcp_context_resources.workspace.names import lookup_key

if TYPE_CHECKING:
    from mcp_context_resources.provenance import Kind
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.source import Source


@dataclass(frozen=True, slots=True)
class Contents:
    """What a look into a table file told.

    `parts` are the tables in it, by the names the file gives them; one that is just a table has one part, "". Files
    with the same `shape` (not "") hold the same columns. A `problem` that is `passing` may be gone a moment later.
    `left_out` parts are beyond the number that is served.
    """

    parts: tuple[str, ...] = ("",)
    shape: str = ""
    problem: str = ""
    passing: bool = False
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All sources at one moment, in a stable order: tables, documents, models, each by name.

    `unserved` are files of kinds that nothing here reads. `limit` says that there are more files than were looked at.
    """

    sources: tuple[Source, ...]
    notices: tuple[str, ...] = ()
    unserved: tuple[str, ...] = ()
    limit: str = ""
    _by_key: dict[tuple[str, str], Source] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for source in self.sources:
            self._by_key[source.kind, lookup_key(source.name)] = source

    def of(self, kind: Kind) -> tuple[Source, ...]:
        """Return the sources of one kind."""
        return tuple(source for source in self.sources if source.kind == kind)

    def find(self, kind: Kind, name: str) -> Source | None:
        """Return the source of that kind and name (NFC, case ignored), or None."""
        return self._by_key.get((kind, lookup_key(name)))

    def near(self, kind: Kind, name: str) -> list[str]:
        """Return up to three names of that kind which resemble `name`, the likeliest first."""
        return near_names(name, (source.name for source in self.of(kind)))


class DerivedTables(Protocol):
    """Makes tables out of other sources."""

    async def table(self, catalogue: Catalogue, name: str, on_progress: Progress | None = None) -> Source | None:
        """Return the table of that name, made now if need be; None where the name is none of its.

        Its `path` is a file of the cache, its `origin` the file it was made of.

        Raises `NotFoundError` for a name of its own that leads nowhere, and whatever reading the source raises.
        """
