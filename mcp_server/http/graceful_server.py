"""A server that stops in steps when it is told to."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from typing import TYPE_CHECKING, Final

import anyio
import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket
    from types import FrameType

    from mcp_server.http.lifecycle import Lifecycle
    from mcp_server.http.settings import HttpSettings

_log = logging.getLogger("fresh_context")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_POLITE_SECONDS: Final = 1.0


class _Stopping:
    """What signals do: the first asks to stop, a second asks to stop at once."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self.lifecycle = lifecycle
        self.asked_at = 0.0
        self.at_once = False

    def signalled(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.lifecycle.stopping:
            self.at_once = True
        else:
            self.asked_at = time.monotonic()
            self.lifecycle.stopping = True

    async def until_at_once(self) -> None:
        """Wait for the second signal."""
        while not self.at_once:  # noqa: ASYNC110 - a signal handler can't set an event
            await anyio.sleep(0.1)


class GracefulServer(uvicorn.Server):
    """Stops in steps: /healthz says so, the door closes, streams end, calls may end, workers end."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, http: HttpSettings, told: str) -> None:
        super().__init__(config)
        self._http = http
        self._told = told
        # Not a method of this class: the library behind SSE looks for a server in the handler and would cut off calls.
        self._stopping = _Stopping(lifecycle)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals without raising them again at the end: a wanted stop is no failure."""
        before = {number: signal.signal(number, self._stopping.signalled) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Open the door and say so."""
        await super().startup(sockets)
        _log.info("serving %s", self._told)

    async def on_tick(self, counter: int) -> bool:
        """Tell whether to close the door: some time after the signal, so that a balancer can look away first."""
        lifecycle = self._stopping.lifecycle
        waited = time.monotonic() - self._stopping.asked_at
        if lifecycle.stopping and (self._stopping.at_once or waited >= self._http.drain_seconds):
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Close the door, end streams, and wait for calls as long as the settings say or until a second signal."""
        _log.info("stopping; calls may take %g s to end", self._http.shutdown_seconds)
        lifecycle = self._stopping.lifecycle
        async with anyio.create_task_group() as group:
            group.start_soon(self._hurry)
            lifecycle.end_streams()
            await super().shutdown(sockets)
            group.cancel_scope.cancel()
        _log.info("stopped")

    async def _hurry(self) -> None:
        stopping = self._stopping
        with anyio.move_on_after(self._http.shutdown_seconds):
            with anyio.move_on_after(_POLITE_SECONDS):
                await stopping.until_at_once()
            stopping.lifecycle.cut_streams()
            await stopping.until_at_once()
        stopping.lifecycle.cut_streams()
        stopping.lifecycle.cut_calls()
