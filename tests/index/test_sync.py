"""The index is built, resumed, shared and kept in step with the disk, whatever happens meanwhile."""

from __future__ import annotations

import array
import math
from typing import TYPE_CHECKING

import anyio
import pytest

from mcp_context_resources.errors import (
    BusyError,
    DeadlineExceededError,
    InvalidInputError,
    StorageError,
    UnreadableSourceError,
)
from mcp_context_resources.index.service import SearchRequest
from mcp_context_resources.index.spec import Chunk
from mcp_context_resources.index.sync.schedule import Schedule
from tests.support.memory_index import MemoryIndex
from tests.support.scripted_feeds import ScriptedEmbedder, ScriptedFeed
from tests.support.searching import found, running, service, texts, until

if TYPE_CHECKING:
    from collections.abc import Sequence


pytestmark = pytest.mark.anyio


async def test_a_file_that_changes_while_it_is_read_is_read_again_by_the_same_search() -> None:
    feed = ScriptedFeed(pets="a cat\na dog")

    def change(name: str, line: int) -> None:
        if line == 1 and feed.texts[name] == "a cat\na dog":
            feed.write(name, "a cat\na bird")

    feed.before = change
    assert await found(service(MemoryIndex(), feed), "bird") == ["a bird"]


async def test_a_file_that_cant_be_read_is_named_and_not_tried_again_until_it_changes() -> None:
    feed, index = ScriptedFeed(bad="a cat", good="a cat too"), MemoryIndex()

    def fail(name: str, line: int) -> None:
        if feed.texts[name] == "a cat":
            raise UnreadableSourceError("It is no PDF.", "Save it anew.")

    feed.before = fail
    search = service(index, feed)
    for _ in range(2):
        results = await search.search(SearchRequest("cat"))
        assert texts(results) == ["a cat too"]
        assert results.left_out == ("bad",)
        assert "1 source couldn't be read. bad: It is no PDF. Save it anew." in results.notes
    assert feed.reads.count("bad") == 1
    assert results.state.problems == ("bad: It is no PDF. Save it anew.",)
    another = service(index, feed)
    await another.build()
    assert feed.reads.count("bad") == 1
    feed.write("bad", "a cat, repaired")
    assert sorted(await found(another, "cat")) == ["a cat too", "a cat, repaired"]


async def test_what_a_worker_died_of_three_times_is_a_problem_of_the_file() -> None:
    feed, index = ScriptedFeed(bomb="boom", good="a cat"), MemoryIndex()

    def fail(name: str, line: int) -> None:
        if name == "bomb":
            raise DeadlineExceededError("It took too long.", "Split it.")

    feed.before = fail
    search = service(index, feed)
    state = await search.build()
    assert feed.reads.count("bomb") == 3
    assert (state.sources_ready, state.sources_unreadable) == (1, 1)
    await search.build()
    assert feed.reads.count("bomb") == 3


async def test_busy_workers_are_no_problem_of_the_file() -> None:
    feed, index = ScriptedFeed(pets="a cat"), MemoryIndex()
    failures = [BusyError("All workers are busy.", "Try again.")] * 4

    def fail(name: str, line: int) -> None:
        if failures:
            raise failures.pop()

    feed.before = fail
    search = service(index, feed)
    state = await search.build()
    assert state.problems == ("pets: All workers are busy. Try again.",)
    assert [entry.problem for entry in await index.known() if entry.complete] == []
    assert await found(search, "cat") == []
    assert await found(search, "cat") == ["a cat"]


async def test_a_fault_in_a_feed_is_a_problem_of_that_source_alone() -> None:
    feed = ScriptedFeed(pets="a cat", worse="a cat")

    def fail(name: str, line: int) -> None:
        if name == "worse":
            raise ZeroDivisionError

    feed.before = fail
    search = service(MemoryIndex(), feed)
    assert await found(search, "cat") == ["a cat"]
    assert (await search.build()).sources_unreadable == 1


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", range(1, 9))
async def test_a_server_killed_at_any_put_goes_on_where_it_stopped(killed_at: int) -> None:
    feed, index = ScriptedFeed(), MemoryIndex()
    for name in ("one", "two"):
        feed.write(name, "\n".join(f"line {number} of {name}" for number in range(700)))
    puts = 0

    def kill(method: str) -> None:
        nonlocal puts
        puts += method == "put"
        if method == "put" and puts >= killed_at:
            raise StorageError("Killed.", "")

    index.before = kill
    with pytest.raises(StorageError):
        await service(index, feed).build()
    index.before = lambda _method: None
    there = {name: len(index.texts(feed.key(name))) for name in feed.texts}
    handed: list[tuple[str, int]] = []
    feed.before = lambda name, line: handed.append((name, line))
    state = await service(index, feed).build()
    assert state.sources_ready == 2
    for name in feed.texts:
        assert index.texts(feed.key(name)) == feed.texts[name].splitlines()
        lines = [line for named, line in handed if named == name]
        assert lines == list(range(there[name], 700))


