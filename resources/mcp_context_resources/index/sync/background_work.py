"""One piece of work with others beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

T = TypeVar("T")


async def alongside(
    main: Callable[[], Awaitable[T]], *others: Callable[[], Coroutine[Any, Any, None]], stop: bool
) -> T:
    """Return what `main` returns while the others run; then they are stopped, or waited for where not `stop`.

    Raises what `main` raises, as it is. The others must not raise.
    """
    result: T | None = None
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        for other in others:
            group.start_soon(other)
        try:
            result = await main()
        except Exception as error:  # noqa: BLE001 - raised again below, outside of the group that would wrap it
            failure = error
        if stop or failure is not None:
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]
