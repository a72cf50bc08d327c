"""Every tool through the front door, on the example data."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import EXAMPLE_DATA, connect, data_of, error_of, text_of, wire_chars

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import Client

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def client(cache: Path) -> AsyncIterator[Client]:
    async with connect(EXAMPLE_DATA, cache=cache) as connected:
        yield connected


@pytest.mark.slow
async def test_list_sources_names_every_table_and_document_with_its_size(client: Client) -> None:
    data = data_of(await client.call_tool("list_sources", {}))
    counts = {source["name"]: source.get("rows", source.get("pages")) for source in data["sources"]}
    assert {"trips": 4941, "weather": 183, "停留所": 24}.items() <= counts.items()
    assert {"passenger-handbook.pdf": 5, "運行案内.pdf": 3}.items() <= counts.items()


async def test_list_sources_filters_by_kind_and_by_glob(client: Client) -> None:
    data = data_of(await client.call_tool("list_sources", {"kind": "document", "pattern": "*.pdf"}))
    assert [source["name"] for source in data["sources"]] == ["passenger-handbook.pdf", "運行案内.pdf"]
    data = data_of(await client.call_tool("list_sources", {"pattern": "ridership/*"}))
    assert [source["name"] for source in data["sources"]] == ["trips", "weather"]


async def test_a_cp932_table_joins_a_utf8_one_and_both_channels_hold_the_rows(client: Client) -> None:
    sql = (
        "SELECT s.停留所名 AS stop, sum(t.boardings) AS boardings FROM trips t"
        " JOIN 停留所 s ON t.stop_no = s.停留所番号 GROUP BY ALL ORDER BY 2 DESC LIMIT 2"
    )
    result = await client.call_tool("query_tables", {"sql": sql})
    data = data_of(result)
    assert data["rows"] == [["港の里駅前", 295226], ["中央広場", 280769]]
    assert "港の里駅前,295226\n中央広場,280769\n" in text_of(result)
    assert {source["name"] for source in data["sources"]} == {"trips", "停留所"}
    assert all(source["modified"] and source["read_at"] for source in data["sources"])


@pytest.mark.slow
async def test_a_query_answer_is_cut_at_the_budget_and_its_cursor_yields_every_row_once(cache: Path) -> None:
    seen: list[list[object]] = []
    arguments = {"sql": "SELECT date, stop_no, line, boardings FROM trips WHERE line <> 'Canal'", "max_rows": 2_000}
    async with connect(EXAMPLE_DATA, cache=cache, budget={"max_chars": 20_000}) as client:
        while True:
            result = await client.call_tool("query_tables", arguments)
            data = data_of(result)
            assert wire_chars(result) <= 20_000
            seen += data["rows"]
            assert ("next_cursor" in data) is data["truncated"]
            if not data["truncated"]:
                break
            arguments["cursor"] = data["next_cursor"]
    with (EXAMPLE_DATA / "ridership" / "trips.csv").open(encoding="utf-8", newline="") as file:
        expected = [row[:4] for row in csv.reader(file) if row[2] in {"Harbour", "Hill"}]
    assert [[str(cell) if cell is not None else "" for cell in row] for row in seen] == expected


@pytest.mark.slow
async def test_all_tables_can_be_shown_though_one_is_broken_and_they_are_many(tmp_path: Path, cache: Path) -> None:
    for number in range(120):
        (tmp_path / f"a_table_with_a_long_name_{number:03}.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "broken.csv").write_bytes(b"\x00\x01\x02" * 100)
    async with connect(tmp_path, cache=cache) as client:
        for sql in ("SHOW TABLES", "SELECT DISTINCT table_name FROM information_schema.columns"):
            result = await client.call_tool("query_tables", {"sql": sql, "max_rows": 500})
            assert data_of(result)["row_count"] == 120
            assert wire_chars(result) <= 30_000


async def test_a_cursor_refuses_to_go_on_when_rows_come_in_another_order(client: Client) -> None:
    arguments = {"sql": "SELECT * FROM trips ORDER BY random()", "max_rows": 5}
    first = data_of(await client.call_tool("query_tables", arguments))
    second = await client.call_tool("query_tables", arguments | {"cursor": first["next_cursor"]})
    assert error_of(second)["code"] == "stale_cursor"


@pytest.mark.slow
async def test_describe_table_tells_encoding_types_nulls_and_ranges(client: Client) -> None:
    data = data_of(await client.call_tool("describe_table", {"table": "停留所"}))
    assert (data["rows"], data["encoding"]) == (24, "cp932")
    data = data_of(await client.call_tool("describe_table", {"table": "trips"}))
    columns = {column["name"]: column for column in data["columns"]}
    assert columns["date"]["type"] == "DATE"
    assert columns["boardings"]["nulls"] == 34
    assert (columns["date"]["min"], columns["date"]["max"]) == ("2025-04-01", "2025-09-30")


async def test_read_document_returns_the_pages_asked_for_in_english_and_japanese(client: Client) -> None:
    result = await client.call_tool("read_document", {"document": "passenger-handbook.pdf", "pages": "2"})
    data = data_of(result)
    assert [page["number"] for page in data["pages"]] == [2]
    assert "An adult single costs 210 yen" in data["pages"][0]["text"]
    assert data["pages"][0]["text"] in text_of(result)
    data = data_of(await client.call_tool("read_document", {"document": "運行案内.pdf", "pages": "3"}))
    assert "見つかった日から30日間" in data["pages"][0]["text"].replace("\n", "")


@pytest.mark.slow
async def test_following_the_continuation_of_a_document_loses_and_repeats_no_character(cache: Path) -> None:
    async with connect(EXAMPLE_DATA, cache=cache) as client:
        whole = data_of(await client.call_tool("read_document", {"document": "passenger-handbook.pdf"}))
    expected = {page["number"]: page["text"] for page in whole["pages"]}
    assert len(expected) == 5
    read: dict[int, str] = {}
    arguments = {"document": "passenger-handbook.pdf", "max_chars": 333}
    async with connect(EXAMPLE_DATA, cache=cache, budget={"max_chars": 4_000}) as client:
        while True:
            data = data_of(await client.call_tool("read_document", arguments))
            for page in data["pages"]:
                read[page["number"]] = read.get(page["number"], "") + page["text"]
            if not data["truncated"]:
                break
            arguments |= data["next"]
    assert read == expected


async def test_text_from_a_document_is_marked_as_untrusted_with_a_word_of_its_own(client: Client) -> None:
    arguments = {"document": "passenger-handbook.pdf", "pages": "1"}
    first = text_of(await client.call_tool("read_document", arguments))
    second = text_of(await client.call_tool("read_document", arguments))
    word = first.partition("«")[2].partition("»")[0]
    # Once in the warning, once around the title, once around the page.
    assert first.count(f"«{word}»") == 3
    assert first.count(f"«/{word}»") == 3
    assert word not in second


@pytest.mark.slow
async def test_an_edit_on_disk_is_in_the_very_next_answer(tmp_path: Path, cache: Path) -> None:
    table = tmp_path / "stock.csv"
    table.write_text("item,count\npen,1\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        sql = {"sql": "SELECT sum(count) FROM stock"}
        assert data_of(await client.call_tool("query_tables", sql))["rows"] == [[1]]
        table.write_text("item,count\npen,1\nink,41\n", encoding="utf-8")
        assert data_of(await client.call_tool("query_tables", sql))["rows"] == [[42]]
        (tmp_path / "new.csv").write_text("a\n7\n", encoding="utf-8")
        assert data_of(await client.call_tool("query_tables", {"sql": "FROM new"}))["rows"] == [[7]]
        table.unlink()
        assert (await client.call_tool("query_tables", sql)).is_error


@pytest.mark.slow
async def test_a_value_far_down_that_contradicts_the_first_rows_makes_no_query_fail(
    tmp_path: Path, cache: Path
) -> None:
    rows = 1_500_000  # past the size up to which a file is looked at whole
    with (tmp_path / "long.csv").open("w", encoding="utf-8") as file:
        file.write("n,code\n")
        file.writelines(f"{n},{n % 97}\n" for n in range(rows))
        file.write(f"{rows},A7\n")
    async with connect(tmp_path, cache=cache) as client:
        sql = "SELECT count(*), max(code) FROM long"
        assert data_of(await client.call_tool("query_tables", {"sql": sql}))["rows"] == [[rows + 1, "A7"]]
        assert data_of(await client.call_tool("describe_table", {"table": "long"}))["rows"] == rows + 1


@pytest.mark.slow
async def test_ragged_lines_and_preambles_are_told(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "ragged.csv").write_text("a,b,c\n1,2,3\n4,5\n6,7,8\n", encoding="utf-8")
    (tmp_path / "titled.csv").write_text("Sales of 2026\n\na,b,c\n1,2,3\n4,5,6\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        ragged = data_of(await client.call_tool("describe_table", {"table": "ragged"}))
        assert (ragged["rows"], ragged["examples"][1]) == (3, [4, 5, None])
        assert "differ in length" in ragged["notes"][0]
        titled = data_of(await client.call_tool("describe_table", {"table": "titled"}))
        assert titled["examples"] == [[1, 2, 3], [4, 5, 6]]
        assert "left out" in titled["notes"][0]


@pytest.mark.slow
async def test_the_list_of_many_sources_comes_in_pages_that_hold_each_once(tmp_path: Path, cache: Path) -> None:
    for number in range(230):
        (tmp_path / f"観測所_{number:03}.csv").write_text("a\n1\n", encoding="utf-8")
    seen: list[str] = []
    arguments: dict[str, str] = {}
    async with connect(tmp_path, cache=cache, models={"starter": False}) as client:
        while True:
            result = await client.call_tool("list_sources", arguments)
            data = data_of(result)
            assert wire_chars(result) <= 30_000
            seen += [source["name"] for source in data["sources"]]
            if not data["truncated"]:
                break
            arguments["cursor"] = data["next_cursor"]
        assert error_of(await client.call_tool("list_sources", {"cursor": "bogus"}))["code"] == "invalid_cursor"
    # All of one shape, so that their folder is a table, too.
    assert seen == [tmp_path.name, *(f"観測所_{number:03}" for number in range(230))]