@pytest.mark.slow
async def test_two_servers_on_one_index_lose_nothing_and_double_nothing() -> None:
    index, feeds = MemoryIndex(), [ScriptedFeed(), ScriptedFeed()]
    for feed in feeds:
        for number in range(20):
            feed.write(f"file{number}", "\n".join(f"line {line} of {number}" for line in range(250)))
    one, other = (service(index, feed) for feed in feeds)
    async with anyio.create_task_group() as group:
        group.start_soon(one.build)
        group.start_soon(other.build)
    for name, text in feeds[0].texts.items():
        assert index.texts(feeds[0].key(name)) == text.splitlines()
    assert (await one.state()).sources_ready == (await other.state()).sources_ready == 20


async def test_what_another_server_is_reading_is_left_to_it_as_long_as_it_gets_on() -> None:
    index, feed = MemoryIndex(), ScriptedFeed(long="\n".join(f"line {number}" for number in range(1000)))
    source = feed.source("long")
    chunks = [Chunk("text", f"line {number}", page=number + 1) for number in range(1000)]
    ahead = 0

    def other_server(method: str) -> None:
        nonlocal ahead
        held = index.version_of(source)
        if method in ("put", "begin") and held is not None and ahead < 1000:
            held.chunks = chunks[: ahead + 100]
            ahead += 100
            held.complete = ahead == 1000

    index.before = other_server
    search = service(index, feed, schedule=Schedule(retry=0.0, elsewhere=0.0, abandoned=60.0, known=0.0))
    state = await search.build()
    assert (state.sources_ready, state.chunks) == (1, 1000)
    assert feed.reads == ["long"]


async def test_what_another_server_left_unfinished_is_taken_over() -> None:
    index, feed = MemoryIndex(), ScriptedFeed(long="\n".join(f"line {number}" for number in range(500)))
    source = feed.source("long")
    await index.begin(source)
    stolen = False

    def other_server(method: str) -> None:
        nonlocal stolen
        if method == "put" and not stolen:
            stolen = True
            held = index.version_of(source)
            assert held is not None
            held.chunks.append(Chunk("text", "line 0", page=1))

    index.before = other_server
    state = await service(index, feed).build()
    assert state.sources_ready == 1
    assert index.texts(source.key) == feed.texts["long"].splitlines()


async def test_what_a_search_needs_is_read_before_everything_else() -> None:
    feed, index = ScriptedFeed(), MemoryIndex()
    for number in range(300):
        feed.write(f"file{number}", f"cat {number}", modified=number)
    feed.write("named", "the cat we want", modified=0)
    started = anyio.Event()
    feed.gates = {f"file{number}": started for number in range(300)}
    search = service(index, feed, build="start")
    async with running(search):
        await until(lambda: feed.reads)
        results = await search.search(SearchRequest("cat", names=("named",)))
        assert texts(results) == ["the cat we want"]
        assert len(feed.reads) == 2
        assert results.state.building
        started.set()
        await until(lambda: len(feed.reads) == 301)
    assert feed.reads[2] == "file298"
    assert feed.most_at_once == 2


async def test_changed_files_come_before_new_ones_and_small_ones_before_large() -> None:
    feed, index = ScriptedFeed(), MemoryIndex()
    feed.write("known", "cat 1")
    search = service(index, feed)
    await search.build()
    feed.reads.clear()
    for name, size in (("huge", 10**9), ("small", 10), ("large", 10**6)):
        feed.write(name, f"cat {name}", size=size)
    feed.write("known", "cat 2", size=10**9)
    gate = anyio.Event()
    gate.set()
    feed.gates = dict.fromkeys(feed.texts, gate)
    await search.build()
    assert feed.reads == ["known", "small", "large", "huge"]


async def test_a_search_that_is_cancelled_leaves_the_reading_going() -> None:
    feed, index = ScriptedFeed(slow="a slow cat"), MemoryIndex()
    feed.gates["slow"] = anyio.Event()
    search = service(index, feed)
    async with running(search):
        async with anyio.create_task_group() as group:
            group.start_soon(search.search, SearchRequest("cat"))
            await until(lambda: feed.reads)
            group.cancel_scope.cancel()
        feed.gates["slow"].set()
        await until(lambda: index.texts("document://slow"))
        assert await found(search, "cat") == ["a slow cat"]
    assert feed.reads == ["slow"]


