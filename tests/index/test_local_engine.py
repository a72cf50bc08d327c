"""The index on this machine: what it finds, what it survives, and several servers over the same files."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import signal
import sqlite3
import sys
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, get_args

import anyio
import numpy as np
import psutil
import pytest
import tantivy

from mcp_context_resources.errors import ContextError, InvalidInputError, StorageError
from mcp_context_resources.index import worker_index
from mcp_context_resources.index.analysis.terms import version
from mcp_context_resources.index.local_engine import vector_file_sync, vector_files
from mcp_context_resources.index.local_engine.database import Database
from mcp_context_resources.index.local_engine.lexical_index import BrokenCacheError, LexicalIndex
from mcp_context_resources.index.local_engine.store import LocalStore
from mcp_context_resources.index.ranking.fusion import fuse
from mcp_context_resources.index.ranking.search import search
from mcp_context_resources.index.settings import IndexSettings
from mcp_context_resources.index.spec import (
    Chunk,
    Ending,
    IndexedSource,
    IndexQuery,
    Metric,
    compared_by,
    metric_of,
)
from mcp_context_resources.index.worker_index import WorkerIndex
from mcp_context_resources.workers.job import Job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from mcp_context_resources.index.local_engine.vector_tables import VectorSpace
    from mcp_context_resources.index.spec import EmbeddingInput, Hit, IndexAnswer

pytestmark = pytest.mark.anyio

MODEL = "test-model"
DIMENSION = 16
LINES = [
    "Lost property is kept for 30 days, counted from the day it was found.",
    "返金の申請は三十日以内に行ってください。",
    "The plant is certified according to ISO-9001 since 1998.",
    "Iso and 9001 are mentioned here, far apart: nine thousand and one.",
    "サーバーの設定を変更する方法",
    "Error E_404 means that foo.bar() found nothing at src/app/main.py.",
    "The café on platform 2 sells 1,234 sandwiches a day.",
    "ﾃﾞｰﾀﾍﾞｰｽの暗号化について",
    "東京都庁で会議の資料を配布した。",
]


def source(name: str = "a.pdf", fingerprint: str = "1") -> IndexedSource:
    return IndexedSource(f"document://{name}", "document", name, name, fingerprint, 1, 10)


def chunks(texts: Sequence[str], kind: Any = "text") -> list[Chunk]:
    return [Chunk(kind, text, page=1, start=0, end=len(text)) for text in texts]


def vectors(count: int, seed: int = 1, dimension: int = DIMENSION) -> np.ndarray[Any, np.dtype[np.float32]]:
    matrix = np.random.default_rng(seed).standard_normal((count, dimension)).astype("<f4")
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)  # type: ignore[no-any-return]


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[WorkerIndex]:
    index = WorkerIndex(folder, IndexSettings(**settings))
    try:
        yield index
    finally:
        await index.aclose()


async def fill(index: WorkerIndex, texts: Sequence[str], of: IndexedSource | None = None, kind: Any = "text") -> None:
    of = of or source()
    first = await index.begin(of)
    assert await index.put(of, first, chunks(texts, kind)[first:], Ending())


async def embed(index: WorkerIndex, matrix: np.ndarray[Any, Any], model: str = MODEL) -> list[str]:
    passages = await index.without_vector(model, len(matrix))
    await index.put_vectors(model, [one.digest for one in passages], matrix[: len(passages)].tobytes())
    return [one.text for one in passages]


async def ask(index: WorkerIndex, text: str, **more: Any) -> IndexAnswer:
    return await index.search(IndexQuery(text, **more), deadline=60)


async def found(index: WorkerIndex, text: str, **more: Any) -> list[str]:
    return [hit.chunk.text for hit in (await ask(index, text, **more)).hits]


def marked(hit: Hit) -> list[str]:
    return [hit.chunk.text[start:end] for start, end in hit.matched]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the index of LINES, to be copied."""
    folder = tmp_path_factory.mktemp("index") / "filled"

    async def make() -> None:
        async with opened(folder) as index:
            await fill(index, LINES)
            await index.settled()

    asyncio.run(make())
    return folder


@pytest.fixture(scope="module")
async def shared(filled: Path) -> AsyncIterator[WorkerIndex]:
    """An index of LINES that tests only ask."""
    async with opened(filled) as index:
        yield index


@pytest.fixture
def copied(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "index")
    return tmp_path / "index"


# What is found


@pytest.mark.slow
async def test_words_of_both_languages_are_found_in_any_form(shared: WorkerIndex) -> None:
    for query, line in {
        "lost property": 0,
        "counting": 0,
        "返金": 1,
        "申請について": 1,
        "返": 1,
        "サーバ": 4,
        "さーばー 設定": 4,
        "ISO 9001": 2,
        "iso9001": 2,
        "iso-9001": 2,
        "e404": 5,
        "E-404": 5,
        "foo.bar": 5,
        "main.py": 5,
        "CAFÉ": 6,
        "cafe": 6,
        "1234": 6,
        "データベース": 7,
        "都庁": 8,
        "会議 配布": 8,
    }.items():
        hits = (await ask(shared, query)).hits
        assert hits, query
        assert hits[0].chunk.text == LINES[line], query
        assert hits[0].matched, query
        assert all(0 <= hit.score <= 1 for hit in hits)


