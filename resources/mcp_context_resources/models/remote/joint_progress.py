"""Progress of several requests together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mcp_context_resources.workers.pool import Progress

_EVERY_SECONDS: Final = 0.25


class Meter:
    """Adds up what each request has done and tells it at most four times a second; it never goes back."""

    def __init__(self, on_progress: Progress | None, totals: list[int]) -> None:
        self._on_progress = on_progress
        self._totals = totals
        self._done = [0] * len(totals)
        self._told, self._told_at = 0, -_EVERY_SECONDS

    async def set(self, position: int, done: int) -> None:
        """Tell how much of one request is done."""
        self._done[position] = max(self._done[position], min(done, self._totals[position]))
        await self._tell()

    async def finish(self, position: int) -> None:
        """Tell that one request is done, however little it took."""
        await self.set(position, self._totals[position])

    async def _tell(self) -> None:
        if self._on_progress is None:
            return
        done, total, now = sum(self._done), sum(self._totals), time.monotonic()
        if done > self._told and (done == total or now - self._told_at >= _EVERY_SECONDS):
            self._told, self._told_at = done, now
            await self._on_progress(done, total)
