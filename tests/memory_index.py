"""A second implementation of the index's protocol, in memory: what a shared database would do, in the plainest way."""

from __future__ import annotations

import array
import hashlib
import math
import re
import time
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.index.spec import EmbeddingInput, Hit, IndexAnswer, IndexSize, KnownSource

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mcp_context_resources.index.spec import Chunk, Ending, IndexedSource, IndexQuery, Spans


@dataclass
class _Version:
    source: IndexedSource
    chunks: list[Chunk] = field(default_factory=list)
    complete: bool = False
    problem: str = ""
    note: str = ""


class MemoryIndex:
    """Versions of sources in a dictionary; words are compared by overlap, vectors by their inner product.

    `before` is called with the name of a method before it does anything: a test raises there, or waits.
    """

    version = "memory-1"

    def __init__(self) -> None:
        self.before: Callable[[str], object] = lambda _method: None
        self.claim_seconds = 60.0
        self.index_lag = 0
        self.problem = ""
        self.identity = "1"
        self.notes: tuple[str, ...] = ()
        self.calls: list[str] = []
        self.queries: list[IndexQuery] = []
        self._versions: dict[str, dict[str, _Version]] = {}
        self._vectors: dict[str, dict[str, bytes]] = defaultdict(dict)
        self._claimed: dict[tuple[str, str], float] = {}

    async def known(self) -> list[KnownSource]:
        self._begin("known")
        return [
            KnownSource(held.source, len(held.chunks), held.complete, held.problem, held.note)
            for held in self.versions()
        ]

    async def begin(self, source: IndexedSource) -> int:
        self._begin("begin")
        held = self._versions.setdefault(source.key, {}).setdefault(source.fingerprint, _Version(source))
        return len(held.chunks)

    async def put(
        self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None = None
    ) -> bool:
        self._begin("put")
        held = self.version_of(source)
        if held is None or held.complete or first != len(held.chunks):
            return False
        held.chunks += chunks
        if ending is not None:
            held.complete, held.problem, held.note = True, ending.problem, ending.note
            if ending.problem:
                held.chunks = []
            self._versions[source.key] = {source.fingerprint: held}
        return True

    async def drop(self, keys: Collection[str]) -> None:
        self._begin("drop")
        for key in keys:
            self._versions.pop(key, None)

    async def without_vector(self, model: str, most: int) -> list[EmbeddingInput]:
        self._begin("without_vector")
        now, found = time.monotonic(), dict[str, EmbeddingInput]()
        for held in self.versions():
            for chunk in held.chunks if held.complete else ():
                digest = _digest(chunk)
                if digest in self._vectors[model] or self._claimed.get((model, digest), 0.0) > now:
                    continue
                found[digest] = EmbeddingInput(digest, chunk.text)
                if len(found) == most:
                    break
        self._claimed.update(((model, digest), now + self.claim_seconds) for digest in list(found)[:most])
        return list(found.values())[:most]

    async def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        self._begin("put_vectors")
        size = len(vectors) // len(digests)
        if not all(map(math.isfinite, array.array("f", vectors))):
            raise InvalidInputError("These are no vectors.", "Check the embedding model.")
        for place, digest in enumerate(digests):
            self._vectors[model][digest] = vectors[place * size : (place + 1) * size]

    async def search(self, query: IndexQuery, *, deadline: float) -> IndexAnswer:  # noqa: ARG002 - it is quick
        self._begin("search")
        self.queries.append(query)
        terms = _words(query.text)
        allowed = None if query.sources is None else set(query.sources)
        pairs = [
            (held.source, chunk)
            for held in self.versions()
            if held.complete and (allowed is None or held.source.key in allowed)
            for chunk in held.chunks
            if not query.kinds or chunk.kind in query.kinds
        ]
        vectors = self._vectors[query.model] if query.vector else {}
        hits: list[Hit] = []
        total = 0
        for source, chunk in pairs:
            share = len(terms & _words(chunk.text)) / len(terms) if terms and query.mode != "vector" else 0.0
            near = _inner(query.vector, vectors.get(_digest(chunk))) if query.mode != "lexical" else 0.0
            total += share > 0
            if share > 0 or near > 0:
                hits.append(Hit(chunk, source, max(0.0, min(1.0, (share + near) / 2)), digest=_digest(chunk)))
        hits.sort(key=lambda hit: -hit.score)
        kept: list[Hit] = []
        counts: dict[str, int] = defaultdict(int)
        for hit in hits:
            counts[hit.source.key] += 1
            if counts[hit.source.key] <= query.per_source:
                kept.append(hit)
        have = sum(_digest(chunk) in vectors for _, chunk in pairs)
        hits = kept[: query.most]
        return IndexAnswer(
            tuple(hits),
            total,
            tuple(sorted(terms)),
            len(pairs),
            have,
            index_lag=self.index_lag,
            problem=self.problem,
            identity=self.identity,
        )

    async def mark(self, text: str, texts: Sequence[str]) -> Sequence[Spans]:
        self._begin("mark")
        words = _words(text)
        return [
            tuple(match.span() for match in re.finditer(r"\w+", one) if not words.isdisjoint(_words(match.group())))
            for one in texts
        ]

    async def size(self, model: str = "") -> IndexSize:
        self._begin("size")
        complete = [held for held in self.versions() if held.complete]
        digests = [_digest(chunk) for held in complete for chunk in held.chunks]
        have = sum(digest in self._vectors[model] for digest in digests)
        return IndexSize(len(complete), len(digests), have, sum(map(len, digests)), self.notes)

    async def release(self) -> None:
        self._begin("release")

    async def aclose(self) -> None:
        self._begin("aclose")

    def lose(self, identity: str = "2") -> None:
        """Lose everything, as when its files are removed and made again."""
        self._versions, self._vectors, self._claimed = {}, defaultdict(dict), {}
        self.identity = identity

    def texts(self, key: str) -> list[str]:
        """Return the chunks of a source, whatever version they are of."""
        return [chunk.text for held in self._versions.get(key, {}).values() for chunk in held.chunks]

    def versions(self) -> list[_Version]:
        return [held for versions in self._versions.values() for held in versions.values()]

    def version_of(self, source: IndexedSource) -> _Version | None:
        return self._versions.get(source.key, {}).get(source.fingerprint)

    def _begin(self, method: str) -> None:
        self.calls.append(method)
        self.before(method)


def _words(text: str) -> set[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return set(re.findall(r"[a-z0-9]+|[^\W\d_a-z]", folded))


def _digest(chunk: Chunk) -> str:
    return hashlib.sha256("\0".join((*chunk.heading, chunk.text)).encode()).hexdigest()[:16]


def _inner(one: bytes, other: bytes | None) -> float:
    if other is None:
        return 0.0
    if len(one) != len(other):
        raise InvalidInputError("The vectors differ in length.", "Make them with one model.")
    return sum(x * y for x, y in zip(array.array("f", one), array.array("f", other), strict=True))
