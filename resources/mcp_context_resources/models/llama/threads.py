"""Threads: their number fitted to the cores that are free."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import llama_cpp

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK_EVERY_SECONDS: Final = 0.3
_TRY_MORE_AFTER_SECONDS: Final = 2.0
_POOR_LOOKS: Final = 2
_LEAST_SHARE: Final = 0.85


class Threads:
    """Sets how many threads a context works with: `most`, fewer while others want the cores.

    Threads of llama.cpp wait for each other at every operation by spinning. Where another process holds a core, one
    late thread makes all others burn theirs; then fewer threads are as fast and leave the rest of the machine alone.
    A thread that got less than its whole core tells that there are too many.
    """

    def __init__(self, context: Any, most: int) -> None:
        self._context = context
        self._most = most
        self.now = most
        self._wall = self._busy = 0.0
        self._fewer_since = 0.0
        self._poor = 0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure an evaluation, and change the number of threads for the next one if need be."""
        wall, busy = time.perf_counter(), time.process_time()
        yield
        self._wall += time.perf_counter() - wall
        self._busy += time.process_time() - busy
        if self._wall >= _LOOK_EVERY_SECONDS:
            self._adapt()

    def _adapt(self) -> None:
        share = self._busy / (self._wall * self.now)
        self._wall = self._busy = 0.0
        self._poor = self._poor + 1 if share < _LEAST_SHARE else 0
        if self._poor >= _POOR_LOOKS and self.now > 1:  # a single one may be a moment's disturbance
            self._fewer_since = time.monotonic()
            self._use(self.now - 1)
        elif self.now < self._most and time.monotonic() - self._fewer_since > _TRY_MORE_AFTER_SECONDS:
            self._use(self.now + 1)

    def _use(self, threads: int) -> None:
        self.now = threads
        self._poor = 0
        llama_cpp.llama_set_n_threads(self._context, threads, threads)
