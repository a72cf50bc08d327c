"""Worker process, from inside: the start, the watch over its memory and its stop flag, and each call."""

from __future__ import annotations

import importlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mcp_context_resources.errors import ContextError, OutOfMemoryError
from mcp_context_resources.workers.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp_context_resources.workers.confinement import Confinement
    from mcp_context_resources.workers.job import CallBoard

_STATM: Final = "/proc/self/statm"
_MOST_BYTES: Final = 256


class OwnMemory:
    """The resident memory of this process, on Linux without mapped files if not `mapped`.

    The system takes pages of files back when it needs them. To be made before the process is confined.

    On Linux the file that tells is kept open: under pressure the kernel forgets the entries of `/proc`, and by a new
    one Landlock no longer knows that it was allowed.
    """

    def __init__(self, *, mapped: bool = True) -> None:
        self._mapped = mapped
        self._file: int | None
        try:
            self._file = os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, AttributeError):  # not Linux
            import psutil

            self._file, self._process = None, psutil.Process()
        else:
            self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def resident(self) -> int:
        """Return its bytes."""
        if self._file is None:
            return int(self._process.memory_info().rss)
        resident, shared = map(int, os.pread(self._file, _MOST_BYTES, 0).split()[1:3])
        return (resident if self._mapped else resident - shared) * self._page_bytes


EXIT_OVER_MEMORY: Final = 77
"""Exit code of a worker that ended itself because it outgrew its memory cap."""

_WATCH_SECONDS: Final = 0.02
_INTERRUPT_AGAIN_SECONDS: Final = 0.25
_MEASURED_EVERY: Final = 10

T = TypeVar("T")


class _Watch(threading.Thread):
    """Interrupts the current job when it is due, and ends the process when it outgrows its memory."""

    def __init__(self, memory: OwnMemory, memory_bytes: int) -> None:
        super().__init__(daemon=True, name="watch")
        self._memory = memory
        self._memory_bytes = memory_bytes
        self._job: Job | None = None
        self._busy = threading.Event()
        self._parent = os.getppid()

    def begin(self, job: Job) -> None:
        self._job = job
        self._busy.set()

    def end(self) -> None:
        self._busy.clear()
        self._job = None

    def run(self) -> None:
        ticks = 0
        while True:
            self._busy.wait()
            job = self._job
            if job is not None and job.interrupt_if_due():
                time.sleep(_INTERRUPT_AGAIN_SECONDS)
            elif job is not None and (ticks := ticks + 1) % _MEASURED_EVERY == 0:
                job.measure()
            if self._memory.resident() > self._memory_bytes:
                os._exit(EXIT_OVER_MEMORY)
            if os.getppid() != self._parent:  # the server is gone; only Linux tells us so by itself
                os._exit(1)
            time.sleep(_WATCH_SECONDS)


class _Current:
    board: CallBoard
    watch: _Watch


def start(board: CallBoard, confinement: Confinement, preload: tuple[str, ...]) -> None:
    """Initialise a worker: import its engine, then give up every right the engine doesn't need."""
    for module in preload:
        importlib.import_module(module)
    memory = OwnMemory(mapped=not confinement.cap_data)
    confinement.apply()
    _Current.board = board
    _Current.watch = _Watch(memory, confinement.memory_bytes)
    _Current.watch.start()


def ready(_job: Job) -> None:
    """Do nothing: what a process is started with before there is work for it."""


def run_job(function: Callable[..., T], arguments: tuple[Any, ...], deadline_seconds: float) -> T:
    """Run `function(job, *arguments)` under watch.

    Raises what the function raises; a `MemoryError` becomes `OutOfMemoryError`.
    """
    job = Job(_Current.board, deadline_seconds)
    _Current.watch.begin(job)
    try:
        return function(job, *arguments)
    except MemoryError as error:
        raise OutOfMemoryError(
            "The work needed more memory than its worker may use.", "Ask for fewer rows, columns or pages at a time."
        ) from error
    except Exception as error:
        # Errors of libraries may not survive the pipe; those of ours and Python's own do.
        if isinstance(error, ContextError) or type(error).__module__ == "builtins":
            raise
        if type(error).__name__ == "OutOfMemoryException":  # the SQL engine's
            raise OutOfMemoryError(
                "The work needed more memory than its worker may use.",
                "Ask for fewer rows, columns or pages at a time.",
            ) from None
        raise RuntimeError(f"{type(error).__name__}: {str(error)[:1000]}") from None
    finally:
        _Current.watch.end()
