"""Standard error: written without ever waiting long for a reader, and taken from everything else in the process."""

from __future__ import annotations

import atexit
import logging
import os
import select
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

STDERR: Final = 2
_STDOUT: Final = 1
_AT_ONCE: Final = 4_096
"""What a pipe that is ready takes without waiting (PIPE_BUF)."""

_PATIENCE_SECONDS: Final = 0.1
_LAST_LINES_SECONDS: Final = 0.5
_MOST_LINE_BYTES: Final = 16_384


class PatientWriter:
    """Writes lines to a descriptor. A host that doesn't read its server's log must not stop the server.

    Lines that can't be written in a moment are dropped; how many is told as soon as there is room again.
    """

    def __init__(self, fd: int, dropped: Callable[[int], str]) -> None:
        self._fd = fd
        self._dropped_line = dropped
        self._dropped = 0
        self._torn = False

    def write(self, line: str) -> None:
        """Write a line or drop it; never raises."""
        if self._dropped:
            if not self._ready(0.0):
                self._dropped += 1
                return
            told, self._dropped = self._dropped_line(self._dropped), 0
            self._put(("\n" if self._torn else "") + told)
        self._put(line)

    def _put(self, line: str) -> None:
        rest = memoryview(line.encode("utf-8", "backslashreplace") + b"\n")
        self._torn = False
        try:
            while rest:
                if not self._ready(_PATIENCE_SECONDS):
                    self._dropped += 1
                    return
                rest = rest[os.write(self._fd, rest[:_AT_ONCE]) :]
                self._torn = True
            self._torn = False
        except OSError:  # nobody will ever read it
            return

    def _ready(self, seconds: float) -> bool:
        if not hasattr(select, "poll"):
            return True
        watch = select.poll()
        watch.register(self._fd, select.POLLOUT)
        return bool(watch.poll(seconds * 1000))


class StderrHandler(logging.Handler):
    """Writes records to a descriptor."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._writer = PatientWriter(fd, self._told)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; one that can't be formatted is told of in its place."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a log line must not fail what it tells of
            line = self.format(_record(record.name, "a message of this logger can't be written"))
        self._writer.write(line)

    def _told(self, count: int) -> str:
        return self.format(_record("fresh_context", f"{count:,} log lines are missing here: nobody read them"))


def _record(name: str, message: str) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "", 0, message, (), None)


def take_stderr(tell: Callable[[str], None]) -> int:
    """Take standard error away from everything else, and return a descriptor of it for us alone.

    From now on `tell` hears every line written to it, by libraries, by the interpreter and by worker processes alike,
    from a thread of its own. Standard output is taken along where it is the same.
    """
    ours = os.dup(STDERR)
    taken = [STDERR, *([_STDOUT] if _same(_STDOUT, STDERR) else [])]
    reading, writing = os.pipe()
    for fd in taken:
        os.dup2(writing, fd)
    os.close(writing)
    reader = threading.Thread(target=_read, args=(reading, tell), daemon=True, name="standard error")
    reader.start()
    atexit.register(_give_back, ours, taken, reader)
    return ours


def _same(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


def _read(fd: int, tell: Callable[[str], None]) -> None:
    kept = b""
    while data := os.read(fd, _MOST_LINE_BYTES):
        *lines, kept = (kept + data).split(b"\n")
        if len(kept) >= _MOST_LINE_BYTES:
            lines, kept = [*lines, kept], b""
        for line in lines:
            _tell(line, tell)
    _tell(kept, tell)


def _tell(line: bytes, tell: Callable[[str], None]) -> None:
    if text := line.decode("utf-8", "replace").rstrip():
        tell(text)


def _give_back(ours: int, taken: list[int], reader: threading.Thread) -> None:
    """At the end, let the last lines come through."""
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    for fd in taken:
        with suppress(OSError):
            os.dup2(ours, fd)
    reader.join(_LAST_LINES_SECONDS)
