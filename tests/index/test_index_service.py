"""A search answers with what is on disk now, tells what is missing, and never serves what is stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from mcp_context_resources.errors import (
    BusyError,
    ContextError,
    InvalidInputError,
    ModelUnavailableError,
    NotFoundError,
    StorageError,
)
from mcp_context_resources.index.service import SearchRequest
from mcp_context_resources.index.spec import Chunk, Ending
from mcp_context_resources.index.sync.schedule import Schedule
from tests.support.memory_index import MemoryIndex
from tests.support.scripted_feeds import CheckedFeed, ScriptedEmbedder, ScriptedFeed
from tests.support.searching import found, service, texts

if TYPE_CHECKING:
    from collections.abc import Sequence


pytestmark = pytest.mark.anyio


async def test_a_first_search_reads_what_is_there_and_finds_it() -> None:
    feed = ScriptedFeed(pets="the cat sleeps\nthe dog barks", 天気="東京は雨")
    search = service(MemoryIndex(), feed)
    assert await found(search, "dog") == ["the dog barks"]
    assert await found(search, "雨") == ["東京は雨"]
    assert sorted(feed.reads) == ["pets", "天気"]


async def test_a_changed_file_answers_with_what_it_says_now() -> None:
    feed = ScriptedFeed(pets="the cat sleeps")
    index = MemoryIndex()
    search = service(index, feed)
    assert await found(search, "cat") == ["the cat sleeps"]
    feed.write("pets", "the cat wakes")
    assert await found(search, "cat") == ["the cat wakes"]
    assert index.texts("document://pets") == ["the cat wakes"]


async def test_a_version_that_cant_be_read_in_time_is_left_out_and_named_rather_than_served_stale() -> None:
    feed = ScriptedFeed(old="the cat sleeps", other="a cat elsewhere")
    search = service(MemoryIndex(), feed, wait_seconds=0.05)
    await search.build()
    feed.write("old", "the cat wakes")
    feed.gates["old"] = anyio.Event()
    results = await search.search(SearchRequest("cat"))
    assert texts(results) == ["a cat elsewhere"]
    assert results.left_out == ("old",)
    assert "1 of 2 sources is still being read: old." in results.notes
    feed.gates["old"].set()
    assert sorted(await found(search, "cat")) == ["a cat elsewhere", "the cat wakes"]


async def test_a_deleted_file_doesnt_answer_even_while_the_index_still_holds_it() -> None:
    feed = ScriptedFeed(pets="the cat sleeps", more="a cat more")
    index = MemoryIndex()
    search = service(index, feed)
    assert len(await found(search, "cat")) == 2
    del feed.texts["pets"]
    assert await found(search, "cat") == ["a cat more"]
    assert index.texts("document://pets") == ["the cat sleeps"]


@pytest.mark.parametrize("make", [ScriptedFeed, CheckedFeed])
async def test_a_file_that_changes_while_the_index_is_asked_is_read_again(make: type[ScriptedFeed]) -> None:
    feed, index = make(pets="the cat sleeps", more="a cat more"), MemoryIndex()
    search = service(index, feed)
    await search.build()

    def change(method: str) -> None:
        if method == "search":
            index.before = lambda _method: None
            feed.write("pets", "the cat wakes")

    index.before = change
    assert sorted(await found(search, "cat")) == ["a cat more", "the cat wakes"]


@pytest.mark.parametrize("make", [ScriptedFeed, CheckedFeed])
async def test_a_file_deleted_while_the_index_is_asked_doesnt_answer(make: type[ScriptedFeed]) -> None:
    feed, index = make(pets="the cat sleeps", more="a cat more"), MemoryIndex()
    search = service(index, feed)
    await search.build()
    index.before = lambda method: feed.texts.pop("pets", None) if method == "search" else None
    results = await search.search(SearchRequest("cat"))
    assert texts(results) == ["a cat more"]
    assert results.state.sources_total == 1


async def test_a_file_that_changes_at_every_look_is_left_out() -> None:
    feed, index = ScriptedFeed(log="a cat 0", more="a cat more"), MemoryIndex()
    search = service(index, feed)
    await search.build()
    count = iter(range(1, 100))
    index.before = lambda method: feed.write("log", f"a cat {next(count)}") if method == "search" else None
    results = await search.search(SearchRequest("cat"))
    assert texts(results) == ["a cat more"]
    assert results.left_out == ("log",)
    assert any("changed meanwhile: log" in note for note in results.notes)


async def test_a_search_asks_for_the_words_of_what_it_has_just_had_read_and_of_nothing_else() -> None:
    feed, index = ScriptedFeed(log="a cat", pets="a cat, too"), MemoryIndex()
    search = service(index, feed)
    await search.search(SearchRequest("cat"))
    feed.write("log", "a new cat")
    await search.search(SearchRequest("cat"))
    await search.search(SearchRequest("cat", marked=3))
    assert [len(query.fresh) for query in index.queries] == [2, 1, 0]
    assert index.queries[1].fresh[0].endswith("log")
    assert [query.marked for query in index.queries] == [50, 50, 3]


async def test_sources_that_cant_be_found_by_their_words_yet_are_told() -> None:
    feed, index = ScriptedFeed(log="a cat"), MemoryIndex()
    search = service(index, feed)
    assert (await search.search(SearchRequest("cat"))).notes == (
        "There is no embedding model, so the search is by words alone.",
    )
    index.store.index_lag = 1
    assert (
        "1 source is still being sorted into the index of words." in (await search.search(SearchRequest("cat"))).notes
    )
    index.store.index_lag = 2
    assert (
        "2 sources are still being sorted into the index of words." in (await search.search(SearchRequest("cat"))).notes
    )


async def test_places_of_words_are_told_of_hits_afterwards() -> None:
    search = service(MemoryIndex(), ScriptedFeed(log="a cat", pets="the cat"))
    hits = (await search.search(SearchRequest("cat", marked=0))).answer.hits
    marked = await search.mark("cat", hits)
    assert [hit.chunk.text[slice(*hit.matched[0])] for hit in marked] == ["cat", "cat"]
    assert [hit.score for hit in marked] == [hit.score for hit in hits]


async def test_vectors_find_what_shares_no_word_with_the_question() -> None:
    feed, embedder, index = ScriptedFeed(pets="猫が寝る", sky="雨が降る"), ScriptedEmbedder(), MemoryIndex()
    index.store.least_near = 0.1
    search = service(index, feed, embedder=embedder)
    state = await search.build()
    assert state.vectors_ready == state.chunks == 2
    results = await search.search(SearchRequest("a cat"))
    assert texts(results) == ["猫が寝る"]
    assert results.mode == "hybrid"
    assert results.notes == ()


async def test_while_vectors_are_being_made_the_search_is_by_words_and_says_so() -> None:
    feed, index = ScriptedFeed(), MemoryIndex()
    feed.write("pets", "\n".join(f"cat number {number}" for number in range(50)))
    embedder = ScriptedEmbedder()
    search = service(index, feed, embedder=embedder)
    await search.build(vectors=False)
    results = await search.search(SearchRequest("number"))
    assert results.mode == "lexical"
    assert any("No vectors are made yet" in note for note in results.notes)
    assert embedder.queries == []
    await index.put_vectors("two-things", [p.digest for p in await index.without_vector("two-things", 25)], b"\0" * 200)
    results = await service(index, feed, embedder=embedder).search(SearchRequest("number"))
    assert results.mode == "hybrid"
    assert "So far 50 % of the passages were compared by meaning, all of them by words." in results.notes


async def test_without_a_model_the_search_is_by_words_and_says_so() -> None:
    search = service(MemoryIndex(), ScriptedFeed(pets="a cat"))
    results = await search.search(SearchRequest("cat", mode="vector"))
    assert (texts(results), results.mode) == (["a cat"], "lexical")
    assert any("no embedding model" in note for note in results.notes)


async def test_a_model_that_fails_costs_the_vectors_only() -> None:
    feed, embedder = ScriptedFeed(pets="a cat"), ScriptedEmbedder()
    search = service(MemoryIndex(), feed, embedder=embedder)
    await search.build()

    def fail(given: Sequence[str]) -> None:
        raise ModelUnavailableError("The model is broken.", "Get another.")

    embedder.before = fail
    results = await search.search(SearchRequest("cat"))
    assert (texts(results), results.mode) == (["a cat"], "lexical")
    assert "The search is by words alone: The model is broken. Get another." in results.notes
    feed.write("more", "a dog")
    state = await search.build()
    assert (state.sources_ready, state.vectors_ready) == (2, 1)
    assert "The model is broken. Get another." in state.notes


async def test_a_model_of_another_dimension_takes_the_place_of_the_old_one() -> None:
    index, feed = MemoryIndex(), ScriptedFeed(pets="猫が寝る")
    await service(index, feed, embedder=ScriptedEmbedder()).build()
    search = service(index, feed, embedder=ScriptedEmbedder("of-four", 4))
    results = await search.search(SearchRequest("猫"))
    assert (texts(results), results.mode) == (["猫が寝る"], "lexical")
    assert any("by the present model" in note for note in results.notes)
    await search.build()
    search = service(index, feed, embedder=ScriptedEmbedder("of-four", 4))
    assert (await search.search(SearchRequest("a cat"))).mode == "hybrid"


async def test_a_model_that_changes_its_dimension_under_the_same_name_costs_the_vectors_only() -> None:
    index, feed = MemoryIndex(), ScriptedFeed(pets="a cat")
    await service(index, feed, embedder=ScriptedEmbedder()).build()
    results = await service(index, feed, embedder=ScriptedEmbedder(size=4)).search(SearchRequest("cat"))
    assert (texts(results), results.mode) == (["a cat"], "lexical")
    assert any("differ in length" in note for note in results.notes)


async def test_a_reranking_model_sorts_the_best_hits() -> None:
    feed, embedder = ScriptedFeed(pets="a cat and a dog\na cat\na cat and a bird"), ScriptedEmbedder()
    embedder.scores = lambda text: float("bird" in text)
    search = service(MemoryIndex(), feed, embedder=embedder)
    await search.build()
    results = await search.search(SearchRequest("cat and dog"))
    assert texts(results)[0] == "a cat and a bird"
    scores = [hit.score for hit in results.answer.hits]
    assert scores == sorted(scores, reverse=True)
    plain = service(MemoryIndex(), feed, embedder=embedder, rerank="off")
    assert (await found(plain, "cat and dog"))[0] == "a cat and a dog"


async def test_filters_choose_who_may_answer() -> None:
    documents, tables = ScriptedFeed(), ScriptedFeed("table")
    day = 86_400 * 10**9
    documents.write("Report-2025.pdf", "a cat in a report", modified=0, folder="reports/2025")
    documents.write("レポート.pdf", "a cat in a レポート", modified=day, folder="reports/2026")
    documents.write("notes.txt", "a cat in notes", modified=2 * day)
    tables.write("pets", "a cat in a row", modified=2 * day, folder="data")
    search = service(MemoryIndex(), documents, tables)
    expected: dict[str, dict[str, Any]] = {
        "report": {"pattern": "report"},
        "japanese": {"pattern": "*レポ*.pdf"},
        "folder": {"folder": "Reports/2026/"},
        "kind": {"kind": "table"},
        "after": {"modified_after": "1970-01-03", "kind": "document"},
        "before": {"modified_before": "1970-01-02T09:00:00+09:00"},
        "names": {"names": ("table://pets", "NOTES.TXT")},
        "glob": {"names": ("*.pdf",)},
    }
    answers = {name: sorted(await found(search, "cat", **request)) for name, request in expected.items()}
    report, japanese, note, row = "a cat in a report", "a cat in a レポート", "a cat in notes", "a cat in a row"
    assert answers == {
        "report": sorted([report, japanese]),
        "japanese": [japanese],
        "folder": [japanese],
        "kind": [row],
        "after": [note],
        "before": [report],
        "names": sorted([note, row]),
        "glob": sorted([report, japanese]),
    }


async def test_filters_that_nothing_passes_and_an_empty_folder_find_nothing() -> None:
    index = MemoryIndex()
    results = await service(index, ScriptedFeed(pets="a cat")).search(SearchRequest("cat", kind="table"))
    assert (texts(results), results.searched, results.state.sources_total) == ([], 0, 1)
    results = await service(index, ScriptedFeed()).search(SearchRequest("cat"))
    assert (texts(results), results.searched, results.state.sources_total) == ([], 0, 0)
    assert (await service(MemoryIndex(), ScriptedFeed()).build()).sources_total == 0


async def test_an_unknown_source_is_told_with_near_names_and_a_wrong_date_with_a_right_one() -> None:
    search = service(MemoryIndex(), ScriptedFeed(handbook="a cat"))
    with pytest.raises(NotFoundError) as unknown:
        await search.search(SearchRequest("cat", names=("handbok",)))
    assert unknown.value.hint == "Did you mean handbook?"
    for wrong in ("yesterday", "2026-13-01", "99999-01-01"):
        with pytest.raises(InvalidInputError):
            await search.search(SearchRequest("cat", modified_after=wrong))


async def test_a_folder_that_is_not_there_is_told_with_near_ones() -> None:
    feed = ScriptedFeed()
    search = service(MemoryIndex(), feed)
    assert (await search.search(SearchRequest("cat", folder="reports"))).searched == 0
    feed.write("a.pdf", "a cat", folder="reports/2026")
    assert await found(search, "cat", folder="./reports/old/../2026/") == ["a cat"]
    for folder, near in (("report", "reports"), ("reports/2025", "reports/2026"), ("..", "reports")):
        with pytest.raises(NotFoundError, match="no folder") as unknown:
            await search.search(SearchRequest("cat", folder=folder))
        assert near in unknown.value.hint


async def test_a_place_in_a_source_names_the_source() -> None:
    feed, tables = ScriptedFeed(), ScriptedFeed("table")
    feed.write("guide.md", "a cat")
    feed.write("page/3", "a cat on page three")
    tables.write("pets", "a cat in a row")
    search = service(MemoryIndex(), feed, tables)
    for name, answer in (
        ("document://guide.md/page/3#chars=1-9", "a cat"),
        ("document://guide.md#page=3", "a cat"),
        ("document://page/3", "a cat on page three"),
        ("document://page/3/page/1", "a cat on page three"),
        ("table://pets#row=3", "a cat in a row"),
    ):
        assert await found(search, "cat", names=(name,)) == [answer]
    with pytest.raises(NotFoundError):
        await search.search(SearchRequest("cat", names=("document://gone.md/page/3#chars=1-9",)))


async def test_it_tells_how_many_sources_another_search_may_find_read() -> None:
    feed = ScriptedFeed(pets="a cat", slow="a slow cat")
    feed.gates["slow"] = anyio.Event()
    search = service(MemoryIndex(), feed, wait_seconds=0.05)
    results = await search.search(SearchRequest("slow", names=("slow",)))
    assert (results.searched, results.reading, results.left_out) == (0, 1, ("slow",))
    feed.gates["slow"].set()
    await search.build()
    assert (await search.search(SearchRequest("slow", names=("slow",)))).reading == 0


async def test_a_feed_that_fails_leaves_the_others_answering_and_loses_nothing() -> None:
    documents, tables, index = ScriptedFeed(pets="a cat"), ScriptedFeed("table", rows="a cat in a row"), MemoryIndex()
    search = service(index, documents, tables)
    await search.build()
    tables.failure = BusyError("All table workers are busy.", "Try again.")
    results = await search.search(SearchRequest("cat"))
    assert texts(results) == ["a cat"]
    assert "All table workers are busy. Try again." in results.notes
    documents.failure = ZeroDivisionError()
    with pytest.raises(ContextError):
        await search.search(SearchRequest("cat"))
    documents.failure = tables.failure = None
    assert len(await found(search, "cat")) == 2
    assert tables.reads == ["rows"]


async def test_a_full_disk_leaves_what_is_indexed_answering() -> None:
    feed, index = ScriptedFeed(pets="a cat"), MemoryIndex()
    search = service(index, feed)
    await search.build()
    feed.write("more", "another cat")

    def full(method: str) -> None:
        if method == "put":
            raise StorageError("The disk is full.", "Make room.")

    index.before = full
    results = await search.search(SearchRequest("cat"))
    assert texts(results) == ["a cat"]
    assert "New and changed files can't be taken in: The disk is full. Make room." in results.notes
    with pytest.raises(StorageError):
        await search.build()
    index.before = lambda _method: None
    results = await search.search(SearchRequest("cat"))
    assert len(texts(results)) == 2
    assert not any("disk" in note for note in results.notes)


@pytest.mark.parametrize("identity", ["1", "2"])
@pytest.mark.parametrize("request_", [SearchRequest("cat"), SearchRequest("cat", kind="document")])
async def test_an_index_lost_under_way_is_made_again_by_the_search_that_finds_it_gone(
    identity: str, request_: SearchRequest
) -> None:
    feed, index = ScriptedFeed(pets="a cat", more="a cat more", empty=""), MemoryIndex()
    search = service(index, feed, schedule=Schedule(), build="never")
    await search.search(request_)
    for _ in range(2):
        index.lose(identity)
        results = await search.search(request_)
        assert sorted(texts(results)) == ["a cat", "a cat more"]
        assert (results.searched, results.reading, results.answer.chunks) == (3, 0, 2)
    asked = len(index.queries)
    assert len(texts(await search.search(request_))) == 2
    assert len(index.queries) == asked + 1


async def test_an_index_in_the_place_of_another_is_looked_through_even_where_it_holds_as_much() -> None:
    feed, index = ScriptedFeed(pets="a cat", more="a cat more"), MemoryIndex()
    search = service(index, feed, schedule=Schedule())
    await search.build()
    assert len(await found(search, "cat")) == 2
    index.lose()
    old = service(index, ScriptedFeed(gone="a dog gone", rest="the rest"), schedule=Schedule())
    await old.build()
    assert sorted(await found(search, "cat")) == ["a cat", "a cat more"]


async def test_what_failed_of_a_lost_index_is_tried_again_at_once_in_the_new_one() -> None:
    feed, index = ScriptedFeed(pets="a cat", more="a cat more"), MemoryIndex()
    search = service(index, feed, schedule=Schedule(retry=1_000.0))
    await search.build()
    assert len(await found(search, "cat")) == 2
    failures = 0

    def fail(method: str) -> None:
        nonlocal failures
        if method == "put" and failures < 2:
            failures += 1
            raise StorageError("The search index can't be used.")

    index.before = fail
    feed.write("third", "a third cat")
    assert (await search.search(SearchRequest("cat"))).left_out == ("third",)
    index.lose()
    results = await search.search(SearchRequest("cat"))
    assert failures == 2
    assert sorted(texts(results)) == ["a cat", "a cat more", "a third cat"]
    assert results.reading == 0
    assert not any("taken in" in note for note in results.notes)


async def test_that_the_index_was_made_anew_is_told_once_each_time() -> None:
    feed, index = ScriptedFeed(pets="a cat"), MemoryIndex()
    search = service(index, feed)
    told = []
    for lost in (False, True, False, True, False):
        if lost:
            index.lose(index.store.identity + "1")
            index.store.notes = ("It had to be made anew.",)
        told.append("It had to be made anew." in (await search.search(SearchRequest("cat"))).notes)
    assert told == [False, True, False, True, False]


async def test_why_words_cant_be_sorted_in_is_told_with_what_was_found() -> None:
    index = MemoryIndex()
    search = service(index, ScriptedFeed(pets="a cat"))
    index.store.index_lag, index.store.problem = 1, "The disk is full. Make room."
    results = await search.search(SearchRequest("cat"))
    assert texts(results) == ["a cat"]
    assert "New words can't be sorted in: The disk is full. Make room." in results.notes


async def test_an_index_that_cant_be_asked_is_an_error() -> None:
    index = MemoryIndex()
    search = service(index, ScriptedFeed(pets="a cat"))
    for method in ("known", "search"):

        def broken(called: str, method: str = method) -> None:
            if called == method:
                raise StorageError("The index is broken.", "Remove it.")

        index.before = broken
        with pytest.raises(StorageError):
            await search.search(SearchRequest("cat"))


@pytest.mark.slow
async def test_twenty_thousand_current_sources_cost_a_search_no_question_to_the_index_about_them() -> None:
    feed, index = ScriptedFeed(), MemoryIndex()
    for number in range(20_000):
        feed.write(f"file{number}", f"cat {number}")
        source = feed.source(f"file{number}")
        await index.begin(source)
        await index.put(source, 0, [Chunk("text", f"cat {number}", page=1)], Ending())
    search = service(index, feed, schedule=Schedule())
    state = await search.build()
    assert (state.sources_ready, state.chunks) == (20_000, 20_000)
    index.calls.clear()
    feed.reads.clear()
    results = await search.search(SearchRequest("cat", most=5))
    assert len(results.answer.hits) == 5
    assert "known" not in index.calls
    assert feed.reads == []
    assert index.queries[-1].sources is None
    feed.write("file7", "a changed dog")
    assert await found(search, "dog") == ["a changed dog"]
    assert feed.reads == ["file7"]


async def test_what_a_feed_says_of_a_source_is_told_with_its_hits() -> None:
    feed = ScriptedFeed(long="a cat", other="a dog")
    feed.notes["long"] = "only its beginning can be searched."
    search = service(MemoryIndex(), feed)
    assert "long: only its beginning can be searched." in (await search.search(SearchRequest("cat"))).notes
    assert (await search.search(SearchRequest("dog"))).notes == (
        "There is no embedding model, so the search is by words alone.",
    )


@pytest.mark.slow
async def test_a_build_ends_when_all_words_are_sorted_in_and_tells_how_far_that_is() -> None:
    index, told = MemoryIndex(), list[tuple[float, float | None, str | None]]()
    index.store.index_lag = 3

    def sort_one(method: str) -> None:
        index.store.index_lag -= method == "search" and index.store.index_lag > 0

    async def report(done: float, total: float | None = None, message: str | None = None) -> None:
        told.append((done, total, message))

    index.before = sort_one
    await service(index, ScriptedFeed(one="a cat")).build(on_progress=report, vectors=False)
    assert index.store.index_lag == 0
    words = [one for one in told if one[2] is not None and one[2].startswith("sorting")]
    assert words == [(0, 2, "sorting in the words of 2 files"), (1, 2, "sorting in the words of 2 files")]


async def test_where_nothing_is_found_what_was_left_out_of_sources_is_told_by_a_later_server_too() -> None:
    index, feed = MemoryIndex(), ScriptedFeed(long="a cat", other="a dog")
    feed.notes["long"] = "only its beginning can be searched."
    await service(index, feed).build()
    results = await service(index, feed).search(SearchRequest("bird", mode="lexical"))
    assert not results.answer.hits
    assert "long: only its beginning can be searched." in results.notes
