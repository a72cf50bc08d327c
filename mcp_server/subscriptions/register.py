"""The URIs that clients want to hear of, found again by what they are about."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from mcp_server.subscriptions.uris import keys_of_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mcp_server.subscriptions.uris import Key


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
