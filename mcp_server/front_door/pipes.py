"""Pipes, the two ends of the wire: taken from everything else in the process, read and written within bounds."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_QUEUED_BYTES: Final = 16 << 20
"""Answers that wait for a client to read them; whoever has more to say waits."""

_STILL_THERE_SECONDS: Final = 0.25
_WRITTEN_AT_ONCE: Final = 1 << 18
_FIRST_FREE: Final = 3


class Wire(NamedTuple):
    """Private handles of what were standard input and output."""

    incoming: io.FileIO
    outgoing: io.FileIO

    def read(self, most: int) -> bytes:
        """Read what there is, waiting for the first byte; b"" at the end and when the pipe broke."""
        try:
            while (data := self.incoming.read(most)) is None:
                select.select([self.incoming], [], [])
        except OSError:
            return b""
        return data

    def write(self, data: bytes) -> None:
        """Write everything, however long that takes; raises `OSError` when nobody can read it any more."""
        rest = memoryview(data)
        while rest:
            written = self.outgoing.write(rest)
            if written is None:
                select.select([], [self.outgoing], [])
            else:
                rest = rest[written:]

    def abandoned(self) -> bool:
        """Tell whether the other side has closed our input, without reading; False where that can't be known."""
        if not hasattr(select, "poll"):
            return False
        watch = select.poll()
        watch.register(self.incoming.fileno(), 0)
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in watch.poll(0))


def claim() -> Wire:
    """Take standard input and output: reading the one then gives nothing, printing to the other goes to stderr."""
    incoming, outgoing = _taken(0, os.O_RDONLY), _taken(1, os.O_WRONLY)
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    try:
        os.dup2(2, 1)
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.close(nothing)
    return Wire(io.FileIO(incoming, "rb", closefd=False), io.FileIO(outgoing, "wb", closefd=False))


def _taken(fd: int, mode: int) -> int:
    """Duplicate a descriptor for us alone; one that isn't open becomes the null device."""
    try:
        if sys.platform == "win32":
            return os.dup(fd)
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    except OSError:
        return os.open(os.devnull, mode)


class Outbox:
    """Lines on their way to the client, written by a thread of its own so that nobody else hangs on a full pipe."""

    def __init__(self, write: Callable[[bytes], None], broken: Callable[[], None], most: int = MOST_QUEUED_BYTES):
        self._write = write
        self._on_broken = broken
        self._most = most
        self._changed = threading.Condition()
        self._lines: list[bytes] = []
        self._size = 0
        self._abandoned = False

    def start(self) -> None:
        """Start writing."""
        threading.Thread(target=self._run, daemon=True, name="wire out").start()

    def offer(self, line: bytes) -> bool:
        """Take a line if there is room; never waits. Lines nobody will read are taken and dropped."""
        with self._changed:
            if self._abandoned:
                return True
            if self._size >= self._most:
                return False
            self._lines.append(line)
            self._size += len(line)
            self._changed.notify_all()
            return True

    def put(self, line: bytes, give_up: Callable[[], bool] = bool) -> None:
        """Take a line, waiting for room; drops it once `give_up` says that nobody waits for it."""
        while not self.offer(line):
            if not self.wait_for_room(_STILL_THERE_SECONDS) and give_up():
                return

    def wait_for_room(self, seconds: float | None = None) -> bool:
        """Wait until a line would be taken; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._abandoned or self._size < self._most, seconds)

    def flush(self, seconds: float) -> bool:
        """Wait until all is written; False when nothing moved for this long."""
        until = time.monotonic() + seconds
        with self._changed:
            left = self._size
            while self._size and not self._abandoned:
                if not self._changed.wait(max(0.0, until - time.monotonic())) and time.monotonic() >= until:
                    return False
                if self._size < left:
                    left, until = self._size, time.monotonic() + seconds
        return True

    def abandon(self) -> None:
        """Drop what was not written and all that will come: the client doesn't read."""
        with self._changed:
            self._abandoned = True
            self._lines.clear()
            self._size = 0
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._lines))
                data = self._some()
            try:
                self._write(data)
            except (OSError, ValueError):
                self.abandon()
                self._on_broken()
            with self._changed:
                self._size = max(0, self._size - len(data))
                self._changed.notify_all()

    def _some(self) -> bytes:
        size = count = 0
        for line in self._lines:
            size, count = size + len(line), count + 1
            if size >= _WRITTEN_AT_ONCE:
                break
        data = b"".join(self._lines[:count])
        del self._lines[:count]
        return data
