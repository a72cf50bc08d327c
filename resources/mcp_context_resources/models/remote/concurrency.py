"""Concurrency: several requests before one deadline, their progress together, turns at a server that has only one."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from mcp_context_resources.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from mcp_context_resources.workers.pool import Progress

T = TypeVar("T")


async def fan_out(
    works: Sequence[Callable[[], Awaitable[T]]], *, at_once: int, seconds: float
) -> tuple[list[T | None], bool]:
    """Run the works, `at_once` of them together, and return their results in order and whether all were done.

    What isn't done after `seconds` is cancelled and None. The first `ContextError` cancels the others and is raised.
    """
    results: list[T | None] = [None] * len(works)
    failures: list[ContextError] = []
    waiting = iter(range(len(works)))
    done = 0

    async def draw() -> None:
        nonlocal done
        for position in waiting:
            try:
                results[position] = await works[position]()
            except ContextError as error:
                failures.append(error)
                scope.cancel()
                return
            done += 1

    with anyio.move_on_after(seconds) as scope:
        async with anyio.create_task_group() as group:
            for _ in range(min(at_once, len(works))):
                group.start_soon(draw)
    if failures:
        raise failures[0]
    return results, done == len(works)


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


class Turns:
    """Lets requests through together until `alone` is set, and one after another from then on."""

    def __init__(self) -> None:
        self.alone = False
        self._active = 0
        self._changed = anyio.Condition()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and keep it."""
        async with self._changed:
            while self.alone and self._active:
                await self._changed.wait()
            self._active += 1
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                async with self._changed:
                    self._active -= 1
                    self._changed.notify_all()
