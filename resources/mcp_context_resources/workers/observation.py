"""Observation of workers: an observer goes with the call it wants to know about, and no further."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_context_resources.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class WorkerRun:
    """One job of a worker. `pool` and `job` are the names of the pool and of the function.

    Times are nanoseconds since the epoch: when it was asked for, when it had a worker (as `ended` if it never had one)
    and when it was over. `failed` is the code of its error, or the error's class; empty when it went well.
    """

    pool: str
    job: str
    asked: int
    began: int
    ended: int
    failed: str = ""


_OBSERVER: ContextVar[Callable[[WorkerRun], None] | None] = ContextVar("observer", default=None)


@contextmanager
def observing(tell: Callable[[WorkerRun], None]) -> Iterator[None]:
    """While the block runs, and in the tasks it starts, every job of a worker is told when it is over."""
    token = _OBSERVER.set(tell)
    try:
        yield
    finally:
        _OBSERVER.reset(token)


class RunWatch:
    """Takes the time of one job."""

    def __init__(self) -> None:
        self.asked = time.time_ns()
        self.began = 0

    def begin(self) -> None:
        """Note that there is a worker now."""
        self.began = time.time_ns()


@contextmanager
def observed(pool: str, job: str) -> Iterator[RunWatch]:
    """Take the time of the block as one job, and tell the observer of this call, if it has one."""
    tell = _OBSERVER.get()
    watch, failed = RunWatch(), ""
    try:
        yield watch
    except BaseException as error:
        failed = error.code if isinstance(error, ContextError) else type(error).__name__
        raise
    finally:
        if tell is not None:
            ended = time.time_ns()
            tell(WorkerRun(pool, job, watch.asked, watch.began or ended, ended, failed))
