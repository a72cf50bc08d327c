"""Schedule: how often and how long the index is synchronized, and when what failed may be tried again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp_context_resources.index.spec import IndexedSource
    from mcp_context_resources.index.sync.source_listing import Listing


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds. `look_again` passes between looks at the disk while somebody searched `lately`.

    A failure is tried again after `retry`, four times that, and so on up to `retry_most`. What another server is at is
    looked after every `elsewhere`, and taken over when it has not grown for `abandoned`. Chunks are put in at least
    every `put`. What is gone from the disk for `gone` is forgotten. `known` is how long it is believed what the index
    said it holds, `claimed` how long texts are waited for that another server may be embedding.
    """

    look_again: float = 30.0
    lately: float = 600.0
    retry: float = 5.0
    retry_most: float = 600.0
    elsewhere: float = 1.0
    abandoned: float = 10.0
    put: float = 5.0
    gone: float = 300.0
    known: float = 15.0
    claimed: float = 70.0

    def pause(self, attempts: int) -> float:
        """Return how long to wait after so many attempts that failed."""
        return float(min(self.retry_most, self.retry * 4.0 ** min(max(attempts - 1, 0), 10)))


@dataclass(slots=True)
class _Failure:
    """Why a version of a source is not in the index although it was tried; `chunks` another server had put in."""

    fingerprint: str
    attempts: int
    not_before: float
    problem: str = ""
    chunks: int = 0
    grown_at: float = 0.0


class RetryBackoff:
    """What went wrong with versions of sources, or is in the hands of another server; other versions start anew."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._held: dict[str, _Failure] = {}

    def may_try(self, source: IndexedSource, now: float) -> bool:
        """Tell whether a source may be tried at a moment (monotonic seconds)."""
        failure = self._of(source)
        return failure is None or failure.not_before <= now

    def problem(self, source: IndexedSource) -> str:
        """Tell why a source failed; empty where it didn't."""
        failure = self._of(source)
        return failure.problem if failure is not None else ""

    def elsewhere(self, source: IndexedSource) -> int:
        """Return how many chunks another server, which is reading a source, had put in; 0 where none is."""
        failure = self._of(source)
        return failure.chunks if failure is not None else 0

    def attempts(self, source: IndexedSource) -> int:
        """Return how often a source failed."""
        failure = self._of(source)
        return failure.attempts if failure is not None else 0

    def next_try(self, sources: Iterable[IndexedSource]) -> float | None:
        """Return in how many seconds the first of these sources may be tried again; None where none failed."""
        moments = [failure.not_before for source in sources if (failure := self._of(source))]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def add(self, source: IndexedSource, problem: str) -> int:
        """Note that a source failed; returns how often it did."""
        attempts = 1 + self.attempts(source)
        later = time.monotonic() + self._schedule.pause(attempts)
        self._held[source.key] = _Failure(source.fingerprint, attempts, later, problem)
        return attempts

    def left_to_another(self, source: IndexedSource, chunks: int) -> None:
        """Note that another server is reading a source, and how far it is."""
        now, failure = time.monotonic(), self._of(source)
        chunks, grown_at = max(chunks, 1), now
        if failure is not None and failure.chunks >= chunks:
            grown_at = failure.grown_at
        self._held[source.key] = _Failure(source.fingerprint, 0, now + self._schedule.elsewhere, "", chunks, grown_at)

    def goes_on_elsewhere(self, source: IndexedSource, chunks: int) -> bool:
        """Tell whether the server that a source was left to gets on with it, given how many chunks there are now."""
        failure = self._of(source)
        if failure is None or not failure.chunks:
            return False
        return chunks > failure.chunks or time.monotonic() - failure.grown_at < self._schedule.abandoned

    def forget(self, source: IndexedSource) -> None:
        """Forget what is known of a source: it is in the index."""
        self._held.pop(source.key, None)

    def forget_all_but(self, listing: Listing) -> None:
        """Forget what is known of sources that are gone."""
        self._held = {key: failure for key, failure in self._held.items() if key in listing}

    def _of(self, source: IndexedSource) -> _Failure | None:
        failure = self._held.get(source.key)
        return failure if failure is not None and failure.fingerprint == source.fingerprint else None