async def test_an_answer_tells_what_was_looked_for_and_where_it_stands(shared: WorkerIndex) -> None:
    answer = await ask(shared, "What is ISO 9001?")
    assert answer.terms == ("iso", "iso 9001", "9001")
    assert answer.total == 2
    assert (answer.chunks, answer.vectors) == (len(LINES), 0)
    assert [hit.lexical_rank for hit in answer.hits] == [1, 2]
    assert marked(answer.hits[0]) == ["ISO-9001"]
    assert answer.hits[0].source == source()
    assert answer.hits[0].chunk.page == 1


async def test_scores_by_words_tell_how_much_of_the_query_is_there(shared: WorkerIndex) -> None:
    all_of_it = (await ask(shared, "lost property kept for 30 days")).hits[0]
    part = (await ask(shared, "property of the emperor of Atlantis")).hits[0]
    assert all_of_it.chunk.text == part.chunk.text == LINES[0]
    assert 0.5 < all_of_it.score <= 1
    assert part.score < 0.5
    (stop_words,) = (await ask(shared, "on a day", most=1)).hits
    assert stop_words.score < 1


@pytest.mark.slow
async def test_a_word_is_found_in_the_other_script_after_those_in_its_own(tmp_path: Path) -> None:
    texts = ["サーバーの話", "The server is here.", "nothing"]
    async with opened(tmp_path / "index") as index:
        await fill(index, texts)
        assert await found(index, "server") == [texts[1], texts[0]]
        assert await found(index, "サーバ") == [texts[0], texts[1]]


async def test_places_are_told_of_as_many_hits_as_asked_for_and_of_any_text(shared: WorkerIndex) -> None:
    answer = await ask(shared, "iso 9001", marked=1)
    assert [bool(hit.matched) for hit in answer.hits] == [True, False]
    places = await shared.mark("iso 9001", [hit.chunk.text for hit in answer.hits])
    assert [LINES[2][start:end] for start, end in places[0]] == ["ISO-9001"]
    assert [LINES[3][start:end] for start, end in places[1]] == ["Iso", "9001"]
    assert list(await shared.mark("iso", [])) == []


async def test_a_phrase_must_stand_there_and_an_unwanted_word_must_not(shared: WorkerIndex) -> None:
    assert await found(shared, '"lost property"') == [LINES[0]]
    assert await found(shared, '"property lost"') == []
    assert await found(shared, "「会議の資料」") == [LINES[8]]
    assert await found(shared, "「資料の会議」") == []
    assert await found(shared, "「京都」") == [LINES[8]]
    assert await found(shared, "iso -certified") == [LINES[3]]
    assert await found(shared, 'iso -"far apart"') == [LINES[2]]


@pytest.mark.parametrize("query", [".*", "[a-z]+(", "😀", "a AND (b", 'x:"', "\\", "", "\x00", "\ud800", "-"])
async def test_any_text_is_a_query(shared: WorkerIndex, query: str) -> None:
    answer = await ask(shared, query)
    assert bool(answer.terms) == any(character.isalpha() for character in query if character != "\ud800")


async def test_endless_queries_and_stop_words_are_answered(shared: WorkerIndex) -> None:
    long = await ask(shared, "property " + "x y z 返金 " * 20_000)
    assert long.hits
    assert len(long.terms) < 100
    assert await found(shared, "for the")


