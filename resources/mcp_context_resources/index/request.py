"""Request: what is asked of the search, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from mcp_context_resources.index.spec import IndexAnswer, SearchMode


class Progress(Protocol):
    """Hears how far something is."""

    async def __call__(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Hear that `done` of `total` (None: unknown) is done, and what is being done."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to look for and where.

    At most `most` hits are wanted, at most `per_source` of one source. `pattern` is a glob or a part of a name or file
    path, `folder` a folder as file paths show it. `modified_after` (from that moment on) and `modified_before` (earlier
    than that moment) are ISO dates or times, UTC. `names` are sources by name, URI, file path or glob. Of the best
    `marked` hits the spans of the words are told; `SearchIndex.mark` tells them of others.
    """

    text: str
    most: int = 50
    per_source: int = 50
    pattern: str = ""
    kind: Literal["", "document", "table"] = ""
    folder: str = ""
    modified_after: str = ""
    modified_before: str = ""
    names: tuple[str, ...] = ()
    mode: SearchMode = "hybrid"
    marked: int = 50

    @property
    def filtered(self) -> bool:
        """Whether not every source may answer."""
        return bool(
            self.pattern or self.kind or self.folder or self.modified_after or self.modified_before or self.names
        )


@dataclass(frozen=True, slots=True)
class BuildState:
    """How far the index is.

    `sources_ready` of `sources_total` can be searched as they are now, `sources_unreadable` can't be read at all;
    `problems` tells why of the first of them. `vectors_ready` of `chunks` passages have a vector of the present model.
    `building` tells that work goes on. `bytes` is the size on disk, 0 where it wasn't asked for.
    """

    sources_total: int
    sources_ready: int
    vectors_ready: int
    chunks: int
    building: bool
    sources_unreadable: int = 0
    problems: tuple[str, ...] = ()
    bytes: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResults:
    """What was found, of versions of files that are on disk now, and how.

    `mode` is how it was really searched. `left_out` are the first names of sources that couldn't be searched in time
    or at all, `notes` what a person should be told, `searched` how many sources were searched, `reading` how many are
    being read or changed meanwhile, so that another search may find more.
    """

    answer: IndexAnswer
    mode: SearchMode
    state: BuildState
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    searched: int
    reading: int = 0
