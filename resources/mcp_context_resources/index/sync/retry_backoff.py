"""Which sources are not in the index although they were tried, and when they may be tried again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp_context_resources.index.spec import IndexedSource
    from mcp_context_resources.index.sync.schedule import Pace
    from mcp_context_resources.index.sync.source_listing import Listing


@dataclass(slots=True)
class _Setback:
    """Why a version of a source is not in the index although it was tried; `chunks` another server had put in."""

    fingerprint: str
    attempts: int
    not_before: float
    problem: str = ""
    chunks: int = 0
    grown_at: float = 0.0


class Setbacks:
    """What went wrong with versions of sources, or is in the hands of another server; other versions start anew."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._held: dict[str, _Setback] = {}

    def may_try(self, source: IndexedSource, now: float) -> bool:
        """Tell whether a source may be tried at a moment (monotonic seconds)."""
        setback = self._of(source)
        return setback is None or setback.not_before <= now

    def problem(self, source: IndexedSource) -> str:
        """Tell why a source failed; empty where it didn't."""
        setback = self._of(source)
        return setback.problem if setback is not None else ""

    def elsewhere(self, source: IndexedSource) -> int:
        """Return how many chunks another server, which is reading a source, had put in; 0 where none is."""
        setback = self._of(source)
        return setback.chunks if setback is not None else 0

    def attempts(self, source: IndexedSource) -> int:
        """Return how often a source failed."""
        setback = self._of(source)
        return setback.attempts if setback is not None else 0

    def next_try(self, sources: Iterable[IndexedSource]) -> float | None:
        """Return in how many seconds the first of these sources may be tried again; None where none failed."""
        moments = [setback.not_before for source in sources if (setback := self._of(source))]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def add(self, source: IndexedSource, problem: str) -> int:
        """Note that a source failed; returns how often it did."""
        attempts = 1 + self.attempts(source)
        later = time.monotonic() + self._pace.pause(attempts)
        self._held[source.key] = _Setback(source.fingerprint, attempts, later, problem)
        return attempts

    def left_to_another(self, source: IndexedSource, chunks: int) -> None:
        """Note that another server is reading a source, and how far it is."""
        now, setback = time.monotonic(), self._of(source)
        chunks, grown_at = max(chunks, 1), now
        if setback is not None and setback.chunks >= chunks:
            grown_at = setback.grown_at
        self._held[source.key] = _Setback(source.fingerprint, 0, now + self._pace.elsewhere, "", chunks, grown_at)

    def goes_on_elsewhere(self, source: IndexedSource, chunks: int) -> bool:
        """Tell whether the server that a source was left to gets on with it, given how many chunks there are now."""
        setback = self._of(source)
        if setback is None or not setback.chunks:
            return False
        return chunks > setback.chunks or time.monotonic() - setback.grown_at < self._pace.abandoned

    def forget(self, source: IndexedSource) -> None:
        """Forget what is known of a source: it is in the index."""
        self._held.pop(source.key, None)

    def forget_all_but(self, listing: Listing) -> None:
        """Forget what is known of sources that are gone."""
        self._held = {key: setback for key, setback in self._held.items() if key in listing}

    def _of(self, source: IndexedSource) -> _Setback | None:
        setback = self._held.get(source.key)
        return setback if setback is not None and setback.fingerprint == source.fingerprint else None
