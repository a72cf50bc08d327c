"""The URIs that clients want to hear of, found again by what they are about."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from mcp_server.subscriptions.uris import keys_of_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mcp_server.subscriptions.uris import Key


class Register:
    """Counts who wants to hear of a URI; each is kept as the client wrote it, for so it knows it again."""

    def __init__(self) -> None:
        self._wanted: Counter[str] = Counter()
        self._meant: dict[str, str] = {}
        self._by_key: defaultdict[Key, dict[str, None]] = defaultdict(dict)

    def add(self, uris: Mapping[str, str]) -> None:
        """Note URIs as written, each with what is meant by it (itself, if it holds no placeholder)."""
        for uri, meant in uris.items():
            self._wanted[uri] += 1
            if self._wanted[uri] == 1:
                self._meant[uri] = meant
                for key in keys_of_uri(meant):
                    self._by_key[key][uri] = None

    def remove(self, uris: Iterable[str]) -> None:
        """Forget URIs that were noted, once each."""
        for uri in uris:
            self._wanted[uri] -= 1
            if not self._wanted[uri]:
                del self._wanted[uri]
                for key in keys_of_uri(self._meant.pop(uri)):
                    self._by_key[key].pop(uri, None)
                    if not self._by_key[key]:
                        del self._by_key[key]

    def about(self, keys: Iterable[Key]) -> list[str]:
        """Return the URIs, as written, that are about any of these; each once, in the order of the keys."""
        return list(dict.fromkeys(uri for key in keys for uri in self._by_key.get(key, ())))

    def __len__(self) -> int:
        return len(self._wanted)
