"""Request lock: whose turn it is at a server that drops one request when the next one comes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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
