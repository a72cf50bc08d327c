"""Findings of detectors: where a value stands, what it is, and what it means however it is written."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Kind = Literal[
    "secret", "email", "card", "bank_account", "my_number", "ssn", "id_document", "phone", "postal_code", "ip"
]
"""What a value is; of two that overlap the earlier one names both."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

LITERAL: Final = "literal"
"""Text of a file that looks like a placeholder of ours, and is none."""

BREAK: Final = "\x00"
"""Stands between texts that are searched together; no detector reaches across it."""

_ORDER: Final = {kind: place for place, kind in enumerate((LITERAL, *KINDS))}


class Finding(NamedTuple):
    """A value at `start` to `end`; `normal` is the same for every way to write it.

    `value` is what stands there where the text shows it escaped, else empty.
    """

    start: int
    end: int
    kind: str
    normal: str
    value: str = ""


class Legible:
    """A text as detectors read it; every offset in it is one in the original.

    In `text` wide characters are ASCII and escaped line breaks are blanks; `small` is the same in small letters.
    `numbers` are the stretches, a little wider than they need be, that hold nine digits or more close together.
    """

    __slots__ = ("numbers", "small", "text")

    def __init__(self, original: str) -> None:
        self.text = legible(original)
        self.small = self.text.lower()
        last = len(self.text)
        self.numbers = [
            (max(0, match.start() - 1), min(last, match.end() + 8)) for match in _NUMBER.finditer(self.text)
        ]

    def matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Search the stretches of digits only; what stands at the end of one may be found twice."""
        for start, end in self.numbers:
            yield from pattern.finditer(self.text, start, end)

    def after(self, words: Iterable[str]) -> Iterator[tuple[str, int]]:
        """Find words, given in small letters: each with the offset behind it."""
        for word in words:
            at = self.small.find(word)
            while at >= 0:
                yield word, at + len(word)
                at = self.small.find(word, at + len(word))


class Detector(Protocol):
    """Finds values of some kinds."""

    def find(self, page: Legible) -> Iterator[Finding]:
        """Find values."""


_NUMBER: Final = re.compile(r"[0-9](?:[ ().\n-]{0,3}[0-9]){8,}+")

# One character for one, so that offsets stay.
_WIDE: Final[dict[int, int | str]] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    0x3000: " ",
    0x00A0: " ",
    # Its small letter is two characters long.
    0x0130: "I",
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212), "-"),
}
_WIDE_RUN: Final = re.compile(f"[{''.join(map(chr, _WIDE))}]+")
_LONG_VOWEL: Final = re.compile(r"(?<=[0-9)])[ーｰ](?=[0-9(])")


def legible(text: str) -> str:
    """Return text of the same length in which wide characters are ASCII and escaped line breaks are blanks."""
    if not text.isascii():
        text = _WIDE_RUN.sub(lambda run: run[0].translate(_WIDE), text)
        if "ー" in text or "ｰ" in text:
            text = _LONG_VOWEL.sub("-", text)
    if "\\" in text:
        for escape in ("\\n", "\\r", "\\t"):
            text = text.replace(escape, "  ")
    return text


def digits_of(text: str) -> str:
    """Return the digits of a text, as ASCII."""
    return "".join(filter(str.isdigit, text))


def plain(text: str) -> str:
    """Return text without differences of case and width."""
    return unicodedata.normalize("NFKC", text).casefold()


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings in order without overlap.

    Overlapping ones become one. An address that begins inside a secret (`password@host.example`) is left to it.
    """
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda each: (each.start, -each.end, _ORDER[each.kind])):
        last = kept[-1] if kept else None
        if last is None or finding.start >= last.end:
            kept.append(finding)
        elif last.kind == "secret" and finding.kind == "email":
            continue
        elif last.kind == "email" and finding.kind == "secret" and last.start == finding.start:
            kept[-1] = finding
        elif _ORDER[finding.kind] < _ORDER[last.kind] or finding.end > last.end:
            kept[-1] = _union(last, finding)
    return kept


def _union(one: Finding, other: Finding) -> Finding:
    start, end = min(one.start, other.start), max(one.end, other.end)
    first = min(one, other, key=lambda each: _ORDER[each.kind])
    normal = first.normal if (first.start, first.end) == (start, end) else ""
    return Finding(start, end, first.kind, normal)
