"""Ledger: what the index holds, as far as this server knows, for asking it at every search would cost too much."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from mcp_context_resources.index.spec import IndexedSource, KnownSource
    from mcp_context_resources.index.store import Index


@dataclass(frozen=True, slots=True)
class SourceStates:
    """Which of some sources are `missing` in the index, and which are `broken`; the others can answer."""

    sources: Sequence[IndexedSource]
    missing: Sequence[IndexedSource]
    broken: Sequence[KnownSource]

    @property
    def ready(self) -> int:
        """How many can answer."""
        return len(self.sources) - len(self.missing) - len(self.broken)

    def ready_keys(self) -> tuple[str, ...]:
        """Return the keys of those that can answer."""
        others = {source.key for source in self.missing} | {entry.source.key for entry in self.broken}
        return tuple(source.key for source in self.sources if source.key not in others)


class Ledger:
    """The complete versions of sources in an index, and those that are only begun."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._complete: dict[str, KnownSource] = {}
        self._versions: dict[str, str] = {}
        self._problems: dict[str, KnownSource] = {}
        self._noted: dict[str, KnownSource] = {}
        self._begun: dict[str, IndexedSource] = {}
        self._identity = ""
        self._read_at = float("-inf")
        self._reading = anyio.Lock()
        # What happened while the index was being asked is newer than its answer.
        self._meanwhile: list[KnownSource] = []

    @property
    def age(self) -> float:
        """Seconds since the index was asked."""
        return time.monotonic() - self._read_at

    async def refresh(self, older_than: float = 0.0) -> None:
        """Ask the index what it holds, unless that was asked less than `older_than` seconds ago.

        Raises what `Index.known` raises.
        """
        if self.age < older_than:
            return
        asked = time.monotonic()
        async with self._reading:
            if self._read_at >= asked:
                return  # another call has asked in the meantime
            self._meanwhile = []
            moment = time.monotonic()
            known = await self._index.known()
            self._complete = {entry.source.key: entry for entry in known if entry.complete}
            self._versions = {key: entry.source.fingerprint for key, entry in self._complete.items()}
            self._problems = {key: entry for key, entry in self._complete.items() if entry.problem}
            self._noted = {key: entry for key, entry in self._complete.items() if entry.note}
            self._begun = {entry.source.key: entry.source for entry in known if not entry.complete}
            self._read_at = moment
            for entry in self._meanwhile:
                self._take(entry)

    def expire(self) -> None:
        """Let the index be asked at the next opportunity: what it answered doesn't fit."""
        self._read_at = float("-inf")

    def chunks(self, sources: Iterable[IndexedSource]) -> int:
        """Count the chunks of those of some sources whose versions are in the index."""
        return sum(self._complete[source.key].chunks for source in sources if self.holds(source))

    def replaced(self, identity: str) -> bool:
        """Tell whether an answer came from another index than the one before; the index is asked again then."""
        before, self._identity = self._identity, identity
        if not before or before == identity:
            return False
        self.expire()
        return True

    def holds(self, source: IndexedSource) -> bool:
        """Tell whether this version of a source is in the index, with chunks or with the problem it has."""
        return self._versions.get(source.key) == source.fingerprint

    def is_new(self, source: IndexedSource) -> bool:
        """Tell whether no version of a source is in the index."""
        return source.key not in self._complete

    def missing(self, sources: Iterable[IndexedSource]) -> list[IndexedSource]:
        """Return the sources whose versions are not in the index."""
        version = self._versions.get
        return [source for source in sources if version(source.key) != source.fingerprint]

    def compare(self, sources: Sequence[IndexedSource]) -> SourceStates:
        """Compare sources as they are now with what the index holds of them."""
        missing = self.missing(sources)
        if not self._problems:
            return SourceStates(sources, missing, [])
        problems = self._problems
        broken = [entry for source in sources if (entry := problems.get(source.key)) and self.holds(source)]
        return SourceStates(sources, missing, broken)

    def notes(self, sources: Iterable[IndexedSource]) -> list[tuple[IndexedSource, str]]:
        """Return what is to be known of those of some sources of which there is something."""
        if not self._noted:
            return []
        return [
            (source, entry.note) for source in sources if (entry := self._noted.get(source.key)) and self.holds(source)
        ]

    def note(self, entry: KnownSource) -> None:
        """Take down that a source was completed."""
        self._meanwhile.append(entry)
        self._take(entry)

    def forget(self, keys: Collection[str]) -> None:
        """Take down that sources were dropped."""
        for key in keys:
            for held in (self._complete, self._versions, self._problems, self._noted, self._begun):
                held.pop(key, None)

    def sources(self) -> dict[str, IndexedSource]:
        """Return everything in the index by key, complete or not."""
        return self._begun | {key: entry.source for key, entry in self._complete.items()}

    @property
    def complete(self) -> int:
        """How many sources are complete."""
        return len(self._complete)

    def _take(self, entry: KnownSource) -> None:
        key = entry.source.key
        self._complete[key] = entry
        self._versions[key] = entry.source.fingerprint
        self._problems.pop(key, None)
        if entry.problem:
            self._problems[key] = entry
        self._noted.pop(key, None)
        if entry.note:
            self._noted[key] = entry
        self._begun.pop(key, None)
