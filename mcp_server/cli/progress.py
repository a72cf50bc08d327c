"""Progress of long commands: on a terminal one line that is written over, elsewhere now and then a line."""

from __future__ import annotations

import time
import unicodedata
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


_LINE_EVERY_SECONDS: Final = 10.0
_WIDTH: Final = 100
_LEAST_SECONDS: Final = 3.0
_LEAST_SHARE: Final = 0.02


class StepsLine:
    """Shows steps of work that are reported to it; leaving the block takes the line away."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._shown_at = float("-inf")
        self._began = (0.0, 0.0)
        self._done = float("inf")
        self._total: float | None = None

    def __enter__(self) -> StepsLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    async def __call__(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Show that `done` of `total` steps are done, and what is being done."""
        now = time.monotonic()
        if done < self._done or total != self._total:
            self._began = (now, done)  # other work, to be timed by itself
        self._done, self._total = done, total
        if now - self._shown_at < (EVERY_SECONDS if self._terminal else _LINE_EVERY_SECONDS):
            return
        self._shown_at = now
        text = self._text(message or "working", now)
        self._stream.write(f"\r{text}\x1b[K" if self._terminal else f"{text}\n")
        self._stream.flush()

    def _text(self, message: str, now: float) -> str:
        if not self._total:
            return shown(message, _WIDTH)
        share = min(1.0, self._done / self._total)
        bar = progress_bar(int(BAR_COLUMNS * share)) if self._terminal else ""
        seconds, steps = now - self._began[0], self._done - self._began[1]
        left = ""
        if seconds >= _LEAST_SECONDS and steps >= _LEAST_SHARE * self._total:
            left = f", about {duration((self._total - self._done) * seconds / steps)} left"
        return f"{bar}{int(100 * share)} %{left}: {shown(message, _WIDTH - BAR_COLUMNS)}"


def shown(text: str, most: int | None = None) -> str:
    """Return text without what would steer a terminal, of at most so many columns: names of files are strangers'."""
    text = "".join(char if unicodedata.category(char)[0] != "C" or char in "\n\t" else " " for char in text)
    if most is None:
        return text
    text = text.replace("\n", " ").replace("\t", " ")
    columns = 0
    for place, char in enumerate(text):
        columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if columns > most:
            return text[: max(0, place - 1)] + "…"
    return text
