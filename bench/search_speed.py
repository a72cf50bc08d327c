"""How long a query takes and how much memory the index has, from a thousand passages to a million."""

from __future__ import annotations

import re
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

import psutil

from bench.measure import BenchError, Row
from bench.search_scores import aligned, quantile
from mcp_context_resources.index.settings import IndexSettings
from mcp_context_resources.index.spec import Chunk, Ending, IndexedSource, IndexQuery
from mcp_context_resources.index.worker_index import WorkerIndex

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bench.measure import Options
    from bench.search_sets import SearchSet
    from mcp_context_resources.index.spec import SearchMode

_SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
_QUICK_SIZES: Final = (1_000, 10_000)
_PER_SOURCE: Final = 100
_QUERIES: Final = 100
_WARM_UPS: Final = 5
_DIMENSIONS: Final = 384
_MODEL: Final = "made by lot"
_TOPICS: Final = 2_000
_DEADLINE: Final = 60.0
_MODES: Final[tuple[SearchMode, ...]] = ("lexical", "vector", "hybrid")
_RIVAL: Final = "FTS5 trigram"
_RIVAL_TO: Final = 100_000
_LIMITS: Final = {1_000: 0.05, 10_000: 0.05, 100_000: 0.1, 1_000_000: 0.5}
_MEMORY_LIMITS: Final = {1_000: 500e6, 10_000: 500e6, 100_000: 800e6, 1_000_000: 2e9}
_NEAREST: Final = 10
_MISSED_LIMIT: Final = 5.0
_SENTENCES: Final = re.compile(r"[^.。\n]{12,200}[.。\n]")
_SEED: Final = 7


@dataclass(slots=True)
class _Measured:
    """What was measured at one size.

    Seconds of each query by mode, bytes of memory, seconds to put in a thousand and, after the last vector, until all
    files are written; of the nearest passages, where not every vector is compared, what percentage is missed.
    """

    size: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    memory: int = 0
    on_disk: int = 0
    put: float = 0.0
    settled: float = 0.0
    exact: bool = True
    missed: float = 0.0


class Material:
    """Passages and questions of what people wrote in both languages, drawn by lot; vectors round common topics."""

    def __init__(self, sets: Sequence[SearchSet]) -> None:
        import numpy as np

        texts = {
            language: sorted(
                {
                    match.group().strip()
                    for one in sets
                    if one.language == language
                    for text in one.documents.values()
                    for match in _SENTENCES.finditer(text)
                }
            )
            for language in ("en", "ja")
        }
        self._sentences = texts
        self._lot = Random(_SEED)
        self._numbers = np.random.default_rng(_SEED)
        self._topics = self._numbers.standard_normal((_TOPICS, _DIMENSIONS), dtype="float32")
        asked = [query.text for one in sets for query in one.asked_in(one.language)]
        self.questions = Random(_SEED).sample(asked, min(_QUERIES, len(asked)))

    def passages(self, count: int) -> list[str]:
        """Return passages of a few sentences, half of them Japanese."""
        return [
            " ".join(self._lot.choices(self._sentences[language], k=4 if language == "en" else 8))
            for language in (self._lot.choice(("en", "ja")) for _ in range(count))
        ]

    def vectors(self, count: int) -> NDArray[np.float32]:
        """Return vectors of length 1, as many to a row, gathered round topics as those of texts are."""
        import numpy as np

        chosen = self._numbers.integers(0, _TOPICS, count)
        made = self._topics[chosen] + 0.7 * self._numbers.standard_normal((count, _DIMENSIONS), dtype="float32")
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype="<f4")


async def speed(material: Material, scratch: Path, options: Options) -> tuple[list[Row], list[str]]:
    """Put in more and more passages and ask the same questions at each size."""
    index = WorkerIndex(scratch / "speed", IndexSettings())
    measured: list[_Measured] = []
    theirs: dict[int, list[float]] = {}
    try:
        with closing(_fts5(scratch / "fts5.sqlite")) as rival:
            for size in _QUICK_SIZES if options.quick else _SIZES:
                print(f"search: {size:,} passages ...", file=sys.stderr, flush=True)
                before = measured[-1].size if measured else 0
                measured.append(await _measure(index, scratch / "speed", material, before, size, rival))
                if size <= _RIVAL_TO:
                    theirs[size] = [_asked(rival, question) for question in material.questions]
    finally:
        await index.aclose()
    return _rows(measured, theirs), _notes(measured, theirs)


async def _measure(
    index: WorkerIndex, folder: Path, material: Material, before: int, size: int, rival: sqlite3.Connection
) -> _Measured:
    found = _Measured(size)
    seconds = 0.0
    for first in range(before, size, _PER_SOURCE):
        texts = material.passages(min(_PER_SOURCE, size - first))
        source = IndexedSource(f"document://{first}", "document", f"text {first}", f"{first}.md", "1", first)
        started = time.perf_counter()
        await index.begin(source)
        await index.put(source, 0, [Chunk("text", text, 1, 0, len(text)) for text in texts], Ending())
        seconds += time.perf_counter() - started
        if size <= _RIVAL_TO:
            rival.executemany("INSERT INTO texts(text) VALUES (?)", ((text,) for text in texts))
    rival.commit()
    started = time.perf_counter()
    await index.search(IndexQuery(material.questions[0], mode="lexical"), deadline=10 * _DEADLINE)
    seconds += time.perf_counter() - started
    found.put = seconds / (size - before) * 1000
    while passages := await index.without_vector(_MODEL, 2_000):
        vectors = material.vectors(len(passages)).tobytes()
        await index.put_vectors(_MODEL, [passage.digest for passage in passages], vectors)
    started = time.perf_counter()
    await index.settled()
    found.settled = time.perf_counter() - started
    asked = material.vectors(len(material.questions))
    for mode in _MODES:
        queries = [
            IndexQuery(
                question,
                most=_NEAREST,
                per_source=3,
                vector=b"" if mode == "lexical" else vector.tobytes(),
                model="" if mode == "lexical" else _MODEL,
                mode=mode,
            )
            for question, vector in zip(material.questions, asked, strict=True)
        ]
        for query in queries[:_WARM_UPS]:
            await index.search(query, deadline=10 * _DEADLINE)
        times = found.seconds[mode] = []
        for query in queries:
            started = time.perf_counter()
            answer = await index.search(query, deadline=_DEADLINE)
            times.append(time.perf_counter() - started)
            found.exact = answer.exact
    found.memory = _memory()
    found.on_disk = (await index.size(_MODEL)).bytes
    if not found.exact:
        found.missed = await _missed(index, folder, asked)
    return found