async def test_a_search_that_is_cancelled_without_a_background_can_be_asked_again() -> None:
    feed = ScriptedFeed(slow="a slow cat")
    feed.gates["slow"] = anyio.Event()
    search = service(MemoryIndex(), feed)
    async with anyio.create_task_group() as group:
        group.start_soon(search.search, SearchRequest("cat"))
        await until(lambda: feed.reads)
        group.cancel_scope.cancel()
    feed.gates["slow"].set()
    assert await found(search, "cat") == ["a slow cat"]


async def test_many_new_files_are_waited_for_once_and_a_changed_one_again() -> None:
    feed, index = ScriptedFeed(), MemoryIndex()
    for number in range(5):
        feed.write(f"file{number}", f"cat {number}")
        feed.gates[f"file{number}"] = anyio.Event()
    search = service(index, feed, wait_seconds=0.05)
    async with running(search):
        results = await search.search(SearchRequest("cat"))
        assert len(results.left_out) == 5
        told: list[str] = []

        async def report(done: float, total: float | None = None, message: str | None = None) -> None:
            told.append(message or "")

        await search.search(SearchRequest("cat"), on_progress=report)
        assert told == []
        await search.search(SearchRequest("cat", names=("file3",)), on_progress=report)
        assert told
        for gate in feed.gates.values():
            gate.set()
        await until(lambda: len(index.texts("document://file4")) == 1)


async def test_progress_names_the_file_and_counts() -> None:
    feed = ScriptedFeed(one="cat", two="cat", three="cat")
    told: list[tuple[float, float | None, str]] = []

    async def report(done: float, total: float | None = None, message: str | None = None) -> None:
        told.append((done, total, message or ""))
        for gate in feed.gates.values() if message and message.startswith("reading") else ():
            gate.set()

    feed.gates = {name: anyio.Event() for name in feed.texts}
    search = service(MemoryIndex(), feed, embedder=ScriptedEmbedder())
    feed.write("one", "\n".join(f"cat {number}" for number in range(40)))
    await search.build(on_progress=report)
    assert any(message.startswith("reading ") and message.endswith("of 3 files)") for _, _, message in told)
    # Both other texts are the same, and a text gets one vector wherever it stands.
    assert told[-1][0] >= 41
    assert told[-1][2] == f"vectors of {told[-1][0]:.0f} of 42 passages"


async def test_a_question_comes_before_the_next_batch_of_vectors() -> None:
    feed, index, embedder = ScriptedFeed(pets="a dog"), MemoryIndex(), ScriptedEmbedder()
    search = service(index, feed, embedder=embedder)
    await search.build()
    feed.write("more", "\n".join(f"cat number {number}" for number in range(64)))
    embedder.passages_gate, embedder.query_gate = anyio.Event(), anyio.Event()
    async with running(search), anyio.create_task_group() as group:
        await until(lambda: embedder.waiting == ["passages"])
        group.start_soon(search.search, SearchRequest("dog"))
        await until(lambda: embedder.waiting == ["passages", "query"])
        embedder.passages_gate.set()
        await until(lambda: embedder.batches == [1, 16])
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        assert embedder.batches == [1, 16]
        embedder.query_gate.set()
        await until(lambda: embedder.batches == [1, 16, 16, 16, 16])


async def test_what_another_server_took_on_and_never_embedded_is_embedded_in_its_place() -> None:
    feed, index = ScriptedFeed(pets="a cat\na dog\na bird"), MemoryIndex()
    search = service(index, feed, embedder=ScriptedEmbedder())
    await search.build(vectors=False)
    index.store.claim_seconds = 0.02
    assert len(await index.without_vector("two-things", 64)) == 3
    index.store.claim_seconds = 60.0
    assert (await search.build()).vectors_ready == 3


async def test_a_text_that_no_model_can_take_keeps_no_other_from_its_vector() -> None:
    feed, embedder = ScriptedFeed(), ScriptedEmbedder()
    feed.write("pets", "\n".join(["a cat", "poison", *(f"dog {number}" for number in range(30))]))

    def fail(given: Sequence[str]) -> None:
        if "poison" in given:
            raise InvalidInputError("This text can't be embedded.")

    embedder.before = fail
    state = await service(MemoryIndex(), feed, embedder=embedder).build()
    assert (state.chunks, state.vectors_ready) == (32, 31)


