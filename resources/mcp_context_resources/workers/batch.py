"""Asking a worker something about many files, of which one may be its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from mcp_context_resources.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

COUNTING_SECONDS: Final = 5.0
"""How long a listing waits for its counts."""

ItemT = TypeVar("ItemT")
CountT = TypeVar("CountT")


async def count_each(
    items: Sequence[ItemT],
    count: Callable[[Sequence[ItemT]], Awaitable[list[CountT]]],
    failed: Callable[[str], CountT],
) -> list[tuple[ItemT, CountT]]:
    """Count all items in one call; where that fails, halve the batch until the culprit is alone.

    The culprit's count is made by `failed` from the error's message.
    """
    if not items:
        return []
    try:
        return list(zip(items, await count(items), strict=True))
    except ContextError as error:
        if len(items) == 1:
            return [(items[0], failed(error.message))]
    middle = len(items) // 2
    return [*await count_each(items[:middle], count, failed), *await count_each(items[middle:], count, failed)]