def _memory() -> int:
    """Add up the memory of the index's processes; what several of them map counts once (PSS), where that is told."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        told = process.memory_full_info()
        total += getattr(told, "pss", told.rss)
    return total


async def _missed(index: WorkerIndex, folder: Path, asked: NDArray[np.float32]) -> float:
    """Return what percentage of the nearest passages is not found that are when every vector is compared."""
    queries = [
        IndexQuery("", most=_NEAREST, per_source=_NEAREST, vector=vector.tobytes(), model=_MODEL, mode="vector")
        for vector in asked
    ]
    thorough = WorkerIndex(folder, IndexSettings(exact_vectors=1_000_000_000))
    lacking = wanted = 0
    try:
        for query in queries:
            nearest = await thorough.search(query, deadline=_DEADLINE)
            found = await index.search(query, deadline=_DEADLINE)
            if not nearest.exact or found.exact:
                raise BenchError("What compares all vectors and what doesn't can't be told apart.")
            digests = {hit.digest for hit in nearest.hits}
            wanted += len(digests)
            lacking += len(digests - {hit.digest for hit in found.hits})
    finally:
        await thorough.aclose()
    return 100 * lacking / wanted


def _fts5(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file)
    connection.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = 'trigram')")
    return connection


def _asked(rival: sqlite3.Connection, question: str) -> float:
    words = (word for word in re.findall(r"\w+", question) if len(word) > 2)
    terms = dict.fromkeys(word[at : at + 3] for word in words for at in range(len(word) - 2))
    sql = "SELECT text FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT 10"
    started = time.perf_counter()
    rival.execute(sql, (" OR ".join(f'"{term}"' for term in terms) or '""',)).fetchall()
    return time.perf_counter() - started


def _rows(measured: Sequence[_Measured], theirs: dict[int, list[float]]) -> list[Row]:
    rows = []
    for found in measured:
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            ours = quantile(found.seconds["lexical"], share)
            figure = f"lexical query {name}, {found.size:,} passages"
            if found.size in theirs:
                # The rival runs in this process: with few passages the way to ours and back is most of its time.
                aim = 1.0 if found.size >= _RIVAL_TO else None
                rows.append(Row(figure, "s", (ours,), _RIVAL, (quantile(theirs[found.size], share),), aim))
            else:
                rows.append(Row(figure, "s", (ours,), "limit", (_LIMITS[found.size],), 1.0))
        limit = _LIMITS[found.size]
        p95 = quantile(found.seconds["hybrid"], 0.95)
        rows.append(Row(f"hybrid query p95, {found.size:,} passages", "s", (p95,), "limit", (limit,), 1.0))
        memory = float(found.memory)
        figure = f"memory of the index's processes, {found.size:,} passages"
        rows.append(Row(figure, "B", (memory,), "limit", (_MEMORY_LIMITS[found.size],), 1.0))
        if not found.exact:
            figure = f"nearest {_NEAREST} missed, {found.size:,} passages"
            rows.append(Row(figure, "%", (found.missed,), "limit", (_MISSED_LIMIT,), 1.0))
    put = measured[-1]
    rows.append(Row(f"put in 1,000 passages, to {put.size:,}", "s", (put.put,), "limit", (2.0,), 1.0))
    return rows


def _notes(measured: Sequence[_Measured], theirs: dict[int, list[float]]) -> list[str]:
    lines = [
        (
            "passages",
            *(f"{mode} p50/p95 ms" for mode in _MODES),
            f"{_RIVAL} ms",
            "memory MB",
            "disk MB",
            "put/s",
            "settled s",
            "",
        )
    ]
    for found in measured:
        cells = [_pair(found.seconds[mode]) for mode in _MODES]
        cells.append(_pair(theirs[found.size]) if found.size in theirs else "-")
        cells += [f"{found.memory / 1e6:.0f}", f"{found.on_disk / 1e6:.0f}", f"{1000 / found.put:,.0f}"]
        cells.append(f"{found.settled:,.0f}")
        lines.append((f"{found.size:,}", *cells, _recall(found)))
    return [
        *aligned(lines),
        f"Passages of a few sentences out of the sets, half Japanese; vectors of {_DIMENSIONS} numbers, made by lot",
        f"round {_TOPICS:,} topics; {_QUERIES} titles as questions, embedding not counted. Put: to an answer by words.",
        "Memory: of all the index's processes, what they share once. Recall: of the nearest 10 when all are compared.",
        "Settled: from the last vector until all is written that makes queries quick; it is searched meanwhile, too.",
    ]


def _recall(found: _Measured) -> str:
    return "every vector compared" if found.exact else f"by a graph, recall@{_NEAREST} {1 - found.missed / 100:.3f}"


def _pair(seconds: Sequence[float]) -> str:
    return f"{quantile(seconds, 0.5) * 1000:.1f}/{quantile(seconds, 0.95) * 1000:.1f}"
