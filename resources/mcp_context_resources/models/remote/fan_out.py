"""Fan-out: several requests at once, all of them before one deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from mcp_context_resources.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

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
