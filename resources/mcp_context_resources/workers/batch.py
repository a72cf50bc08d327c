"""Batches: a worker is asked about many files, of which one may be its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from mcp_context_resources.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

COUNTING_SECONDS: Final = 5.0
"""How long a listing waits for its counts."""

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


async def ask_each(
    items: Sequence[ItemT],
    ask: Callable[[Sequence[ItemT]], Awaitable[list[AnswerT]]],
    failed: Callable[[str], AnswerT],
) -> list[tuple[ItemT, AnswerT]]:
    """Ask about all items in one call; where that fails, halve the batch until the culprit is alone.

    The answer for the culprit is made by `failed` from the error's message.
    """
    if not items:
        return []
    try:
        return list(zip(items, await ask(items), strict=True))
    except ContextError as error:
        if len(items) == 1:
            return [(items[0], failed(error.message))]
    middle = len(items) // 2
    return [*await ask_each(items[:middle], ask, failed), *await ask_each(items[middle:], ask, failed)]
