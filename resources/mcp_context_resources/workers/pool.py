"""A pool of killable worker processes, on Pebble.

Each worker is a Pebble pool of one process, so that killing one can't disturb another's pipe. Calls are bounded in
time twice: at the deadline the worker is asked to stop (`Job`), a little later it is killed and replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import time
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from mcp_context_resources.errors import (
    BusyError,
    ContextError,
    OutOfMemoryError,
    WorkerCrashedError,
)
from mcp_context_resources.workers import process
from mcp_context_resources.workers.job import CallBoard, deadline_exceeded
from mcp_context_resources.workers.observation import observed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future
    from multiprocessing.context import SpawnContext

    from pebble import ProcessPool

    from mcp_context_resources.workers.confinement import Confinement
    from mcp_context_resources.workers.job import Job

    Progress = Callable[[float, float], Awaitable[None]]
    """Hears how much of a call is done, and of how much; a total of 0 means unknown."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_KILL_AFTER_SECONDS: Final = 1.0
_PROGRESS_EVERY_SECONDS: Final = 0.25
_START_SECONDS: Final = 60.0
_SPARE_AFTER_SECONDS: Final = 0.5
_LEAST_SECONDS: Final = 0.5


class WorkerPool:
    """Up to `size` worker processes of one kind, started on first use.

    `preload` names the modules a worker imports before it is confined. A call that finds all of them busy waits
    up to `queue_seconds`. When `identity()` is no longer what it was, a worker is replaced before its next call: a
    confinement holds on to folders as they were when the worker started.
    """

    def __init__(
        self,
        name: str,
        *,
        size: int,
        confinement: Confinement,
        preload: tuple[str, ...] = (),
        queue_seconds: float = 60.0,
        identity: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self._queue_seconds = queue_seconds
        self._free = [_Worker(confinement, preload, identity) for _ in range(size)]
        self._all = tuple(self._free)
        self._slots = anyio.Semaphore(size)
        self._closed = False

    async def run(
        self,
        function: Callable[[Job, *Ts], T],
        *arguments: *Ts,
        deadline: float,
        on_progress: Progress | None = None,
        waiting_counts: bool = False,
    ) -> T:
        """Run `function(job, *arguments)` in a worker and return its result.

        `function` is a `WorkerFunction`, or importable by name; arguments and result are picklable. `deadline` is in
        seconds, from the start of the work or, where `waiting_counts`, from the call.

        Raises `DeadlineExceededError`, `OutOfMemoryError`, `WorkerCrashedError`, `BusyError`, or whatever
        `function` raised. When the caller is cancelled the work stops before this returns.
        """
        with observed(self.name, _name_of(function)) as watch:
            called = time.monotonic()
            try:
                with anyio.fail_after(min(self._queue_seconds, deadline) if waiting_counts else self._queue_seconds):
                    await self._slots.acquire()
            except TimeoutError:
                raise BusyError(
                    f"All {len(self._all)} {self.name} workers are busy.", "Try again when earlier calls have finished."
                ) from None
            if waiting_counts:
                deadline = max(_LEAST_SECONDS, deadline - (time.monotonic() - called))
            watch.begin()
            worker = self._free.pop()
            spare = asyncio.create_task(self._start_spare_beside(worker))
            try:
                return await worker.call(self.name, function, arguments, deadline, on_progress)
            finally:
                spare.cancel()
                self._free.append(worker)
                self._slots.release()

    def warm_up(self) -> None:
        """Start a process now if none is up, so that the next call needn't wait for its start; doesn't wait for it."""
        if self._free and not self.running and not self._closed:
            self._free[-1].start()

    @property
    def running(self) -> bool:
        """Whether any process of the pool is up."""
        return any(worker.running for worker in self._all)

    async def release_idle(self) -> None:
        """Stop the processes that have no work now; the next call starts one anew."""
        for worker in list(self._free):
            if worker not in self._free:
                continue  # taken by a call in the meantime
            try:
                self._slots.acquire_nowait()
            except anyio.WouldBlock:  # just handed to a call
                return
            self._free.remove(worker)
            try:
                await anyio.to_thread.run_sync(worker.stop)
            finally:
                self._free.append(worker)
                self._slots.release()

    async def _start_spare_beside(self, worker: _Worker) -> None:
        """Have another process ready while a call takes long, so that the next caller needn't wait for its start.

        The start of the call's own process doesn't count: two that start at once hold each other up.
        """
        while True:
            await asyncio.sleep(_SPARE_AFTER_SECONDS)
            if worker.working:
                break
        if self._free and not self._closed:
            self._free[-1].start()

    async def aclose(self) -> None:
        """Stop every worker process; calls under way fail."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                for worker in self._all:
                    group.start_soon(anyio.to_thread.run_sync, worker.stop)


def _name_of(function: Callable[..., object]) -> str:
    """Name a job; of a partial one the function it calls."""
    return str(getattr(getattr(function, "func", function), "__name__", "job"))


class _Worker:
    """One process slot: a Pebble pool of one, replaced whole when it breaks."""

    def __init__(self, confinement: Confinement, preload: tuple[str, ...], identity: Callable[[], object]) -> None:
        self._identity = identity
        self._confined_to: object = None
        self._confinement = confinement
        self._preload = preload
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._board: CallBoard | None = None
        self._pool: ProcessPool | None = None
        self._future: Future[Any] | None = None

    async def call(
        self,
        name: str,
        function: Callable[..., T],
        arguments: tuple[Any, ...],
        deadline: float,
        on_progress: Progress | None,
    ) -> T:
        identity = self._identity()
        if identity != self._confined_to:
            await anyio.to_thread.run_sync(self.stop)
            self._confined_to = identity
        future, board = self._submit(function, arguments, deadline)
        self._future = future
        waiter = asyncio.wrap_future(future)
        waiter.add_done_callback(_retrieve)
        try:
            # Pebble's own timeout starts with the work; this one also covers a worker that never gets to it.
            with anyio.fail_after(deadline + _START_SECONDS):
                await _follow(waiter, board, on_progress)
        except TimeoutError:
            future.cancel()
            await anyio.to_thread.run_sync(self.stop)
            raise WorkerCrashedError(f"The {name} worker did not answer and was replaced.", "Try again.") from None
        except BaseException:
            board.request_stop()
            with anyio.CancelScope(shield=True):
                await asyncio.wait({waiter}, timeout=_KILL_AFTER_SECONDS)
            future.cancel()
            raise
        return self._outcome(name, future, deadline)

    @property
    def running(self) -> bool:
        return self._pool is not None and bool(self._pool.active)

    @property
    def working(self) -> bool:
        """Whether the process is up and at its work."""
        return self._future is not None and self._future.running()

    def start(self) -> None:
        if not self.running:
            self._confined_to = self._identity()
            self._submit(process.ready, (), _START_SECONDS)

    def stop(self) -> None:
        pool, self._pool = self._pool, None
        under_way = self._future
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()
            if under_way is not None:  # a pool that is stopped may forget whom it owes an answer
                under_way.cancel()

    def _submit(
        self, function: Callable[..., T], arguments: tuple[Any, ...], deadline: float
    ) -> tuple[Future[T], CallBoard]:
        from pebble import ProcessPool

        if self._pool is None or not self._pool.active:
            self._board = CallBoard(self._context)
            self._pool = ProcessPool(
                max_workers=1,
                initializer=process.start,
                initargs=(self._board, self._confinement, self._preload),
                context=self._context,
            )
        assert self._board is not None  # noqa: S101 - set together with the pool
        self._board.reset()
        future = self._pool.schedule(
            process.run_job, args=(function, arguments, deadline), timeout=deadline + _KILL_AFTER_SECONDS
        )
        return future, self._board

    def _outcome(self, name: str, future: Future[T], deadline: float) -> T:
        from pebble import ProcessExpired

        try:
            return future.result()
        except OutOfMemoryError:
            self.stop()  # what is left of its address space is in pieces
            raise
        except ContextError:
            raise
        except TimeoutError as error:
            raise deadline_exceeded(deadline) from error
        except ProcessExpired as error:
            raise _died(name, error.exitcode) from error
        except (BrokenProcessPool, FutureCancelled) as error:
            self.stop()
            raise WorkerCrashedError(
                f"The {name} worker could not start or broke.", "Try again; see the server's log if it persists."
            ) from error


async def _follow(waiter: asyncio.Future[Any], board: CallBoard, on_progress: Progress | None) -> None:
    reported = 0.0
    while True:
        done, _ = await asyncio.wait({waiter}, timeout=_PROGRESS_EVERY_SECONDS if on_progress else None)
        if done:
            return
        so_far, total = board.progress
        if on_progress is not None and so_far > reported:
            reported = so_far
            await on_progress(so_far, total)


def _died(name: str, code: int) -> ContextError:
    if code == process.EXIT_OVER_MEMORY or code == -getattr(signal, "SIGKILL", 9):
        return OutOfMemoryError(
            f"The {name} worker was stopped because it needed more memory than it may use.",
            "Ask for fewer rows, columns or pages at a time.",
        )
    how = f"exit code {code}"
    with contextlib.suppress(ValueError):
        how = signal.Signals(-code).name
    return WorkerCrashedError(
        f"The {name} worker crashed ({how}) while it worked on this call; a new one takes its place.",
        "The file may be damaged or hostile. Other calls are not affected.",
    )


def _retrieve(waiter: asyncio.Future[Any]) -> None:
    """Mark the outcome as seen, so that asyncio never logs an exception that `_outcome` reports."""
    if not waiter.cancelled():
        waiter.exception()
