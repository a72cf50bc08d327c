"""Lifecycle: whether the server is stopping, and what is told so then."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Lifecycle:
    """Serving, then stopping: streams of notifications, which would go on for ever, end first; calls get more time."""

    def __init__(self) -> None:
        self.stopping = False
        self._streams: set[anyio.CancelScope] = set()
        self._calls: set[anyio.CancelScope] = set()
        self._endings: list[Callable[[], None]] = []

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def on_end(self, ending: Callable[[], None]) -> None:
        """Have something called that ends streams the polite way."""
        self._endings.append(ending)

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Count what runs inside as a stream, and leave it when streams are cut off."""
        with _cuttable(self._streams):
            yield

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Count what runs inside as a call, and leave it when calls are cut off."""
        with _cuttable(self._calls):
            yield

    def end_streams(self) -> None:
        """Ask all streams to end."""
        for ending in self._endings:
            ending()

    def cut_streams(self) -> None:
        """Leave the streams that are still open."""
        for scope in list(self._streams):
            scope.cancel()

    def cut_calls(self) -> None:
        """Leave the calls that are still worked on."""
        for scope in list(self._calls):
            scope.cancel()


@contextlib.contextmanager
def _cuttable(scopes: set[anyio.CancelScope]) -> Iterator[None]:
    with anyio.CancelScope() as scope:
        scopes.add(scope)
        try:
            yield
        finally:
            scopes.discard(scope)
