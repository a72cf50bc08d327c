"""Markdown by its headings, with its front matter; the text stays as it is written."""

from __future__ import annotations

import datetime as dt
import html
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mcp_context_resources.documents.converted import MAX_SECTIONS, Converted, Section
from mcp_context_resources.documents.markup.conversion_errors import check
from mcp_context_resources.documents.markup.plain_text import (
    MOST_UNCUT,
    cut_at_paragraphs,
    read_text,
    unseen_notes,
)

if TYPE_CHECKING:
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_LINES: Final = re.compile(r"[^\r\n]*(?>\r\n?|\n)|[^\r\n]+")
_ATX: Final = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_SETEXT: Final = re.compile(r" {0,3}(?:(=+)|-+)[ \t]*$")
_TAGGED: Final = re.compile(r" {0,3}<h([1-6])\b[^>]*>(.*)</h\1\s*>", re.IGNORECASE)
_FENCE: Final = re.compile(r"([ \t]*)(`{3,}(?=[^`]*$)|~{3,})")
_LIST_ITEM: Final = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])(?:[ \t]|$)")
_HTML_BLOCKS: Final = (
    (re.compile(r" {0,3}<!--"), re.compile("-->")),
    (
        re.compile(r" {0,3}<(?:pre|script|style|textarea)\b", re.IGNORECASE),
        re.compile("</(?:pre|script|style|textarea)>", re.IGNORECASE),
    ),
)
_TABLE_RULE: Final = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_CELL_BORDER: Final = re.compile(r"(?<!\\)\|")
_COMMENT: Final = re.compile(r"<!--(?!\s*(?:-->|toc|prettier|markdownlint|more\b))", re.IGNORECASE)
_LABEL_MARKS: Final = (
    (re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)"), r"\1"),
    (re.compile(r"!?\[([^\[\]]+)\]\[[^\[\]]*\]"), r"\1"),
    (re.compile(r"</?[A-Za-z][^<>]*>"), ""),
    (re.compile(r"\s*\{[:#.][^{}]*\}\s*$"), ""),
    (re.compile(r"(?<!\\)(\*\*|__|~~)(.+?)\1"), r"\2"),
    (re.compile(r"(?<![\\\w])([*_])(\S(?:.*?\S)?)\1(?!\w)"), r"\2"),
    (re.compile(r"(`+)\s*(.+?)\s*\1"), r"\2"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)
_LONGEST_LABEL: Final = 300
_FRONT_MATTER: Final = re.compile(
    r"\A(---|\+\+\+)[ \t]*(?>\r\n?|\n)(.{0,65536}?)^(?:\1|\.\.\.)[ \t]*(?:(?>\r\n?|\n)|\Z)", re.DOTALL | re.MULTILINE
)
_FRONT_ENTRY: Final = re.compile(r"([A-Za-z_\u0080-\U0010ffff][\w .-]{0,60}?)[ \t]*:(?:[ \t]+(.*))?$")
_FRONT_LIST_ENTRY: Final = re.compile(r"[ \t]*-[ \t]+(.*)$")
_MOST_PROPERTIES: Final = 200
_LONGEST_PROPERTY: Final = 2_000


class _Heading(NamedTuple):
    line: int
    level: int
    label: str


@dataclass(slots=True)
class _Scan:
    """Where a scan of lines stands: inside a fence or HTML block, in a list, in a paragraph since some line."""

    fence: str = ""
    until: re.Pattern[str] | None = None
    in_list: bool = False
    paragraph: int | None = None


def convert(job: Job, file: DocumentFile) -> Converted:
    """Read a Markdown file; its sections together hold every character of it.

    Raises `UnreadableSourceError`, `InvalidInputError` for an unknown encoding, `DeadlineExceededError`.
    """
    source = read_text(file.path, file.encoding)
    properties, body = front_matter(source.text)
    sections = split_markdown(job, source.text, body)
    notes = [*source.notes, *unseen_notes(source.text)]
    if len(sections) > MAX_SECTIONS:
        notes.append(f"Headings after the {MAX_SECTIONS:,}th start no section of their own.")
    if comments := len(_COMMENT.findall(source.text)):
        notes.append(f"It holds {comments:,} HTML comments, which are not shown where Markdown is displayed.")
    return Converted(_title(properties, sections), {**properties, "encoding": source.encoding}, sections, notes)


def split_markdown(job: Job, text: str, body: int = 0) -> list[Section]:
    """Cut a Markdown text where headings begin; character `body` is the first that can be one.

    Headings are `#` lines, underlined ones and one-line `<h1>` to `<h6>`; in code, comments and quotes there are none.
    What comes before the first heading is cut into parts of about 4,000 characters where it is long.
    """
    lines = [text[:body], *_LINES.findall(text, body)]
    headings, code = _headings(job, lines)
    starts = [heading.line for heading in headings]
    sections = []
    before = "".join(lines[: starts[0]] if starts else lines)
    if before:
        end = starts[0] if starts else len(lines)
        tables = _tables(lines[:end], code[:end])
        parts = cut_at_paragraphs(job, before) if len(before) > MOST_UNCUT else [before]
        sections = [Section("", 0, part, part, () if index else tables) for index, part in enumerate(parts)]
    for heading, end in zip(headings, [*starts[1:], len(lines)][: len(headings)], strict=True):
        part = "".join(lines[heading.line : end])
        tables = _tables(lines[heading.line : end], code[heading.line : end])
        sections.append(Section(heading.label, heading.level, part, part, tables))
    return sections


def _headings(job: Job, lines: list[str]) -> tuple[list[_Heading], list[bool]]:
    """Find the headings, and for each line whether it is code or hidden from the reader."""
    scan, code = _Scan(), [True]
    found: list[_Heading] = []
    for number, ended in enumerate(lines[1:], start=1):
        if not number % 1_000:
            check(job)
        line = ended.rstrip("\r\n")
        inside = _continues_block(scan, line)
        code.append(inside)
        if inside:
            scan.paragraph = None
        elif len(found) <= MAX_SECTIONS and (heading := _heading_at(scan, lines, number, line)):
            found.append(heading)
            scan.paragraph, scan.in_list = None, False
        else:
            _follow_paragraph(scan, line, number)
    return found, code


def _continues_block(scan: _Scan, line: str) -> bool:
    """Tell whether a line belongs to fenced code or to an HTML block, opening and closing them."""
    if scan.until is not None:
        if scan.until.search(line):
            scan.until = None
        return True
    if scan.fence:
        closing = line.strip()
        if closing.startswith(scan.fence) and not closing.strip(scan.fence[0]):
            scan.fence = ""
        return True
    fence = _FENCE.match(line)
    if fence and (scan.in_list or len(fence[1].expandtabs(4)) < 4):
        scan.fence = fence[2]
        return True
    for opening, closing_tag in _HTML_BLOCKS:
        start = opening.match(line)
        if start:
            scan.until = None if closing_tag.search(line, start.end()) else closing_tag
            return True
    return False


def _heading_at(scan: _Scan, lines: list[str], number: int, line: str) -> _Heading | None:
    if atx := _ATX.match(line):
        return _Heading(number, len(atx[1]), _label(_without_closing(line[atx.end() :].strip())))
    if (tagged := _TAGGED.match(line)) and (label := _label(tagged[2])):
        return _Heading(number, int(tagged[1]), label)
    underline = _SETEXT.match(line)
    if underline and scan.paragraph is not None:
        title = " ".join(part.strip() for part in lines[scan.paragraph : number])
        return _Heading(scan.paragraph, 1 if underline[1] else 2, _label(title))
    return None


def _follow_paragraph(scan: _Scan, line: str, number: int) -> None:
    if not line.strip():
        scan.paragraph = None
    elif _LIST_ITEM.match(line):
        scan.in_list, scan.paragraph = True, None
    elif line.lstrip(" ").startswith((">", "|")) or (line[:1] in " \t" and scan.in_list):
        scan.paragraph = None
    elif scan.paragraph is None and not line.startswith(("    ", "\t")):
        # Text right below a list item still belongs to it; after a blank line it ends the list.
        if scan.in_list and number and scan.fence == "" and line[:1] not in " \t":
            scan.in_list = False
        scan.paragraph = number


def _without_closing(title: str) -> str:
    """Take off the `#` signs that may close a heading."""
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else title


def _label(markdown: str) -> str:
    text = markdown[: 4 * _LONGEST_LABEL]
    for pattern, kept in _LABEL_MARKS:
        text = pattern.sub(kept, text)
    return " ".join(html.unescape(text).split())[:_LONGEST_LABEL]


def _tables(lines: list[str], code: list[bool]) -> tuple[tuple[tuple[str, ...], ...], ...]:
    found, at = [], 1
    while at < len(lines):
        head, rule = lines[at - 1].rstrip(), lines[at].rstrip()
        at += 1
        if code[at - 1] or code[at - 2] or "|" not in head or "|" not in rule or not _TABLE_RULE.match(rule):
            continue
        width = len(_cells(head))
        if len(_cells(rule)) != width:
            continue
        rows = [_cells(head)]
        while at < len(lines) and not code[at] and "|" in lines[at] and lines[at].strip():
            cells = _cells(lines[at].rstrip())
            rows.append(cells[:width])
            at += 1
        found.append(tuple(rows))
        at += 1
    return tuple(found)


def _cells(line: str) -> tuple[str, ...]:
    line = line.strip().removeprefix("|")
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    return tuple(cell.strip().replace("\\|", "|") for cell in _CELL_BORDER.split(line))


def _title(properties: dict[str, Any], sections: list[Section]) -> str:
    named = properties.get("title")
    if isinstance(named, str) and named:
        return named
    headings = [section for section in sections if section.level]
    return next((section.label for section in headings if section.level == 1), headings[0].label if headings else "")


def front_matter(text: str) -> tuple[dict[str, Any], int]:
    """Return the properties in front of a Markdown text and where the text after them begins.

    They are TOML between `+++`, or YAML between `---`, of which plain values and lists of them are understood and kept
    as text; deeper structure is left out.
    """
    block = _FRONT_MATTER.match(text)
    if block is None:
        return {}, 0
    found = _toml(block[2]) if block[1] == "+++" else _yaml(block[2])
    return (found, block.end()) if found else ({}, 0)


def _yaml(block: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    key = ""
    for line in re.split(r"\r\n?|\n", block):
        entry, listed = _FRONT_ENTRY.match(line), _FRONT_LIST_ENTRY.match(line)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if listed and key and (found[key] == "" or isinstance(found[key], list)):
            found[key] = [*(found[key] or []), _yaml_value(listed[1])][:_MOST_PROPERTIES]
        elif entry and len(found) < _MOST_PROPERTIES:
            key = entry[1]
            found[key] = _yaml_value(entry[2] or "")
        elif not found:
            return {}
        elif key and line[:1] in " \t" and isinstance(found[key], str) and ":" not in line:
            found[key] = f"{found[key].rstrip('|>-')} {line.strip()}".strip()[:_LONGEST_PROPERTY]
    return found


def _yaml_value(text: str) -> Any:
    text = text.strip()[:_LONGEST_PROPERTY]
    if text.startswith("[") and text.endswith("]"):
        return [_unquoted(part) for part in text[1:-1].split(",") if part.strip()]
    return _unquoted(text)


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _toml(block: str) -> dict[str, Any]:
    try:
        found = tomllib.loads(block.replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    return {key: _json(value) for key, value in found.items()}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value
