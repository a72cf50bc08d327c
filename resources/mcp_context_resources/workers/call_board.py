"""Call board: a few numbers shared between the server and one worker process, without locks.

A pipe or queue would need a lock that a killed worker could leave held; plain shared doubles can't.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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
