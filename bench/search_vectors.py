"""Vectors kept from run to run: embedding is by far the dearest part of a search bench, and never differs."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING, Final

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.index.feed import Embedder

_FILE: Final = "search-vectors-1.sqlite"


class KeptVectors:
    """An `Embedder` that asks another one only for what it was never asked before, on this machine.

    `made` counts the texts that were embedded by the other one.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.made = 0
        folder = platformdirs.user_cache_path("fresh-context-bench")
        folder.mkdir(parents=True, exist_ok=True)
        self._kept = sqlite3.connect(folder / _FILE, timeout=60)
        self._kept.execute("PRAGMA journal_mode = WAL")
        self._kept.execute("CREATE TABLE IF NOT EXISTS vectors (digest BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")

    async def model(self) -> str:
        """Identify the model."""
        return await self._embedder.model()

    async def passages(self, texts: Sequence[str]) -> bytes:
        """Make or recall a vector of each passage."""
        kind = f"{await self.model()}\0passage\0"
        digests = [_digest(kind + text) for text in texts]
        vectors = [self._vector(digest) for digest in digests]
        missing = [place for place, vector in enumerate(vectors) if vector is None]
        if missing:
            made = await self._embedder.passages([texts[place] for place in missing])
            size = len(made) // len(missing)
            for number, place in enumerate(missing):
                vectors[place] = made[number * size : (number + 1) * size]
            self._keep([(digests[place], vectors[place] or b"") for place in missing])
        return b"".join(vector or b"" for vector in vectors)

    async def query(self, text: str) -> bytes:
        """Make or recall a vector of a query."""
        digest = _digest(f"{await self.model()}\0query\0{text}")
        vector = self._vector(digest)
        if vector is None:
            vector = await self._embedder.query(text)
            self._keep([(digest, vector)])
        return vector

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float] | None:
        """Hand on to the other one."""
        return await self._embedder.rerank(query, texts)

    def close(self) -> None:
        """Close the file."""
        self._kept.close()

    def _vector(self, digest: bytes) -> bytes | None:
        row = self._kept.execute("SELECT vector FROM vectors WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else bytes(row[0])

    def _keep(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        self.made += len(pairs)
        with self._kept:
            self._kept.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", pairs)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
