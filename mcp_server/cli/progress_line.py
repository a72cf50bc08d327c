"""How far a download is, on a terminal in one line that is written over, elsewhere a line for each tenth."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from types import TracebackType

EVERY_SECONDS: Final = 0.2
"""How often a line on a terminal is written over."""

BAR_COLUMNS: Final = 24


class ProgressLine:
    """Shows one file after another; leaving the block ends the line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._file = ""
        self._tenth = -1
        self._began = (0.0, 0)
        self._shown_at = 0.0

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_line()

    def show(self, file: str, done: int, total: int) -> None:
        """Show that `done` of `total` bytes of a file are there."""
        now = time.monotonic()
        if file != self._file:
            self._end_line()
            self._file, self._tenth, self._began = file, -1, (now, done)
        tenth = 10 * done // max(total, 1)
        if self._terminal:
            if done == total or now - self._shown_at >= EVERY_SECONDS:
                self._shown_at = now
                self._stream.write(f"\r{self._text(done, total, now)}\x1b[K")
        elif tenth > self._tenth:
            self._stream.write(self._text(done, total, now) + "\n")
        self._tenth = tenth
        self._stream.flush()

    def _text(self, done: int, total: int, now: float) -> str:
        bar = progress_bar(BAR_COLUMNS * done // max(total, 1)) if self._terminal else ""
        seconds = now - self._began[0]
        rate = (done - self._began[1]) / seconds if seconds > 0.5 else 0.0
        left = f", {duration((total - done) / rate)} left" if rate and done < total else ""
        speed = f", {rate / 1e6:.1f} MB/s" if rate else ""
        return f"{self._file}: {bar}{100 * done // max(total, 1)} % of {total / 1e6:,.1f} MB{speed}{left}"

    def _end_line(self) -> None:
        if self._terminal and self._file:
            self._stream.write("\n")
            self._stream.flush()


def progress_bar(filled: int) -> str:
    """Draw a bar of which so many of `BAR_COLUMNS` columns are filled, and a space behind it."""
    return f"[{'#' * filled}{'.' * (BAR_COLUMNS - filled)}] "


def duration(seconds: float) -> str:
    """Write seconds as `2 h 5 min`, `3 min 20 s` or `20 s`."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
