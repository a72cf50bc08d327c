"""How far a long piece of work is: on a terminal one line that is written over, elsewhere now and then a line."""

from __future__ import annotations

import time
import unicodedata
from typing import TYPE_CHECKING, Final, TextIO

from mcp_server.cli.progress_line import BAR_COLUMNS, EVERY_SECONDS, duration, progress_bar

if TYPE_CHECKING:
    from types import TracebackType

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
