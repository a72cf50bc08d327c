"""Table names under which SQL finds the tables in documents: `handbook_p3_t1` is the first table on page 3."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from mcp_context_resources.workspace.names import lookup_key, sql_identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TABLE: Final = re.compile(r"(?P<prefix>.+)_(?P<part>p(?P<page>[1-9]\d{0,6})_t[1-9]\d{0,3})", re.IGNORECASE | re.DOTALL)
_MARK_CHARS: Final = 6


def table_prefixes(documents: Iterable[str], held: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what the names of a document's tables begin with, by the document's name; no two are alike.

    It is the file's name without its ending, with the ending where that would be another's, and with a mark made from
    the whole name where that is another's, too. `held` are prefixes given before, by document: each stays with its
    own, even when that one is gone.
    """
    held = held or {}
    names = set(documents)
    prefixes = {name: held[name] for name in names if name in held}
    steps = dict.fromkeys(names - prefixes.keys(), 0)
    if not steps:
        return prefixes
    taken = {lookup_key(prefix) for prefix in held.values()}
    while True:
        tried = {name: _prefix(name, step) for name, step in steps.items()}
        keys = {name: lookup_key(prefix) for name, prefix in tried.items()}
        counts = Counter(keys.values())
        # All that are alike go on, so that the short name never depends on who came first.
        alike = [name for name, key in keys.items() if counts[key] > 1 or key in taken]
        if not alike:
            return prefixes | tried
        for name in alike:
            steps[name] += 1


def parse_table_name(name: str) -> tuple[str, str, int] | None:
    """Take the name of a table in a document apart: prefix, part (`p3_t1`) and page; None for any other name."""
    match = _TABLE.fullmatch(name)
    return None if match is None else (match["prefix"], match["part"].lower(), int(match["page"]))


def _prefix(name: str, step: int) -> str:
    if step == 0:
        return sql_identifier(name.rpartition(".")[0] or name)
    if step == 1:
        return sql_identifier(name)
    # A file can be called like the mark of another; no two names get the same one at every step.
    mark = hashlib.sha256(f"{step}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:_MARK_CHARS]
    return f"{sql_identifier(name)}_{mark}"
