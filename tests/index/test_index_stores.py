"""Two engines of the index under one ranking: the one on this machine, and one in memory."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from mcp_context_resources.documents.service import Documents
from mcp_context_resources.index.service import SearchIndex, SearchRequest
from mcp_context_resources.index.settings import IndexSettings
from mcp_context_resources.index.spec import IndexQuery
from mcp_context_resources.index.worker_index import WorkerIndex
from mcp_context_resources.tables.local_engine import LocalEngine
from mcp_context_resources.tables.service import Tables
from mcp_context_tools.index_feeds.documents import DocumentFeed
from mcp_context_tools.index_feeds.tables import TableFeed
from mcp_server.services import make_workspace
from tests.support.memory_index import MemoryIndex
from tests.support.serving import EXAMPLE_DATA, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from mcp_context_resources.index.request import SearchResults
    from mcp_context_resources.index.spec import Hit

pytestmark = pytest.mark.anyio

DIMENSION = 48
QUESTIONS = [
    "refund of a lost ticket",
    "運賃の払い戻し",
    "stations with a lift",
    "What does a day pass cost?",
    "budget of the year",
]


class WordVectors:
    """An embedder whose vectors are sums of random ones, one for each word."""

    async def model(self) -> str:
        return "sums of words"

    async def passages(self, texts: Sequence[str]) -> bytes:
        return b"".join(map(_vector, texts))

    async def query(self, text: str) -> bytes:
        return _vector(text)

    async def rerank(self, _query: str, _texts: Sequence[str]) -> list[float] | None:
        return None


def _vector(text: str) -> bytes:
    words = text.casefold().split() or [""]
    total = sum(np.random.default_rng(zlib.crc32(word.encode())).standard_normal(DIMENSION) for word in words)
    vector = np.asarray(total, "<f4")
    return bytes((vector / np.linalg.norm(vector)).astype("<f4").tobytes())


class Engines(NamedTuple):
    """The same files searched through both engines."""

    local: SearchIndex
    memory: SearchIndex

    async def search(self, text: str, **request: Any) -> tuple[SearchResults, SearchResults]:
        asked = SearchRequest(text, most=request.pop("most", 1_000), per_source=1_000, marked=1_000, **request)
        return await self.local.search(asked), await self.memory.search(asked)


@pytest.fixture(scope="module")
async def engines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engines]:
    """Build both over the example data."""
    cache = tmp_path_factory.mktemp("cache")
    settings = settings_for(EXAMPLE_DATA, cache=cache)
    workspace = make_workspace(settings)
    documents = Documents(workspace, settings.documents, cache, 1 << 30)
    engine = LocalEngine(workspace, settings.tables, cache, 1 << 30)
    tables = Tables(engine, workspace, settings.tables, cache, 1 << 30, documents.sql_tables)
    indexed = IndexSettings(max_rows=200)
    feeds = (DocumentFeed(documents, workspace, indexed), TableFeed(tables, indexed))
    stores = WorkerIndex(cache / "index", indexed), MemoryIndex()
    local, memory = (SearchIndex(store, feeds, WordVectors(), indexed) for store in stores)
    try:
        for search in (local, memory):
            await search.build()
        await stores[0].settled()
        yield Engines(local, memory)
    finally:
        for opened in (local, memory, tables, documents):
            await opened.aclose()


def places(hits: Sequence[Hit]) -> dict[object, Hit]:
    return {(hit.source.key, hit.chunk.kind, hit.chunk.page, hit.chunk.row, hit.chunk.start): hit for hit in hits}


def assert_same_hits(local: SearchResults, memory: SearchResults, *, tolerance: float) -> None:
    """Compare what was found, where its words stand, and the scores but for how an engine rounds them."""
    ours, theirs = places(local.answer.hits), places(memory.answer.hits)
    assert ours.keys() == theirs.keys()
    for place, hit in ours.items():
        assert hit.chunk == theirs[place].chunk
        assert hit.source == theirs[place].source
        assert hit.matched == theirs[place].matched
        assert math.isclose(hit.score, theirs[place].score, abs_tol=tolerance)
    assert (local.answer.total, local.answer.terms) == (memory.answer.total, memory.answer.terms)
    assert (local.answer.chunks, local.answer.vectors) == (memory.answer.chunks, memory.answer.vectors)
    assert local.mode == memory.mode


@pytest.mark.slow
async def test_both_engines_hold_the_same_chunks_and_vectors(engines: Engines) -> None:
    ours, theirs = await engines.local.state(), await engines.memory.state()
    assert ours.chunks == theirs.chunks > 100
    assert ours.vectors_ready == theirs.vectors_ready == ours.chunks
    assert ours.sources_ready == theirs.sources_ready == ours.sources_total


@pytest.mark.parametrize("text", [*QUESTIONS, "ISO 9001", "運行案内", "the", "zzz", "2026-04-01"])
async def test_words_find_the_same_chunks_through_both_engines(engines: Engines, text: str) -> None:
    local, memory = await engines.search(text, mode="lexical")
    assert bool(local.answer.hits) == (text not in ("zzz", "ISO 9001"))
    assert_same_hits(local, memory, tolerance=0.05)


@pytest.mark.parametrize(
    "text", ['"lost property"', "「運行時間」", 'ticket -"day pass"', "fare -refund", '"property lost"']
)
async def test_phrases_and_unwanted_words_hold_in_both_engines(engines: Engines, text: str) -> None:
    for mode in ("lexical", "hybrid"):
        local, memory = await engines.search(text, mode=mode)
        assert_same_hits(local, memory, tolerance=0.05)
        assert bool(local.answer.hits) == (text != '"property lost"')


@pytest.mark.slow
@pytest.mark.parametrize(
    "narrow",
    [{"kind": "table"}, {"kind": "document"}, {"names": ("found",)}, {"pattern": "*.md"}, {"folder": "guides"}],
)
async def test_filters_keep_both_engines_to_the_same_sources(engines: Engines, narrow: dict[str, Any]) -> None:
    if narrow.get("names"):
        some = (await engines.search("fare", mode="lexical"))[0].answer.hits[0].source.name
        narrow = {"names": (some,)}
    for mode in ("lexical", "vector", "hybrid"):
        local, memory = await engines.search("fare of a ticket", mode=mode, **narrow)
        assert local.answer.hits
        assert_same_hits(local, memory, tolerance=0.05)
    everything = (await engines.search("fare of a ticket", mode="lexical"))[0]
    assert local.searched < everything.searched


@pytest.mark.parametrize("text", QUESTIONS)
async def test_vectors_order_the_same_chunks_through_both_engines(engines: Engines, text: str) -> None:
    local, memory = await engines.search(text, mode="vector", most=20)
    assert local.answer.exact
    ours, theirs = places(local.answer.hits), places(memory.answer.hits)
    assert len(ours.keys() & theirs.keys()) >= 19, "but for the last, which may be as near as the next"
    for one, other in zip(local.answer.hits, memory.answer.hits, strict=True):
        assert math.isclose(one.score, other.score, abs_tol=0.01)
    assert local.answer.hits[0].chunk == memory.answer.hits[0].chunk


@pytest.mark.parametrize("text", QUESTIONS)
async def test_both_rankings_are_fused_alike_over_both_engines(engines: Engines, text: str) -> None:
    local, memory = await engines.search(text, most=50)
    assert local.mode == "hybrid"
    ours, theirs = places(local.answer.hits), places(memory.answer.hits)
    assert len(ours.keys() & theirs.keys()) >= 45
    shared = ours.keys() & theirs.keys()
    assert all(math.isclose(ours[one].score, theirs[one].score, abs_tol=0.05) for one in shared)
    assert local.answer.hits[0].chunk == memory.answer.hits[0].chunk


@pytest.mark.slow
async def test_a_store_is_opened_by_the_name_of_what_makes_it(tmp_path: Path) -> None:
    index = WorkerIndex(tmp_path, IndexSettings(), engine="tests.support.memory_index:open_store")
    try:
        answer = await index.search(IndexQuery("fare"), deadline=60)
        size = await index.size()
    finally:
        await index.aclose()
    assert (answer.hits, answer.identity) == ((), "1")
    assert size.notes == (str(tmp_path),)
