"""Plain text, cut where paragraphs end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.converted import Converted, Section
from mcp_context_resources.documents.markup.conversion_errors import check
from mcp_context_resources.documents.markup.rich_text import unseen
from mcp_context_resources.file_errors import broken
from mcp_context_resources.text_encoding import DecodedText, decode_text

if TYPE_CHECKING:
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

MOST_UNCUT: Final = 6_000
"""Characters that may stay together where no heading divides them."""

_AIM: Final = 4_000
_MAX_BYTES: Final = 64 << 20
_MAX_PLAIN_BYTES: Final = 256 << 20
_PARAGRAPH_ENDS: Final = re.compile(r"(?>\r\n?|\n)(?:[ \t\u3000]*+(?>\r\n?|\n))+")
_LINE_ENDS: Final = re.compile(r"(?>\r\n?|\n)")
_SENTENCE_ENDS: Final = re.compile(r"[。！？]|[.!?](?=\s)|\s")


def read_text(path: str, encoding: str | None, max_bytes: int = _MAX_BYTES) -> DecodedText:
    """Read a text file of up to `max_bytes` whole.

    Raises `UnreadableSourceError`, `InvalidInputError` for an unknown encoding.
    """
    if (size := Path(path).stat().st_size) > max_bytes:
        raise broken(
            path,
            f"has {size >> 20:,} MB; up to {max_bytes >> 20} MB of text are read as one document.",
            "Split the file into parts.",
        )
    return decode_text(Path(path).read_bytes(), Path(path).name, encoding)


def convert(job: Job, file: DocumentFile) -> Converted:
    """Read a text file into sections of about 4,000 characters, which together hold every character of it.

    Raises `UnreadableSourceError`, `InvalidInputError` for an unknown encoding, `DeadlineExceededError`.
    """
    source = read_text(file.path, file.encoding, _MAX_PLAIN_BYTES)
    sections = [Section("", 0, part, part) for part in cut_at_paragraphs(job, source.text)]
    properties = {"encoding": source.encoding, "characters": len(source.text), "lines": source.text.count("\n") + 1}
    return Converted("", properties, sections, [*source.notes, *unseen_notes(source.text)])


def unseen_notes(text: str) -> list[str]:
    """Say how many characters of a text no reader sees."""
    count = unseen(text)
    return [f"It holds {count:,} invisible or control characters."] if count else []


def cut_at_paragraphs(job: Job, text: str) -> list[str]:
    """Cut text into parts of about 4,000 characters that joined give it back; one part if it is hardly longer.

    Parts end with a paragraph where one ends within 6,000 characters, else with a line, a sentence or a word.
    """
    parts, start = [], 0
    while len(text) - start > MOST_UNCUT:
        check(job)
        end = _end(text, start)
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]] if start < len(text) or not parts else parts


def _end(text: str, start: int) -> int:
    least, aim, most = start + _AIM // 2, start + _AIM, start + MOST_UNCUT
    for pattern, farthest in ((_PARAGRAPH_ENDS, most), (_LINE_ENDS, aim), (_SENTENCE_ENDS, aim)):
        ends = [match.end() for match in pattern.finditer(text, least, farthest)]
        early = [end for end in ends if end <= aim]
        if early or ends:
            return early[-1] if early else ends[0]
    return aim - 1 if text[aim - 1 : aim + 1] == "\r\n" else aim
