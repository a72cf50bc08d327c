"""Text files whose encoding a mark or a declaration inside may name, decoded whole."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Final

from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.encoding import encoding_of_file

_LOOKED_AT_BYTES: Final = 4096
_NAMED: Final = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_WIDER: Final = {"shift_jis": "cp932", "gb2312": "gb18030", "iso8859-1": "cp1252", "ascii": "utf-8"}


def decoded(path: str, max_bytes: int) -> tuple[str, list[str]]:
    """Return the text of a file and a note where its encoding was guessed.

    Raises `UnreadableSourceError` when the file is empty, larger than `max_bytes`, or not text.
    """
    size = Path(path).stat().st_size
    if size > max_bytes:
        raise broken(
            path,
            f"has {size >> 20:,} MB; up to {max_bytes >> 20} MB of such a file are read for tables.",
            "Save the table as CSV or Parquet.",
        )
    content = Path(path).read_bytes()
    named = _named_encoding(content[:_LOOKED_AT_BYTES])
    marked = content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE))
    if content and named and not marked:
        try:
            return content.decode(named), []
        except UnicodeDecodeError:
            pass
    encoding = encoding_of_file(path)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise broken(path, f"looks like {encoding} but byte {error.start:,} is not.", "Save it as UTF-8.") from error
    plain = encoding.startswith("utf") and not (named and encoding != named and not marked)
    return text, [] if plain else [f"Its encoding was recognised as {encoding}."]


def _named_encoding(start: bytes) -> str | None:
    found = _NAMED.search(start)
    if found is None:
        return None
    try:
        name = codecs.lookup(found.group(1).decode()).name
    except LookupError:
        return None
    if name.startswith(("utf-16", "utf-32")):  # it can be read as ASCII, so it is neither
        return None
    return _WIDER.get(name, name)
