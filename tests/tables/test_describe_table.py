"""What `describe_table` finds out: keys, frequent values, join partners; on large tables from a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.support.serving import EXAMPLE_DATA, connect, data_of, text_of, wire_chars

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def columns_of(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in data["columns"]}


async def test_keys_frequent_values_and_dialect_are_told(tmp_path: Path, cache: Path) -> None:
    lines = "".join(f"{n};{'ABA'[n % 3]};{n % 2}\n" for n in range(1, 31))
    (tmp_path / "t.csv").write_text(f"no;grade;v\n{lines}", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        result = await client.call_tool("describe_table", {"table": "t"})
    data = data_of(result)
    columns = columns_of(data)
    assert columns["no"]["unique"] is True
    assert "unique" not in columns["grade"]
    assert columns["grade"]["most_frequent"] == [["A", 20], ["B", 10]]
    assert "most_frequent" not in columns["no"]
    assert data["dialect"] == "separated by semicolons, with a header"
    assert "A (20); B (10)" in text_of(result)


@pytest.mark.slow
async def test_a_column_joins_with_the_table_whose_key_holds_its_values_whatever_the_names(cache: Path) -> None:
    async with connect(EXAMPLE_DATA, cache=cache) as client:
        result = await client.call_tool("describe_table", {"table": "trips"})
        partners = {(p["column"], p["table"], p["other_column"]): p for p in data_of(result)["join_partners"]}
        assert set(partners) == {("date", "weather", "date"), ("stop_no", "停留所", "停留所番号")}
        found = partners["stop_no", "停留所", "停留所番号"]
        assert (found["found"], found["checked"], found["same_name"], found["unique"]) == (24, 24, False, "there")
        assert "Joins: stop_no = 停留所.停留所番号 (24 of 24" in text_of(result)
        back = data_of(await client.call_tool("describe_table", {"table": "停留所"}))["join_partners"]
        assert ("停留所番号", "trips", "stop_no", "here") in [
            (p["column"], p["table"], p["other_column"], p["unique"]) for p in back
        ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mine", "theirs", "joined"),
    [
        # Numbers from one on are in every numbering.
        (("quantity", range(1, 11)), ("id", range(1, 41)), False),
        (("item_id", range(1, 11)), ("id", range(1, 41)), True),
        (("item", range(501, 511)), ("id", range(500, 540)), True),
        # Names alone, without values in common, are no evidence.
        (("code", ["a1", "a2", "a3"]), ("code", ["b1", "b2", "b3"]), False),
        (("name", ["p", "q", "r", "s", "t", "u"]), ("title", ["p", "q", "r", "s", "t", "u", "v"]), True),
        # Where neither side is unique, a join multiplies rows.
        (("area", ["x", "x", "y"]), ("area", ["x", "y", "y"]), False),
    ],
)
async def test_join_partners_need_evidence(
    tmp_path: Path, cache: Path, mine: tuple[str, Any], theirs: tuple[str, Any], joined: bool
) -> None:
    for name, (column, values) in (("orders", mine), ("items", theirs)):
        rows = "".join(f"{value},{name}{place // 2}\n" for place, value in enumerate(values))
        (tmp_path / f"{name}.csv").write_text(f"{column},note\n{rows}", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        data = data_of(await client.call_tool("describe_table", {"table": "orders"}))
    assert bool(data.get("join_partners")) is joined


@pytest.mark.slow
async def test_a_table_of_hundreds_of_columns_is_described(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "wide.csv").write_text(
        f"{','.join(f'c{n}' for n in range(230))}\n{','.join(map(str, range(230)))}\n{',' * 229}\n"
    )
    async with connect(tmp_path, cache=cache) as client:
        data = data_of(await client.call_tool("describe_table", {"table": "wide"}))
    columns = columns_of(data)
    assert len(columns) == 230
    assert (columns["c0"]["min"], columns["c199"]["max"], columns["c120"]["distinct"]) == ("0", "199", 1)
    assert columns["c120"]["nulls"] == 1
    assert columns["c229"]["min"] is None
    assert "Only the first 200 columns were measured." in data["notes"]


@pytest.mark.slow
async def test_a_large_table_is_measured_by_a_sample_and_the_answer_says_so(tmp_path: Path, cache: Path) -> None:
    columns = ", ".join(f"i + {n} AS c{n}" for n in range(59))
    with duckdb.connect() as connection:
        path = tmp_path / "large.parquet"
        connection.execute(f"COPY (SELECT i % 3 AS g, {columns} FROM range(700000) t(i)) TO '{path}' (FORMAT parquet)")
    async with connect(tmp_path, cache=cache) as client:
        result = await client.call_tool("describe_table", {"table": "large"})
    data = data_of(result)
    assert data["rows"] == 700_000
    assert 10_000 <= data["measured_rows"] < 100_000
    assert "chosen at random" in data["notes"][0]
    assert columns_of(data)["g"]["distinct"] == 3
    assert wire_chars(result) <= 30_000