async def test_a_vector_that_the_index_refuses_keeps_no_other_text_from_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed, embedder = ScriptedFeed(), ScriptedEmbedder()
    feed.write("pets", "\n".join(["a cat", "poison", *(f"dog {number}" for number in range(30))]))
    vector_of = embedder._vector

    def made(text: str) -> bytes:
        return array.array("f", [math.nan, 0.0]).tobytes() if "poison" in text else vector_of(text)

    monkeypatch.setattr(embedder, "_vector", made)
    state = await service(MemoryIndex(), feed, embedder=embedder).build()
    assert (state.chunks, state.vectors_ready) == (32, 31)


async def test_a_folder_that_is_unmounted_for_a_moment_costs_nothing() -> None:
    feed, index = ScriptedFeed(), MemoryIndex()
    for name, folder in (("a", "disk"), ("b", "disk"), ("c", "home"), ("d", "home")):
        feed.write(name, f"cat {name}", folder=folder)
    search = service(index, feed)
    async with running(search):
        assert len(await found(search, "cat")) == 4
        away = {name: feed.texts.pop(name) for name in ("a", "b", "d")}
        assert await found(search, "cat") == ["cat c"]
        await until(lambda: not index.texts("document://d"))
        assert index.texts("document://a") == ["cat a"]
        feed.texts |= away
        assert len(await found(search, "cat")) == 4
    assert sorted(feed.reads) == ["a", "b", "c", "d", "d"]


async def test_a_root_that_lists_nothing_costs_nothing_even_at_a_build() -> None:
    feed, index = ScriptedFeed(pets="a cat"), MemoryIndex()
    search = service(index, feed)
    await search.build()
    away, feed.texts = feed.texts, {}
    await search.build()
    feed.texts = away
    await search.build()
    assert feed.reads == ["pets"]


async def test_a_build_forgets_what_is_gone() -> None:
    feed, index = ScriptedFeed(pets="a cat", more="a dog"), MemoryIndex()
    search = service(index, feed, schedule=Schedule())
    await search.build()
    del feed.texts["pets"]
    state = await search.build()
    assert (state.sources_total, state.chunks) == (1, 1)


async def test_the_background_survives_whatever_goes_wrong() -> None:
    feed, index, embedder = ScriptedFeed(pets="a cat"), MemoryIndex(), ScriptedEmbedder()
    broken = True
    met: set[str] = set()

    def fail(method: str) -> None:
        if broken and method not in met:
            met.add(method)
            raise StorageError("No.") if len(met) % 2 else ZeroDivisionError

    index.before = fail
    search = service(index, feed, embedder=embedder, build="start")
    async with running(search):
        await until(lambda: {"known", "begin", "put", "without_vector", "put_vectors"} <= met)
        feed.failure = ZeroDivisionError()
        listed = feed.listed
        await until(lambda: feed.listed > listed or index.texts("document://pets"))
        feed.failure, broken = None, False
        feed.write("more", "a dog")
        assert await found(search, "dog") == ["a dog"]


async def test_the_background_builds_at_start_only_where_it_was_searched_before() -> None:
    feed, index = ScriptedFeed(pets="a cat"), MemoryIndex()
    async with running(service(index, feed)):
        await until(lambda: "known" in index.calls)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert feed.reads == []
    await service(index, feed).build()
    feed.write("more", "a dog")
    async with running(service(index, feed, build="search")):
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert "more" not in feed.reads
    async with running(service(index, feed)):
        await until(lambda: index.texts("document://more"))


async def test_a_background_that_never_builds_still_reads_what_a_search_needs() -> None:
    feed, index = ScriptedFeed(pets="a cat", more="a dog"), MemoryIndex()
    search = service(index, feed, build="never")
    async with running(search):
        assert await found(search, "cat", names=("pets",)) == ["a cat"]
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
    assert feed.reads == ["pets"]


async def test_the_background_looks_again_by_itself_after_a_search() -> None:
    feed, index = ScriptedFeed(pets="a cat"), MemoryIndex()
    search = service(index, feed)
    async with running(search):
        await found(search, "cat")
        feed.write("more", "a dog")
        await until(lambda: index.texts("document://more"))


async def test_when_nobody_searches_the_index_is_released() -> None:
    index = MemoryIndex()
    search = service(index, ScriptedFeed(pets="a cat"), schedule=Schedule(lately=0.0, known=0.0), build="start")
    async with running(search):
        await until(lambda: "release" in index.calls)
        calls = len(index.calls)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        assert len(index.calls) == calls


async def test_drop_forgets_everything() -> None:
    feed, index = ScriptedFeed(pets="a cat"), MemoryIndex()
    search = service(index, feed)
    await search.build()
    assert await search.drop() == 1
    assert (await index.size()).sources == 0
    assert await found(search, "cat") == ["a cat"]
