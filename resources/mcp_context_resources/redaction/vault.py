"""The vault: which placeholder stands for which value. Kept in memory only, and bounded."""

from __future__ import annotations

import re
import threading
from typing import Final

from mcp_context_resources.redaction.finding import KINDS, LITERAL

_MOST_CHARS: Final = 50_000_000
_LABELS: Final = {kind: kind.upper() for kind in (LITERAL, *KINDS)}
_ANY_LABEL: Final = "|".join(_LABELS.values())

PLACEHOLDER: Final = re.compile(
    rf"(?:<|%3C|&lt;)(?P<name>(?:{_ANY_LABEL})_[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?)(?:>|%3E|&gt;)", re.IGNORECASE
)
"""A numbered placeholder, also as it comes back from a URI or from HTML."""


class Vault:
    """Numbers values from 1 up for each kind, for as long as it lives.

    Every way to write a value has its own placeholder, so that each can be turned back exactly: the first is
    `<EMAIL_1>`, a second way to write the same value `<EMAIL_1.2>`. Beyond `max_values` it gives `<EMAIL>`.
    """

    def __init__(self, max_values: int) -> None:
        self._max_values = max_values
        self._chars = 0
        self._numbers: dict[tuple[str, str], int] = {}
        self._counts: dict[str, int] = {}
        self._ways: dict[tuple[str, int], int] = {}
        self._placeholders: dict[tuple[str, str], str] = {}
        self._values: dict[str, tuple[str, str]] = {}
        self._kinds: dict[str, str] = {}
        self._lock = threading.Lock()

    def placeholder(self, kind: str, normal: str, written: str) -> str:
        """Return the placeholder of a value of which `normal` is the meaning and `written` the spelling."""
        with self._lock:
            known = self._placeholders.get((kind, written))
            if known is not None:
                return known
            label = _LABELS[kind]
            cost = len(normal) + 2 * len(written)
            if len(self._values) >= self._max_values or self._chars + cost > _MOST_CHARS:
                return f"<{label}>"
            self._chars += cost
            number = self._numbers.get((kind, normal))
            if number is None:
                number = self._numbers[kind, normal] = self._counts[kind] = self._counts.get(kind, 0) + 1
            way = self._ways[kind, number] = self._ways.get((kind, number), 0) + 1
            name = f"{label}_{number}" if way == 1 else f"{label}_{number}.{way}"
            self._values[name] = kind, written
            self._kinds.setdefault(written, kind)
            self._placeholders[kind, written] = f"<{name}>"
            return f"<{name}>"

    def kind_of(self, written: str) -> str | None:
        """Return the kind of a value that has a placeholder, None if it has none."""
        return self._kinds.get(written)

    def value(self, name: str) -> tuple[str, str] | None:
        """Return kind and spelling of what a name such as `EMAIL_1` stands for, None if unknown."""
        return self._values.get(name.upper())
