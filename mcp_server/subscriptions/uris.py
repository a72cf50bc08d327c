"""URIs that clients want to hear of: which sources each is about, and found again by what changed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from mcp_context_resources.documents.table_names import parse_table_name
from mcp_context_resources.workspace.names import lookup_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mcp_context_resources.workspace.source import Source

Key = tuple[str, str]
"""A kind and a name, in the form in which names are compared: NFC, no case, nothing percent-encoded."""

_KINDS: Final = ("table", "document", "model")
_VIEW: Final = re.compile(r"(?:/schema|/page/[^/]+(?:/image)?)\Z", re.DOTALL)
_TABLES_OF: Final = "tables of"


def keys_of_uri(uri: str) -> frozenset[Key]:
    """Return the keys of all that a URI may be about; none for one that names no source.

    `document://a.pdf/page/3` is about `a.pdf`, whatever is written of it behind the name, and about a file of that
    whole name. A table of a document is about that, too.
    """
    kind, mark, rest = uri.partition("://")
    kind = kind.lower()
    if not mark or kind not in _KINDS:
        return frozenset()
    written = {rest, rest.partition("#")[0], rest.partition("?")[0]}
    written |= {_VIEW.sub("", one) for one in written}
    names = {name for one in written for name in (one, unquote(one)) if name}
    keys: set[Key] = {(kind, lookup_key(name)) for name in names}
    if kind == "table":
        made = (parse_table_name(name) for name in names)
        keys |= {(_TABLES_OF, lookup_key(parsed[0])) for parsed in made if parsed is not None}
    return frozenset(keys)


def keys_of_source(source: Source, prefixes: Mapping[str, str]) -> frozenset[Key]:
    """Return the keys of all URIs that are about a source; `prefixes` begin the names of documents' tables."""
    keys: set[Key] = {(source.kind, lookup_key(source.name)), (source.kind, lookup_key(source.file))}
    if source.kind == "model":
        keys.add((source.kind, lookup_key(source.name.removesuffix(".gguf"))))
    if source.kind == "document" and source.name in prefixes:
        keys.add((_TABLES_OF, lookup_key(prefixes[source.name])))
    return frozenset(keys)


class Register:
    """Counts who wants to hear of a URI; each is kept as the client wrote it, for so it knows it again.

    What two clients write alike need not mean the same: one may have asked before there was such a file.
    """

    def __init__(self) -> None:
        self._wanted: Counter[tuple[str, str]] = Counter()
        self._by_key: defaultdict[Key, dict[tuple[str, str], None]] = defaultdict(dict)

    def add(self, uris: Mapping[str, str]) -> None:
        """Note URIs as written, each with what is meant by it."""
        for pair in uris.items():
            self._wanted[pair] += 1
            for key in keys_of_uri(pair[1]):
                self._by_key[key][pair] = None

    def remove(self, uris: Mapping[str, str]) -> None:
        """Forget URIs that were noted, once each."""
        for pair in uris.items():
            self._wanted[pair] -= 1
            if not self._wanted[pair]:
                del self._wanted[pair]
                for key in keys_of_uri(pair[1]):
                    self._by_key[key].pop(pair, None)
                    if not self._by_key[key]:
                        del self._by_key[key]

    def about(self, keys: Iterable[Key]) -> list[str]:
        """Return the URIs, as written, that are about any of these; each once, in the order of the keys."""
        return list(dict.fromkeys(uri for key in keys for uri, _ in self._by_key.get(key, ())))

    def __len__(self) -> int:
        return len(self._wanted)
