"""Feeds and an embedder that do what a test says, with the index's own data."""

from __future__ import annotations

import array
import math
from typing import TYPE_CHECKING

import anyio

from mcp_context_resources.errors import NotFoundError, SourceChangedError
from mcp_context_resources.index.feed import ChunkBatch
from mcp_context_resources.index.spec import Chunk, IndexedSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from mcp_context_resources.provenance import Kind


class ScriptedFeed:
    """Files in a dictionary, by name; each line of a text is a chunk.

    `before` is called with a name and the number of a line before it is handed over: a test raises there, or changes
    something. A name in `gates` is read no further than its event lets.
    """

    def __init__(self, kind: Kind = "document", **texts: str) -> None:
        self.kind: Kind = kind
        self.texts: dict[str, str] = {}
        self.modified: dict[str, int] = {}
        self.folders: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.reads: list[str] = []
        self.listed = 0
        self.failure: Exception | None = None
        self.notes: dict[str, str] = {}
        self.before: Callable[[str, int], object] = lambda _name, _line: None
        self.gates: dict[str, anyio.Event] = {}
        self.at_once = self.most_at_once = 0
        for name, text in texts.items():
            self.write(name, text)

    def write(self, name: str, text: str, *, modified: int = 1, folder: str = "", size: int = 0) -> None:
        """Write a file, or write over it."""
        self.texts[name] = text
        self.modified[name] = modified
        self.sizes[name] = size
        if folder:
            self.folders[name] = folder

    def key(self, name: str) -> str:
        return f"{self.kind}://{name}"

    def source(self, name: str) -> IndexedSource:
        folder = self.folders.get(name)
        file = f"{folder}/{name}" if folder else name
        fingerprint = f"{hash(self.texts[name]):x}"
        return IndexedSource(self.key(name), self.kind, name, file, fingerprint, self.modified[name], self.sizes[name])

    async def sources(self) -> list[IndexedSource]:
        self.listed += 1
        if self.failure is not None:
            raise self.failure
        return [self.source(name) for name in self.texts]

    async def chunks(self, source: IndexedSource, first: int) -> AsyncIterator[ChunkBatch]:
        name = source.name
        self.reads.append(name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            lines = self.texts.get(name, "").splitlines()
            for number in range(first, len(lines)):
                if number == first and name in self.gates:
                    await self.gates[name].wait()
                self.before(name, number)
                if name not in self.texts:
                    raise NotFoundError(f"{name} is gone.")
                if self.source(name).fingerprint != source.fingerprint:
                    raise SourceChangedError(f"{name} changed.")
                yield ChunkBatch(
                    (Chunk("text", lines[number], page=number + 1),), number + 1, len(lines), self.note(name)
                )
        finally:
            self.at_once -= 1

    def note(self, name: str) -> str:
        return self.notes.get(name, "")


class CheckedFeed(ScriptedFeed):
    """A feed that can check a few sources without listing all."""

    async def unchanged(self, sources: Sequence[IndexedSource]) -> list[IndexedSource]:
        return [source for source in sources if source.name in self.texts and self.source(source.name) == source]


class ScriptedEmbedder:
    """Vectors of two things a text may speak of: animals and weather, whatever the language.

    Passages and questions wait at their gates, where there are any.
    """

    def __init__(self, name: str = "two-things", size: int = 2) -> None:
        self.name = name
        self.size = size
        self.batches: list[int] = []
        self.queries: list[str] = []
        self.before: Callable[[Sequence[str]], object] = lambda _texts: None
        self.passages_gate: anyio.Event | None = None
        self.query_gate: anyio.Event | None = None
        self.waiting: list[str] = []
        self.scores: Callable[[str], float] | None = None

    async def model(self) -> str:
        return self.name

    async def passages(self, texts: Sequence[str]) -> bytes:
        self.before(texts)
        await self._wait("passages", self.passages_gate)
        self.batches.append(len(texts))
        return b"".join(map(self._vector, texts))

    async def query(self, text: str) -> bytes:
        self.before([text])
        await self._wait("query", self.query_gate)
        self.queries.append(text)
        return self._vector(text)

    async def rerank(self, _query: str, texts: Sequence[str]) -> list[float] | None:
        return None if self.scores is None else [self.scores(text) for text in texts]

    async def _wait(self, who: str, gate: anyio.Event | None) -> None:
        await anyio.lowlevel.checkpoint()
        if gate is not None:
            self.waiting.append(who)
            await gate.wait()

    def _vector(self, text: str) -> bytes:
        animals = sum(word in text for word in ("cat", "dog", "猫", "犬"))
        weather = sum(word in text for word in ("rain", "sun", "雨"))
        values = [float(animals), float(weather), *([0.0] * (self.size - 2))]
        length = math.hypot(*values) or 1.0
        return array.array("f", [value / length for value in values]).tobytes()
