"""Rich text: runs with emphasis and links, joined into plain text and Markdown."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from mcp_context_resources.documents.clean_text import INVISIBLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNSEEN: Final = re.compile(f"[{INVISIBLE}\ud800-\udfff]")
_LINE_ENDS: Final = re.compile("\r\n?|\u2028|\u2029|\x85")
_SPECIAL: Final = re.compile(r"[\\`*\[\]<]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK_START: Final = re.compile(
    r"^([ \t]*)(#{1,6}(?=[ \t]|$)|[-+>](?=[ \t]|$)|=+[ \t]*$|~~~|-{3,}|\d{1,9}(?=[.)][ \t]))", re.MULTILINE
)
_OPENABLE: Final = re.compile(r"(?:https?:|mailto:|ftp:|tel:|[^:?#]*(?:[/?#]|$))", re.IGNORECASE)


class Rich(NamedTuple):
    """The same text plain and as Markdown."""

    text: str
    markdown: str


class Run(NamedTuple):
    """A stretch of text in one style; `mark` is what Markdown puts on both sides of it, such as `**`."""

    text: str
    mark: str = ""
    href: str = ""


def visible(text: str) -> str:
    r"""Return `text` with `\\n` line ends and without characters a reader can't see."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub("", _LINE_ENDS.sub("\n", text))


def unseen(text: str) -> int:
    """Count the characters a reader can't see, line ends and tabs apart."""
    return len(_UNSEEN.findall(_LINE_ENDS.sub("\n", text)))


def plain(text: str) -> Rich:
    """Take text without any style."""
    text = visible(text)
    return Rich(text, escaped(text))


def rich(runs: Iterable[Run]) -> Rich:
    """Join runs; neighbours of one style become one, and marks stand outside blanks at the edges."""
    texts, marked = [], []
    for href, same_link in groupby(runs, key=lambda run: run.href):
        inner = []
        for mark, same in groupby(same_link, key=lambda run: run.mark):
            text = visible("".join(run.text for run in same))
            texts.append(text)
            inner.append(_marked(text, mark))
        marked.append(_linked("".join(inner), href))
    return Rich("".join(texts).strip("\n"), _at_line_starts("".join(marked).strip("\n")))


def escaped(text: str) -> str:
    """Write plain text so that Markdown shows it as it is."""
    return _at_line_starts(_SPECIAL.sub(r"\\\g<0>", text))


def table_rows(rows: Sequence[Sequence[str]]) -> Rich:
    """Write a table, header first: cells between bars, and as a Markdown table."""
    width = max(map(len, rows), default=0)
    full = [[*row, *[""] * (width - len(row))] for row in rows]
    text = "\n".join(" | ".join(" ".join(cell.split()) for cell in row).rstrip() for row in full)
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in full]
    return Rich(text, "\n".join([*lines[:1], "|" + " --- |" * width, *lines[1:]]))


def fenced(text: str, language: str = "") -> str:
    """Write text as a fenced code block that nothing inside can close."""
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _at_line_starts(markdown: str) -> str:
    def kept(match: re.Match[str]) -> str:
        blank, sign = match.groups()
        return f"{blank}{sign}\\" if sign.isdigit() else f"{blank}\\{sign}"

    return _BLOCK_START.sub(kept, markdown)


def _marked(text: str, mark: str) -> str:
    before, inner, after = _edges(text) if mark else ("", "", "")
    if not inner:
        return _SPECIAL.sub(r"\\\g<0>", text)
    if "`" in mark:
        longest = max((len(ticks) for ticks in re.findall("`+", inner)), default=0)
        ticks, pad = "`" * (longest + 1), " " if longest else ""
        return f"{before}{ticks}{pad}{inner}{pad}{ticks}{after}"
    lines = [_SPECIAL.sub(r"\\\g<0>", line.strip()) for line in inner.split("\n")]
    return before + "\n".join(f"{mark}{line}{mark[::-1]}" if line else "" for line in lines) + after


def _linked(markdown: str, href: str) -> str:
    if not href:
        return markdown
    before, inner, after = _edges(markdown)
    href = visible(href).strip()
    if not inner or not href or href.startswith("#") or not _OPENABLE.match(href):
        return markdown
    target = re.sub(r"[\s<>()\\]", lambda match: f"%{ord(match[0]):02X}" if match[0] < "\x80" else "", href[:2_000])
    return f"{before}[{inner}]({target}){after}"


def _edges(text: str) -> tuple[str, str, str]:
    """Cut text into the blanks before, what is between, and the blanks after."""
    inner = text.strip()
    start = len(text) - len(text.lstrip())
    return text[:start], inner, text[start + len(inner) :]


def _cell(text: str) -> str:
    lines = (_SPECIAL.sub(r"\\\g<0>", line.strip()) for line in text.strip().split("\n"))
    return "<br>".join(lines).replace("|", "\\|")
