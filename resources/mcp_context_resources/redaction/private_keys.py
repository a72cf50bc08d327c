"""Private keys in PEM, PGP and PuTTY form, also where a page shows only a part of one."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Final

from mcp_context_resources.redaction.finding import BREAK, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.redaction.finding import Legible

_SIGNS: Final = ("-----begin", "-----end", "putty-user-key", "private-mac")
_BEGIN: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[0-9](?:: [^\s\x00]{1,40})?"
)
_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|Private-MAC: [0-9a-f]{40,64}")
_MOST_CHARS: Final = 20_000

_CODE: Final = "[A-Za-z0-9+/=]"
_LONG: Final = rf"\s*+{_CODE}{{16,}}+"
# The last line of a key, its checksum, or what a cut left of a line.
_SHORT: Final = rf"\n{_CODE}{{1,15}}+(?=[\r\n\x00]|\Z)"
_BODY: Final = re.compile(rf"(?:{_LONG}|\s*+[A-Za-z][A-Za-z-]{{0,30}}: [^\n\x00]{{0,200}}+)*+(?:{_SHORT}){{0,2}}+")
# The same, read from its end.
_BODY_BACKWARDS: Final = re.compile(
    rf"(?:{_SHORT}){{0,2}}+(?:{_LONG}|\s*+[^\n\x00]{{0,200}} :[A-Za-z-]{{1,31}}(?=[\n\x00]|\Z))*+(?:{_SHORT})?"
)
_LINES: Final = re.compile(
    r"-----(?P<side>BEGIN|END) (?P<what>[A-Z0-9 ]{1,60})-----|\x00"
    rf"|(?P<lines>(?<![A-Za-z0-9+/=_-]){_CODE}{{60,76}}+(?:\s{{1,4}}{_CODE}{{60,76}}+(?![A-Za-z0-9+/=_-]))++)"
)
_PART: Final = re.compile(rf"{_CODE}{{1,76}}")
_MIXED: Final = (re.compile("[A-Z]"), re.compile("[g-z]"), re.compile("[0-9]"))


def private_keys(page: Legible) -> Iterator[Finding]:
    """Find private keys; of one that isn't there whole, what is there of it."""
    if any(sign in page.small for sign in _SIGNS):
        yield from _marked(page.text)
    yield from _unmarked(page.text)


def _marked(text: str) -> Iterator[Finding]:
    closes = [close.span() for close in _END.finditer(text)]
    ends = [end for _, end in closes]
    begins: list[tuple[int, int]] = []
    reached = 0
    for begin in _BEGIN.finditer(text):
        if begin.start() < reached:
            continue
        place = bisect_right(ends, begin.end())
        reached = ends[place] if place < len(ends) else len(text) + 1
        if reached > begin.end() + _MOST_CHARS or text.find(BREAK, begin.end(), reached) >= 0:
            body = _BODY.match(text, begin.end())
            reached = begin.end() if body is None else body.end()
        begins.append((begin.start(), reached))
    yield from (Finding(start, end, "secret", text[start:end]) for start, end in begins)
    yield from _ended(text, closes, begins)


def _ended(text: str, closes: list[tuple[int, int]], whole: list[tuple[int, int]]) -> Iterator[Finding]:
    """Find what stands before an end without a beginning."""
    starts = [start for start, _ in whole]
    before = 0
    for close, end in closes:
        place = bisect_right(starts, close) - 1
        covered = whole[place][1] if place >= 0 else 0
        if end > covered:
            floor = max(before, covered, close - _MOST_CHARS)
            body = _BODY_BACKWARDS.match(text[floor:close][::-1])
            start = close - (0 if body is None else body.end())
            yield Finding(start, end, "secret", text[start:end])
        before = end


def _unmarked(text: str) -> Iterator[Finding]:
    """Find lines as keys have them, unless what is around says that they are public: a certificate, a signature."""
    waiting: list[Finding] = []
    public = False
    for match in _LINES.finditer(text):
        lines = match["lines"]
        if lines is None:
            mark = "" if match["side"] is None or "PRIVATE" in match["what"] else match["side"]
            if mark != "END":
                yield from waiting
            waiting = []
            public = mark == "BEGIN"
        elif not public and _is_coded(lines):
            start, end = _with_parts(text, *match.span())
            waiting.append(Finding(start, end, "secret", text[start:end]))
    yield from waiting


def _is_coded(lines: str) -> bool:
    """Say whether lines are of one length and look like base64, not like sums in hexadecimal."""
    lengths = Counter(map(len, lines.split()))
    return max(lengths.values()) > 1 and all(sign.search(lines) for sign in _MIXED)


def _with_parts(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the place of lines with the one before and the one after, where these are parts of such lines."""
    if text[start - 1 : start] == "\n":
        floor = max(0, start - 78)
        first = max(text.rfind(sign, floor, start - 1) for sign in ("\n", BREAK)) + 1
        if (first or not floor) and _PART.fullmatch(text[first : start - 1].rstrip("\r")):
            start = first
    if (
        text[end : end + 1] == "\n"
        and (part := _PART.match(text, end + 1))
        and text[part.end() : part.end() + 1] in "\r\n\x00"
    ):
        end = part.end()
    return start, end
