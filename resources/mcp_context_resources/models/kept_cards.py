"""Kept cards: what was read of model files, kept until they change, in memory and in the cache."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import StorageError
from mcp_context_resources.models.card_reading import read_cards
from mcp_context_resources.models.model_card import ModelCard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.cache import Cache
    from mcp_context_resources.models.model_card import UnreadableModel
    from mcp_context_resources.workspace.source import Source

_VERSION: Final = 1
"""To be raised with every change of what is read of a file."""

_MAX_CARDS: Final = 2_000
_AT_ONCE: Final = 64


class KeptCards:
    """The cards of model files, each read once for a version of its file. Any thread may call it.

    In the `cache` they outlive the server; what can't be read is kept in memory only.
    """

    def __init__(self, cache: Cache | None) -> None:
        self._cache = cache
        self._cards: dict[str, ModelCard | UnreadableModel] = {}
        self._reading = threading.Lock()

    def of(self, files: Sequence[Source]) -> list[ModelCard | UnreadableModel]:
        """Return what each model file is, or why it can't be read; blocking where one wasn't read before."""
        known: dict[str, ModelCard | UnreadableModel] = {}
        unread: dict[str, Source] = {}
        with self._reading:  # who comes later finds what the first one has read
            for file in files:
                if (card := self._known(file)) is None:
                    unread[file.fingerprint] = file
                else:
                    known[file.fingerprint] = card
            left = list(unread.values())
            for start in range(0, len(left), _AT_ONCE):
                batch = left[start : start + _AT_ONCE]
                read = read_cards([(file.path, file.name) for file in batch])
                for file, found in zip(batch, read, strict=True):
                    known[file.fingerprint] = found
                    self._keep(file, found)
        return [known[file.fingerprint] for file in files]

    def _known(self, file: Source) -> ModelCard | UnreadableModel | None:
        card = self._cards.get(file.fingerprint)
        if card is None and self._cache is not None and (card := self._cached(file, self._cache)) is not None:
            self._remember(file, card)
        return card

    def _keep(self, file: Source, card: ModelCard | UnreadableModel) -> None:
        self._remember(file, card)
        if self._cache is None or not isinstance(card, ModelCard):
            return
        try:
            with self._cache.create(_file_name(file)) as target:
                target.write(json.dumps(asdict(card)).encode())
        except (StorageError, OSError):  # a full disk must not cost the card that was just read
            return

    def _remember(self, file: Source, card: ModelCard | UnreadableModel) -> None:
        if len(self._cards) >= _MAX_CARDS:
            self._cards = {}
        self._cards[file.fingerprint] = card

    def _cached(self, file: Source, cache: Cache) -> ModelCard | None:
        path = cache.get(_file_name(file))
        if path is None:
            return None
        try:
            told: dict[str, Any] = json.loads(path.read_bytes())
            values: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in told.items()
            }
            return ModelCard(**values)
        except (OSError, ValueError, TypeError, AttributeError):
            return None


def _file_name(file: Source) -> str:
    made_of = f"{file.fingerprint}\0{file.name}\0{_VERSION}"
    return f"{hashlib.sha256(made_of.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"
