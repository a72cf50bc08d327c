"""The names under which SQL finds the tables in documents: `handbook_p3_t1` is the first table on page 3."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from mcp_context_resources.workspace.names import lookup_key, sql_identifier

if TYPE_CHECKING:
    from collections.abc import Iterable

_TABLE: Final = re.compile(r"(?P<prefix>.+)_(?P<part>p(?P<page>[1-9]\d{0,6})_t[1-9]\d{0,3})", re.IGNORECASE | re.DOTALL)


def table_prefixes(documents: Iterable[str]) -> dict[str, str]:
    """Return what the names of a document's tables begin with, by the document's name.

    It is the file's name without its ending, with the ending where two documents would be alike.
    """
    names = list(documents)
    short = {name: sql_identifier(name.rpartition(".")[0] or name) for name in names}
    long = {name: sql_identifier(name) for name in names}
    shorts = Counter(lookup_key(prefix) for prefix in short.values())
    longs = Counter(lookup_key(prefix) for prefix in long.values())
    return {
        name: short[name]
        if shorts[lookup_key(short[name])] == 1
        else long[name]
        if longs[lookup_key(long[name])] == 1
        else f"{long[name]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"
        for name in names
    }


def parse_table_name(name: str) -> tuple[str, str, int] | None:
    """Take the name of a table in a document apart: prefix, part (`p3_t1`) and page; None for any other name."""
    match = _TABLE.fullmatch(name)
    return None if match is None else (match["prefix"], match["part"].lower(), int(match["page"]))