@pytest.mark.slow
async def test_headings_and_names_find_a_chunk_too(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        of = source("timetable.pdf")
        await index.begin(of)
        chunk = Chunk("text", "Trains leave at nine.", 1, 0, 21, heading=("第一章 運賃", "Refunds"))
        assert await index.put(of, 0, [chunk], Ending())
        for query in ("refund", "運賃", "timetable", "「運賃」"):
            assert (await ask(index, query)).hits[0].chunk == chunk, query


@pytest.mark.slow
async def test_one_source_cannot_crowd_out_the_others(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        many, one = source("many.pdf"), source("one.pdf")
        await fill(index, [f"fare fare fare number {number}" for number in range(300)], many)
        await fill(index, ["a longer text in which the word fare stands only once"], one)
        hits = (await ask(index, "fare", most=5, per_source=2, fresh=(many.key, one.key))).hits
        assert [hit.source.name for hit in hits] == ["many.pdf", "many.pdf", "one.pdf"]


@pytest.mark.slow
async def test_only_sources_and_kinds_asked_for_answer(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        await fill(index, ["fare one"], source("a.pdf"))
        await fill(index, ["fare two"], source("b.pdf"))
        await fill(index, ["fare three"], source("c.csv"), kind="row")
        await embed(index, vectors(3))
        for more in ({}, {"vector": vectors(1).tobytes(), "model": MODEL}):
            assert set(await found(index, "fare", **more)) == {"fare one", "fare two", "fare three"}
            assert await found(index, "fare", sources=("document://b.pdf", "document://none"), **more) == ["fare two"]
            assert await found(index, "fare", kinds=("row",), **more) == ["fare three"]
            assert await found(index, "fare", sources=(), **more) == []
        many = tuple(f"document://{number}" for number in range(100_000))
        answer = await ask(index, "fare", sources=(*many, "document://a.pdf"))
        assert [hit.chunk.text for hit in answer.hits] == ["fare one"]
        assert answer.chunks == 1


# Sources


@pytest.mark.slow
async def test_a_new_version_takes_the_place_of_the_old_one_in_one_step(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        await fill(index, ["old text", "old other"])
        new = source(fingerprint="2")
        assert await index.begin(new) == 0
        assert await index.put(new, 0, chunks(["new text"]))
        assert await found(index, "text") == ["old text"]
        assert [(one.source.fingerprint, one.complete) for one in await index.known()] == [("1", True), ("2", False)]
        assert await index.begin(new) == 1
        assert await index.put(new, 1, chunks(["new other"]), Ending())
        assert await found(index, "text other") == ["new text", "new other"]
        assert [(one.source.fingerprint, one.chunks) for one in await index.known()] == [("2", 2)]
        await index.settled()
        assert (await ask(index, "old")).total == 0
        assert (await ask(index, "new")).total == 2


@pytest.mark.slow
async def test_chunks_are_put_in_once_whoever_puts_them_in(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        of = source()
        assert not await index.put(of, 0, chunks(["never begun"]), Ending())
        await index.begin(of)
        assert await index.put(of, 0, chunks(["one", "two"]))
        assert not await index.put(of, 0, chunks(["one", "two"]))
        assert not await index.put(of, 5, chunks(["six"]), Ending())
        assert await index.put(of, 2, chunks(["three"]), Ending())
        assert not await index.put(of, 3, chunks(["four"]), Ending())
        assert (await index.size()).chunks == 3


@pytest.mark.slow
async def test_dropped_sources_answer_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        await fill(index, ["fare one"], source("a.pdf"))
        await fill(index, ["fare two"], source("b.pdf"))
        await index.drop(["document://a.pdf", "document://unknown"])
        assert await found(index, "fare") == ["fare two"]
        await index.settled()
        assert (await ask(index, "fare")).total == 1
        await fill(index, ["fare again"], source("a.pdf"))
        assert set(await found(index, "fare")) == {"fare two", "fare again"}


@pytest.mark.slow
async def test_a_source_that_turns_out_unreadable_is_complete_and_empty(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        await index.begin(source())
        await index.put(source(), 0, chunks(["half of it"]))
        assert await index.put(source(), 1, (), Ending("It is damaged."))
        (known,) = await index.known()
        assert (known.complete, known.problem, known.chunks) == (True, "It is damaged.", 0)
        assert await found(index, "half") == []


# Vectors


@pytest.mark.slow
async def test_meaning_finds_what_no_word_of_the_query_holds(copied: Path) -> None:
    async with opened(copied) as index:
        matrix = vectors(len(LINES))
        texts = await embed(index, matrix)
        assert sorted(texts) == sorted(LINES)
        assert list(await index.without_vector(MODEL, 100)) == []
        place = texts.index(LINES[6])
        question = matrix[place].tobytes()
        answer = await ask(index, "nothingness", vector=question, model=MODEL)
        assert answer.hits[0].chunk.text == LINES[6]
        assert (answer.hits[0].vector_rank, answer.hits[0].lexical_rank) == (1, None)
        assert (answer.vectors, answer.exact) == (len(LINES), True)
        both = await ask(index, "iso9001", vector=question, model=MODEL)
        assert both.hits[0].chunk.text == LINES[2], "an identifier is not drowned by vectors"
        only = await ask(index, "iso9001", vector=question, model=MODEL, mode="vector")
        assert (only.hits[0].chunk.text, only.total) == (LINES[6], 0)
        phrase = await found(index, '"lost property"', vector=question, model=MODEL)
        assert phrase == [LINES[0]]
        assert LINES[6] not in await found(index, "plant -sandwiches", vector=question, model=MODEL)
        lexical = await ask(index, "sandwiches", vector=question, model=MODEL, mode="lexical")
        assert [hit.vector_rank for hit in lexical.hits] == [None]


@pytest.mark.slow
async def test_text_that_has_no_vector_yet_is_not_put_behind_what_is_merely_near(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        await fill(index, [f"machine number {number} of the hall" for number in range(12)])
        matrix = vectors(12)
        await embed(index, matrix)
        await fill(index, ["the new deburrer of the hall"], source("new.md"))
        vector = matrix.mean(axis=0)
        answer = await ask(index, "deburrer", vector=(vector / np.linalg.norm(vector)).tobytes(), model=MODEL)
        assert answer.vectors < answer.chunks
        assert answer.hits[0].chunk.text == "the new deburrer of the hall"


@pytest.mark.slow
async def test_passages_are_claimed_by_one_server_at_a_time(copied: Path) -> None:
    async with opened(copied) as one, opened(copied) as other:
        first = await one.without_vector(MODEL, 4)
        second = await other.without_vector(MODEL, 100)
        assert len(first) == 4
        assert len(second) == len(LINES) - 4
        assert not {item.digest for item in first} & {item.digest for item in second}


@pytest.mark.slow
async def test_vectors_outlive_a_file_that_is_touched_renamed_or_partly_edited(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        await fill(index, ["first", "second"])
        await embed(index, vectors(2))
        await fill(index, ["first", "second", "third"], source(fingerprint="2"))
        assert [one.text for one in await index.without_vector(MODEL, 10)] == ["third"]
        assert (await index.size(MODEL)).vectors == 2
        await index.drop(["document://a.pdf"])
        await index.settled()
        await fill(index, ["first", "second"], source("renamed.pdf"))
        assert list(await index.without_vector(MODEL, 10)) == []
        answer = await ask(index, "x", vector=vectors(2)[1].tobytes(), model=MODEL)
        assert answer.hits[0].source.name == "renamed.pdf"


@pytest.mark.slow
async def test_the_same_text_in_two_files_is_embedded_once_and_found_in_both(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        await fill(index, ["same"], source("a.pdf"))
        await fill(index, ["same"], source("b.pdf"))
        assert len(await embed(index, vectors(1))) == 1
        answer = await ask(index, "x", vector=vectors(1).tobytes(), model=MODEL)
        assert {hit.source.name for hit in answer.hits} == {"a.pdf", "b.pdf"}
        assert answer.vectors == 2


@pytest.mark.slow
async def test_vectors_of_another_length_are_those_of_another_model(copied: Path) -> None:
    async with opened(copied) as index:
        await embed(index, vectors(len(LINES)))
        await embed(index, vectors(len(LINES), dimension=24), "other-model")
        assert (await index.size(MODEL)).vectors == len(LINES)
        fits = await ask(index, "x", vector=vectors(1, dimension=24).tobytes(), model="other-model")
        assert len(fits.hits) == len(LINES)
        short = await ask(index, "x", vector=vectors(1).tobytes(), model="other-model")
        assert short.hits == ()
        text = (await ask(index, "property")).hits[0]
        await index.put_vectors(MODEL, [text.digest], vectors(1, dimension=24).tobytes())
        assert (await index.size(MODEL)).vectors == 1
        assert len(await index.without_vector(MODEL, 100)) == len(LINES) - 1


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"abc", b"\x00" * 5, np.full(4, np.nan, "<f4").tobytes()])
async def test_bytes_that_are_no_vectors_are_refused(copied: Path, sent: bytes) -> None:
    async with opened(copied) as index:
        (passage,) = await index.without_vector(MODEL, 1)
        with pytest.raises(InvalidInputError):
            await index.put_vectors(MODEL, [passage.digest], sent)


@pytest.mark.slow
async def test_beyond_exact_vectors_nearly_all_true_neighbours_are_found(tmp_path: Path) -> None:
    count, dimension = 6_000, 48
    lengths = np.random.default_rng(3).uniform(0.2, 30, (count, 1)).astype("<f4")
    matrix = vectors(count, dimension=dimension) * lengths
    models = {metric: compared_by(MODEL, metric) for metric in get_args(Metric)}
    async with opened(tmp_path / "index", exact_vectors=1_000) as index:
        for part in range(6):
            texts = [f"passage {part * 1000 + number}" for number in range(1_000)]
            await fill(index, texts, source(f"{part}.pdf"))
        for model in models.values():
            row = set()
            while passages := await index.without_vector(model, 2_000):
                numbers = [int(one.text.split()[1]) for one in passages]
                await index.put_vectors(model, [one.digest for one in passages], matrix[numbers].tobytes())
                row.update(numbers)
            assert len(row) == count
        await index.settled()
        questions = vectors(20, seed=7, dimension=dimension) * 9
        for metric, model in models.items():
            hit_count = 0
            for question in questions:
                answer = await ask(index, "", most=10, vector=question.tobytes(), model=model, mode="vector")
                assert not answer.exact
                truth = set(by(metric, matrix, question)[:10].tolist())
                hit_count += len(truth & {int(hit.chunk.text.split()[1]) for hit in answer.hits})
            assert hit_count >= 190
            asked = {"most": 50, "vector": questions[0].tobytes(), "model": model, "mode": "vector"}
            filtered = await ask(index, "", sources=("document://3.pdf",), **asked)
            best = by(metric, matrix[3000:4000], questions[0])[:50] + 3000
            assert len({int(hit.chunk.text.split()[1]) for hit in filtered.hits} & set(best.tolist())) >= 48


def by(metric: Metric, matrix: np.ndarray[Any, Any], query: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the rows, the nearest first."""
    if metric == "l2":
        return np.argsort(np.linalg.norm(matrix - query, axis=1))
    products = matrix @ query
    return np.argsort(-products / (np.linalg.norm(matrix, axis=1) if metric == "cosine" else 1))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 1e6, 1e-9])
async def test_each_metric_has_its_own_nearest_passage(tmp_path: Path, scale: float) -> None:
    texts = {"same direction": (0.2, 0.0), "beside it": (1.0, 0.3), "far out": (10.0, 10.0)}
    query = np.array([scale, 0], "<f4").tobytes()
    orders = {
        "cosine": ["same direction", "beside it", "far out"],
        "inner_product": ["far out", "beside it", "same direction"],
        "l2": ["beside it", "same direction", "far out"],
    }
    async with opened(tmp_path / "index") as index:
        await fill(index, list(texts))
        for metric in get_args(Metric):
            model = compared_by(MODEL, metric)
            assert metric_of(model) == metric
            passages = await index.without_vector(model, 3)
            put = np.array([texts[one.text] for one in passages], "<f4") * np.float32(scale)
            await index.put_vectors(model, [one.digest for one in passages], put.tobytes())
            assert await found(index, "", vector=query, model=model, mode="vector") == orders[metric]


def test_both_lists_count_when_they_are_made_one() -> None:
    words = [(1, 0.9), (2, 0.8), (3, 0.1)]
    near = [(2, 0.9), (4, 0.8), (1, 0.1)]
    fused = fuse(words, near)
    assert fused[0][0] == 2
    assert all(0 <= score <= 1 for _, score in fused)
    assert fuse(words, near, {1})[0][0] == 1
    assert fuse([(1, 1.2), (2, 1.1), (3, 0.2)], []) == [(1, 1.0), (2, 1.0), (3, 0.2)]
    assert fuse([], []) == []
    assert fuse(words, near, without_vector={3})[-1] == (3, 0.1)
    assert fuse([(9, 0.9)], near, without_vector={9})[:2] == [(9, 0.9), (2, 0.5)]


def test_weak_words_of_a_query_do_not_outweigh_what_is_near() -> None:
    near = [(number, 0.9 - number / 200) for number in range(100)]
    assert fuse([(99, 0.1)], near)[0][0] == 0
    assert fuse([(99, 1.0)], near)[0][0] in (0, 99)
    assert fuse([(1, 0.1)], near)[0][0] == 1, "but they count"
    assert len(fuse([], [(number, 1 - number / 1000) for number in range(300)])) == 300


# Several servers, and what happens to them


@pytest.mark.slow
async def test_two_servers_share_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    async with opened(folder) as one, opened(folder) as other:
        await fill(one, ["fare one"], source("a.pdf"))
        assert await found(other, "fare") == ["fare one"]
        of = source("b.pdf")
        assert await one.begin(of) == await other.begin(of) == 0
        answers: list[bool] = []

        async def put(index: WorkerIndex) -> None:
            answers.append(await index.put(of, 0, chunks(["fare two"]), Ending()))

        async with anyio.create_task_group() as group:
            group.start_soon(put, one)
            group.start_soon(put, other)
        assert sorted(answers) == [False, True]
        assert set(await found(one, "fare")) == set(await found(other, "fare")) == {"fare one", "fare two"}
        await other.drop(["document://a.pdf"])
        assert await found(one, "fare") == ["fare two"]


async def test_looking_for_an_index_where_there_is_none_starts_and_makes_nothing(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    async with opened(tmp_path / "index") as index:
        assert list(await index.known()) == []
        assert set(psutil.Process().children(recursive=True)) <= before
        assert not (tmp_path / "index").exists()


@pytest.mark.slow
async def test_a_search_tells_what_it_cannot_find_by_its_words_yet(copied: Path) -> None:
    new = [source(name) for name in ("a.md", "b.md")]
    async with opened(copied) as index:
        (words,) = copied.glob("words-*")
        busy = tantivy.Index.open(str(words)).writer()  # as another server that takes long
        for of in new:
            await fill(index, [f"zebra {of.name} {number}" for number in range(100)], of)
        answer = await ask(index, "zebra property")
        assert [hit.chunk.text for hit in answer.hits] == [LINES[0]]
        assert answer.index_lag == 2
        assert (await ask(index, "zebra", sources=(new[0].key, source().key))).index_lag == 1
        busy.wait_merging_threads()
        answer = await ask(index, "zebra", fresh=(new[1].key,), most=200, per_source=200)
        assert {hit.source.name for hit in answer.hits} == {"a.md", "b.md"}
        assert (answer.total, answer.index_lag) == (200, 0)


@pytest.mark.slow
async def test_what_was_put_in_alone_is_found_at_once_however_long_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path / "index") as index:
        await fill(index, [f"common word {number}" for number in range(500)])
        assert (await ask(index, "common")).total == 500
        await fill(index, [f"zebra word {number}" for number in range(500)], source(fingerprint="2"))
        answer = await ask(index, "zebra")
        assert (answer.total, answer.index_lag) == (500, 0)
        assert await found(index, "common") == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
async def test_nothing_is_lost_or_doubled_when_workers_are_killed_twenty_times(tmp_path: Path) -> None:
    folder, luck, before = tmp_path / "index", random.Random(6), set(psutil.Process().children(recursive=True))
    texts = [f"passage {number} of the handbook {number % 7}" for number in range(1_200)]
    kills = 0
    async with opened(folder) as index:

        async def killed(call: Any) -> None:
            """Run a call and kill all workers at some moment of it."""
            nonlocal kills
            task = asyncio.ensure_future(call)
            await asyncio.wait({task}, timeout=luck.random() * 0.5)
            for process in set(psutil.Process().children(recursive=True)) - before:
                if "spawn_main" in " ".join(process.cmdline()):
                    process.send_signal(signal.SIGKILL)
                    kills += 1
            await asyncio.wait({task})
            task.exception()

        done, rounds = 0, 0
        while done < len(texts) or rounds < 20:
            rounds += 1
            try:
                first = done = await index.begin(source())
                part = chunks(texts[first : first + 60])
                last = first + 60 >= len(texts)
                if rounds % 2 and rounds <= 20:
                    await killed(index.put(source(), first, part, Ending() if last else None))
                elif part:
                    await index.put(source(), first, part, Ending() if last else None)
                if rounds % 4 == 0:
                    await killed(ask(index, "handbook"))
                passages = await index.without_vector(MODEL, 50)
                sent = index.put_vectors(MODEL, [one.digest for one in passages], vectors(len(passages)).tobytes())
                await (killed(sent) if rounds % 3 == 0 else sent)
            except ContextError:
                continue
        assert kills >= 10
    async with opened(folder) as index:
        await index.settled()
        (known,) = await index.known()
        assert (known.complete, known.chunks) == (True, len(texts))
        answer = await ask(index, "handbook passage", most=1_000, per_source=1_000)
        assert answer.total == len(texts)
        assert len({hit.chunk.text for hit in answer.hits}) == 1_000
    database = sqlite3.connect(folder / "index.sqlite3")
    assert database.execute("SELECT count(*), count(DISTINCT number) FROM chunks").fetchone() == (1_200, 1_200)
    assert (
        database.execute("SELECT count(*) FROM vectors").fetchone()[0]
        == (database.execute("SELECT count(DISTINCT passage) FROM vectors").fetchone()[0])
    )
    missing = database.execute(
        "SELECT count(*) FROM passages p WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.passage = p.id)"
        " AND NOT EXISTS (SELECT 1 FROM pending w WHERE w.passage = p.id)"
    ).fetchone()
    assert missing == (0,)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def _scribble(path: Path) -> None:
    path.write_bytes(b"nothing of the kind " * 500)


def _older(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.slow
@pytest.mark.parametrize("harm", [_truncate, _scribble, _older])
async def test_a_damaged_or_foreign_database_is_made_anew_and_says_so(copied: Path, harm: Any) -> None:
    database = sqlite3.connect(copied / "index.sqlite3")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    harm(copied / "index.sqlite3")
    async with opened(copied) as index:
        assert await found(index, "property") == []
        assert list(await index.known()) == []
        assert "made anew" in (await index.size()).notes[0]
        await fill(index, LINES)
        assert await found(index, "property") == [LINES[0]]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
async def test_a_database_written_over_under_way_is_made_anew_by_the_search_that_meets_it(
    copied: Path, mode: Any
) -> None:
    async with opened(copied) as index:
        before = await ask(index, "property", mode=mode)
        assert len(before.hits) == 1
        for file in copied.glob("index.sqlite3*"):
            with file.open("r+b") as opened_file:
                opened_file.write(b"garbage!" * (file.stat().st_size // 8))
        after = await ask(index, "property", mode=mode)
        assert (after.hits, after.chunks) == ((), 0)
        assert after.identity != before.identity
        (note,) = (await index.size()).notes
        assert note == "The search index was damaged or of another version, so it had to be made anew from the files."
        await fill(index, LINES)
        again = await ask(index, "property", mode=mode)
        assert [hit.chunk.text for hit in again.hits] == [LINES[0]]
        assert again.identity == after.identity


@pytest.mark.slow
@pytest.mark.parametrize("harm", [_truncate, _scribble])
@pytest.mark.parametrize("what", ["meta.json", "*.term", "*.store", "*.idx", "*.fast"])
async def test_damaged_files_of_words_are_made_anew_from_the_database(copied: Path, harm: Any, what: str) -> None:
    files = list(copied.glob(f"words-*/{what}"))
    assert files
    for file in files:
        harm(file)
    async with opened(copied) as index:
        assert await found(index, "property") == [LINES[0]]
        assert (await ask(index, "返金")).total == 1
        assert (await index.size()).chunks == len(LINES)


@pytest.mark.slow
async def test_files_of_words_that_are_gone_are_made_anew(copied: Path) -> None:
    async with opened(copied) as index:
        assert await found(index, "property") == [LINES[0]]
        for folder in copied.glob("words-*"):
            shutil.rmtree(folder)
        assert await found(index, "property") == [LINES[0]]


@pytest.mark.slow
async def test_a_folder_removed_under_way_is_made_again(copied: Path) -> None:
    async with opened(copied) as index:
        assert await found(index, "property")
        shutil.rmtree(copied)
        assert await found(index, "property") == []
        await fill(index, LINES)
        assert await found(index, "property") == [LINES[0]]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
async def test_a_full_disk_is_told_and_breaks_nothing(copied: Path) -> None:
    import resource

    before = set(psutil.Process().children(recursive=True))
    async with opened(copied) as index:
        await index.settled()
        assert await found(index, "property") == [LINES[0]]
        workers = set(psutil.Process().children(recursive=True)) - before
        for worker in workers:
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))
        new = source("new.pdf")
        with pytest.raises(StorageError) as raised:
            await fill(index, ["word " * 200] * 300, new)
        assert raised.value.hint
        assert await found(index, "property") == [LINES[0]]
        for worker in workers:
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await fill(index, ["a word at last"], new)
        assert await found(index, "word") == ["a word at last"]
        assert await found(index, "property") == [LINES[0]]


@contextmanager
def _no_room() -> Iterator[None]:
    import resource

    before, kept = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # what is imported meanwhile would leave half a file for everybody
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = kept


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_disk_too_full_for_new_words_leaves_those_that_are_there_answering(copied: Path) -> None:
    engine = LocalStore(copied, 1_000)
    job = Job(cast("Any", SimpleNamespace(stop_requested=False)), 60.0)
    new = source("new.pdf")
    engine.begin(new)
    engine.put(new, 0, chunks(["a word at last"] * 20), Ending())
    caches = sorted(copied.glob("words-*"))
    with _no_room():
        for _ in range(2):
            answer = search(engine, job, IndexQuery("property"))
            assert [hit.chunk.text for hit in answer.hits] == [LINES[0]]
            assert answer.index_lag == 1
            assert "Free some space" in answer.problem
        with pytest.raises(StorageError):
            engine.maintain(job)
    assert sorted(copied.glob("words-*")) == caches
    answer = search(engine, job, IndexQuery("word"))
    assert (len(answer.hits), answer.index_lag, answer.problem) == (20, 0, "")
    assert engine.size("").notes == ()


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_writer_that_dies_without_a_word_is_blamed_on_the_disk_only_where_that_is_full(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise ValueError("An index writer was killed.")

    database, cache = Database(copied), LexicalIndex(copied, version())
    cache.open(database.connection())
    monkeypatch.setattr(cache, "_take_in", die)
    with _no_room(), pytest.raises(StorageError):
        cache.catch_up(database, 10, 10.0)
    with pytest.raises(BrokenCacheError):
        cache.catch_up(database, 10, 10.0)


async def test_the_files_are_readable_by_their_owner_only(copied: Path) -> None:
    async with opened(copied.parent / "fresh") as index:
        await fill(index, LINES)
        folder = copied.parent / "fresh"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "index.sqlite3").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
async def test_it_goes_on_after_memory_was_given_back(copied: Path) -> None:
    async with opened(copied) as index:
        assert await found(index, "property")
        await index.release()
        assert await found(index, "property") == [LINES[0]]


def with_fifty_vectors(
    folder: Path,
) -> tuple[LocalStore, Job, np.ndarray[Any, np.dtype[np.float32]], list[EmbeddingInput]]:
    """Return an engine with fifty passages, and their vectors in order."""
    engine = LocalStore(folder, 1_000)
    engine.begin(source())
    engine.put(source(), 0, chunks([f"passage {number}" for number in range(50)]), Ending())
    matrix, passages = vectors(50), engine.without_vector(MODEL, 50)
    engine.put_vectors(MODEL, [one.digest for one in passages], matrix.tobytes())
    return engine, Job(cast("Any", SimpleNamespace(stop_requested=False)), 60.0), matrix, passages


def settle(engine: LocalStore, job: Job) -> str:
    """Let maintenance do what there is to do now; return what is left for later."""
    while (left := engine.maintain(job)) == "more":
        pass
    return left


def with_graph_to_build(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[LocalStore, Job, np.ndarray[Any, np.dtype[np.float32]], list[EmbeddingInput]]:
    """Return an engine that writes a file of its fifty vectors and builds a graph over them."""
    monkeypatch.setattr(vector_files, "_LEAST_IN_FILE", 20)
    engine, job, matrix, passages = with_fifty_vectors(folder)
    monkeypatch.setattr(engine._vector_files, "_most_exact", 10)
    return engine, job, matrix, passages


def test_of_many_new_vectors_only_so_many_are_held_until_they_are_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_files, "MOST_OUTSIDE_BYTES", 4 * DIMENSION * 10)
    engine, job, matrix, passages = with_fifty_vectors(tmp_path)

    def nearest(number: int) -> tuple[str, int]:
        query = IndexQuery("", vector=matrix[number].tobytes(), model=MODEL, mode="vector", most=1)
        answer = search(engine, job, query)
        return answer.hits[0].chunk.text, answer.vectors

    assert nearest(3) == (passages[3].text, 10)
    assert nearest(40)[1] == 10
    monkeypatch.setattr(vector_files, "_LEAST_IN_FILE", 20)
    settle(engine, job)
    assert [nearest(number) for number in (3, 40)] == [(passages[3].text, 50), (passages[40].text, 50)]


def test_a_file_of_vectors_that_cannot_be_mapped_is_not_written_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_files, "_LEAST_IN_FILE", 20)
    engine, job, matrix, passages = with_fifty_vectors(tmp_path)

    def refused(*_: object, **__: object) -> object:
        raise OSError(errno.ENOMEM, "no addresses are left")

    monkeypatch.setattr("mmap.mmap", refused)
    for _ in range(10):
        if engine.maintain(job) == "nothing":
            break
    assert engine.maintain(job) == "nothing"
    query = IndexQuery("", vector=matrix[7].tobytes(), model=MODEL, mode="vector", most=1)
    answer = search(engine, job, query)
    assert (answer.hits[0].chunk.text, answer.vectors) == (passages[7].text, 50)


def test_vectors_and_graphs_that_the_disk_had_no_room_for_are_written_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, job, matrix, passages = with_graph_to_build(tmp_path, monkeypatch)
    now = [1_000.0]
    monkeypatch.setattr(vector_file_sync, "time", SimpleNamespace(monotonic=lambda: now[0]))
    attempts: list[Path] = []
    tried = vector_files._new_file

    def counted(folder: Path) -> Any:
        attempts.append(folder)
        return tried(folder)

    monkeypatch.setattr(vector_files, "_new_file", counted)

    def kept_up() -> tuple[str, list[str]]:
        return settle(engine, job), sorted(path.suffix for path in tmp_path.glob("vectors-*"))

    with monkeypatch.context() as full:
        full.setattr(vector_files, "read_vectors", _no_space)
        assert (kept_up(), kept_up(), len(attempts)) == (("later", []), ("later", []), 1)
    assert kept_up() == ("later", [])
    with monkeypatch.context() as full:
        now[0] += 61
        full.setattr(vector_files, "_size_file", _no_space)
        assert (kept_up(), len(attempts)) == (("later", [".f4", ".usearch"]), 4)
        assert (kept_up(), len(attempts)) == (("later", [".f4", ".usearch"]), 4)
    now[0] += 61
    assert kept_up() == ("nothing", [".f4", ".size", ".usearch"])
    query = IndexQuery("", vector=matrix[7].tobytes(), model=MODEL, mode="vector", most=1)
    assert search(engine, job, query).hits[0].chunk.text == passages[7].text


def _no_space(*_: object) -> Any:
    raise OSError(errno.ENOSPC, "no space is left")


def test_vectors_that_the_disk_has_no_room_for_hold_up_those_of_no_other_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, job, matrix, _ = with_graph_to_build(tmp_path, monkeypatch)
    written = vector_files.write

    def refused(folder: Path, space: VectorSpace, *more: Any) -> bool:
        return space.metric != "cosine" and written(folder, space, *more)

    monkeypatch.setattr(vector_files, "write", refused)
    model = compared_by(MODEL, "l2")
    passages = engine.without_vector(model, 50)
    engine.put_vectors(model, [one.digest for one in passages], matrix.tobytes())
    assert settle(engine, job) == "later"
    assert sorted(path.suffix for path in tmp_path.glob("vectors-*")) == [".f4", ".size", ".usearch"]


def test_a_graph_that_memory_has_no_room_for_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, job, matrix, passages = with_graph_to_build(tmp_path, monkeypatch)
    built: list[object] = []

    class Full:
        def add(self, *_: object, **__: object) -> None:
            built.append(self)
            raise RuntimeError("Out of memory!")

    monkeypatch.setattr(vector_files, "_graph", lambda _space: Full())
    for _ in range(2):
        assert (settle(engine, job), len(built)) == ("nothing", 1)
    query = IndexQuery("", vector=matrix[7].tobytes(), model=MODEL, mode="vector", most=1)
    assert search(engine, job, query).hits[0].chunk.text == passages[7].text


def test_a_graph_that_another_server_finished_first_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, job, _, _ = with_graph_to_build(tmp_path, monkeypatch)
    other = LocalStore(tmp_path, 10)
    ended = Job(cast("Any", SimpleNamespace(stop_requested=False)), 60.0)
    while not list(tmp_path.glob("*.f4")):
        engine.maintain(job)
    connection = engine._database.connection()
    assert engine._vector_files.build_graphs(connection, lambda: False)
    assert engine._vector_files._graph is not None
    settle(other, ended)
    assert engine.maintain(job) == "nothing"
    assert engine._vector_files._graph is None


@pytest.mark.slow
async def test_what_the_disk_had_no_room_for_is_tried_again_without_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["later", "more", "nothing"])
    async with opened(tmp_path / "index") as index:
        await fill(index, LINES)
        await index.settled()
        run = index._writing.run

        async def told(function: Any, *arguments: Any, **more: Any) -> Any:
            return next(answers) if function is worker_index.MAINTAIN else await run(function, *arguments, **more)

        monkeypatch.setattr(index._writing, "run", told)
        await fill(index, ["one more"], source("b.pdf"))
        await index.settled()
        assert await found(index, "property") == [LINES[0]]
        assert list(answers) == ["more", "nothing"]
        answers = iter(["later", "more", "nothing"])
        monkeypatch.setattr(worker_index, "_AGAIN_SECONDS", 0.0)
        await fill(index, ["and one"], source("c.pdf"))
        await index.settled()
        await index.settled()
        assert list(answers) == []
