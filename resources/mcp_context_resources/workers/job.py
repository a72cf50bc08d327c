"""Job: what a function inside a worker can ask of, and tell, the server, by numbers shared without locks."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import SpawnContext

_STOP: Final = 0
_DONE: Final = 1
_TOTAL: Final = 2
_SLOTS: Final = 3


class CallBoard:
    """Stop request (server → worker) and progress (worker → server) of the call a worker is busy with."""

    def __init__(self, context: SpawnContext) -> None:
        self._cells = context.RawArray("d", _SLOTS)

    def reset(self) -> None:
        """Forget the previous call."""
        for slot in range(_SLOTS):
            self._cells[slot] = 0.0

    def request_stop(self) -> None:
        """Ask the worker to stop the current call."""
        self._cells[_STOP] = 1.0

    @property
    def stop_requested(self) -> bool:
        """Whether the server asked to stop."""
        return bool(self._cells[_STOP])

    def set_progress(self, done: float, total: float) -> None:
        """Publish how far the call is; `total` 0 means unknown."""
        self._cells[_TOTAL] = total
        self._cells[_DONE] = done

    @property
    def progress(self) -> tuple[float, float]:
        """The last published (done, total)."""
        return self._cells[_DONE], self._cells[_TOTAL]


class Job:
    """One call inside a worker: its deadline, its stop flag, its progress.

    Work that runs in long native calls registers an interrupt; work in steps asks `should_stop` between them.
    """

    def __init__(self, board: CallBoard, deadline_seconds: float) -> None:
        self._board = board
        self._ends = time.monotonic() + deadline_seconds
        self._interrupt: Callable[[], None] | None = None
        self._measure: Callable[[], float] | None = None
        self._lock = threading.Lock()
        self.deadline_seconds = deadline_seconds

    @property
    def cancelled(self) -> bool:
        """Whether the caller gave up."""
        return self._board.stop_requested

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self._ends

    @property
    def should_stop(self) -> bool:
        """Whether to stop now, for either reason."""
        return self.cancelled or self.expired

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self._ends - time.monotonic())

    def progress(self, done: float, total: float = 0.0) -> None:
        """Publish progress; `total` 0 means unknown."""
        self._board.set_progress(done, total)

    @contextmanager
    def interruptible(
        self, interrupt: Callable[[], None], measure: Callable[[], float] | None = None
    ) -> Iterator[None]:
        """While the block runs, a stop or the deadline calls `interrupt` from another thread.

        So does the server's wish to know how far the work is with `measure`: in percent, negative while unknown.
        """
        with self._lock:
            self._interrupt, self._measure = interrupt, measure
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = self._measure = None

    def measure(self) -> None:
        """Publish how far native work is, where that can be asked."""
        with self._lock:
            percent = self._measure() if self._measure is not None else -1.0
        if percent > 0:
            self.progress(percent, 100.0)

    def interrupt_if_due(self) -> bool:
        """Call the registered interrupt when the job must stop; tells whether it was called."""
        if not self.should_stop:
            return False
        with self._lock:
            if self._interrupt is None:
                return False
            self._interrupt()
        return True


def deadline_exceeded(seconds: float) -> DeadlineExceededError:
    """Make the error for work that ran past `seconds`."""
    return DeadlineExceededError(
        f"The work was stopped after its limit of {seconds:g} s.",
        "Narrow it down (fewer rows, pages or tokens), or raise the limit in the settings.",
    )
