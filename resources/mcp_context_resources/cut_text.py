"""Cutting text so that a reader can go on exactly where it stopped, or sees that something was cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of a longer text: characters `start` to `end` of `total`."""

    text: str
    start: int
    end: int
    total: int

    @property
    def truncated(self) -> bool:
        """Whether text remains after this piece."""
        return self.end < self.total


def cut_text(text: str, *, start: int, max_chars: int) -> Cut:
    """Take at most `max_chars` characters of `text` from `start`, preferably ending at a line or sentence end.

    Continuing at `end` yields every character once: nothing is skipped and nothing repeated. At least one character
    is taken when any is left, so a reader always advances.
    """
    start = min(max(start, 0), len(text))
    end = min(len(text), start + max(max_chars, 1))
    if end < len(text):
        floor = start + (end - start) // 2
        for mark in ("\n", "。", ". ", " "):
            found = text.rfind(mark, floor, end)
            if found >= 0:
                end = found + len(mark)
                break
    return Cut(text[start:end], start, end, len(text))


def first_names(names: Sequence[str], most: int) -> str:
    """List names, separated by commas; of more than `most` the first ones and an ellipsis."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
