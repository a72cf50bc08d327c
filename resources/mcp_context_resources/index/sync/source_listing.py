"""Source listing: every source there is at one moment, from all feeds."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from mcp_context_resources.errors import ContextError
from mcp_context_resources.index.feed import CheckingFeed, LimitedFeed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mcp_context_resources.index.feed import Feed
    from mcp_context_resources.index.spec import IndexedSource

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """What the feeds listed at `moment` (monotonic seconds): sources by key, for each feed that could be asked.

    `errors` are those of the feeds that couldn't, `limits` tell what the others left out.
    """

    parts: tuple[tuple[Feed, dict[str, IndexedSource]], ...]
    moment: float
    errors: tuple[ContextError, ...] = ()
    limits: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(len(sources) for _, sources in self.parts)

    def __contains__(self, key: str) -> bool:
        return any(key in sources for _, sources in self.parts)

    def all(self) -> list[IndexedSource]:
        """Return every source."""
        return [source for _, sources in self.parts for source in sources.values()]

    def get(self, key: str) -> IndexedSource | None:
        """Return the source of a key as it is now, or None."""
        return next((sources[key] for _, sources in self.parts if key in sources), None)

    def feed(self, source: IndexedSource) -> Feed:
        """Return the feed that listed a source."""
        return next(feed for feed, sources in self.parts if source.key in sources)

    def is_current(self, source: IndexedSource) -> bool:
        """Tell whether a version of a source is the one that was listed."""
        now = self.get(source.key)
        return now is not None and now.fingerprint == source.fingerprint


async def list_sources(feeds: Sequence[Feed]) -> Listing:
    """Ask all feeds what there is; one that fails doesn't spoil the others.

    Raises the first one's error where all fail.
    """
    moment = time.monotonic()
    found: list[dict[str, IndexedSource] | ContextError] = [{} for _ in feeds]

    async def ask(place: int) -> None:
        try:
            found[place] = {source.key: source for source in await feeds[place].sources()}
        except ContextError as error:
            found[place] = error
        except Exception:  # noqa: BLE001 - a fault in one feed must not spoil the others
            _log.exception("a feed of the index failed")
            found[place] = ContextError("Some sources couldn't be listed.", "The server's log has details.")

    async with anyio.create_task_group() as group:
        for place in range(len(feeds)):
            group.start_soon(ask, place)
    parts = tuple((feed, sources) for feed, sources in zip(feeds, found, strict=True) if isinstance(sources, dict))
    errors = tuple(error for error in found if isinstance(error, ContextError))
    if errors and not parts:
        raise errors[0]
    limits = dict.fromkeys(feed.limit for feed, _ in parts if isinstance(feed, LimitedFeed) and feed.limit)
    return Listing(parts, moment, errors, tuple(limits))


async def still_current(listing: Listing, sources: Iterable[IndexedSource]) -> set[str]:
    """Return the keys of those sources whose files are the listed version still; looks at the disk again."""
    wanted = {source.key: source for source in sources}
    again: list[Feed] = []
    current: set[str] = set()
    for feed, listed in listing.parts:
        own = [source for key, source in wanted.items() if key in listed]
        if not own:
            continue
        if isinstance(feed, CheckingFeed):
            current.update(source.key for source in await feed.unchanged(own))
        else:
            again.append(feed)
    if again:
        now = await list_sources(again)
        current.update(key for key, source in wanted.items() if now.is_current(source))
    return current
