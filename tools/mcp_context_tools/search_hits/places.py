"""Places of hits: URIs that can be read back, and SQL that fetches a row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from mcp_context_resources.documents.citation import place_uri

if TYPE_CHECKING:
    from mcp_context_resources.index.spec import Chunk, IndexedSource
    from mcp_context_resources.tables.dialect import Dialect
    from mcp_context_tools.tool import PrivateValues

_RESERVED: Final = re.compile(r"[%#?\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]+")
_HEADINGS: Final = 4
_HEADING_CHARS: Final = 80


def place_of(source: IndexedSource, chunk: Chunk, start: int = 0, end: int | None = None) -> str:
    """Return the URI of characters `start` to `end` of a chunk, or of its table."""
    if chunk.page is None:
        return source.key
    last = len(chunk.text) if end is None else end
    return place_uri(source.name, chunk.page, chunk.start + start, chunk.start + last)


def shown_place(source: IndexedSource, page: int | None, start: int, end: int) -> str:
    """Write a place of a document for readers: its URI with letters of any script as themselves (RFC 3987)."""
    return f"{shown_page(source.name, page)}#chars={start}-{end}"


def shown_page(name: str, page: int | None) -> str:
    """Write a page of a document for readers, as `shown_place` does."""
    return f"document://{_RESERVED.sub(lambda match: quote(match[0], safe=''), name)}/page/{page}"


def row_sql(dialect: Dialect, table: str, row: int) -> str:
    """Write the statement that fetches a row by its number from 1."""
    return dialect.rows(dialect.identifier(table), limit=1, offset=row - 1)


def heading_text(heading: tuple[str, ...], private: PrivateValues | None = None) -> str:
    """Write the innermost headings above a passage on one line, long ones cut, but no `private` value in two."""
    shown = (_heading(" ".join(part.split()), private) for part in heading[-_HEADINGS:])
    return " › ".join(part for part in shown if part)


def _heading(text: str, private: PrivateValues | None) -> str:
    if len(text) <= _HEADING_CHARS or private is None:
        return text[:_HEADING_CHARS]
    return text[: private.whole(text, 0, _HEADING_CHARS)[1]]
