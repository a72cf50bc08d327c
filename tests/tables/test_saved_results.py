"""Whole results kept as files, read back as resources; and how long a statement may take."""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import BlobResourceContents

from tests.support.serving import EXAMPLE_DATA, connect, data_of, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import Client

pytestmark = pytest.mark.anyio

SQL = "SELECT date, stop_no, line, boardings FROM trips ORDER BY ALL"


@pytest.fixture(scope="module")
async def client(cache: Path) -> AsyncIterator[Client]:
    async with connect(EXAMPLE_DATA, cache=cache) as connected:
        yield connected


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
async def test_a_saved_result_is_whole_and_the_answer_links_to_it(client: Client, tmp_path: Path, form: str) -> None:
    result = await client.call_tool("query_tables", {"sql": SQL, "save": form, "max_rows": 3})
    data = data_of(result)
    saved = data["saved"]
    assert (len(data["rows"]), saved["rows"], saved["format"], data["truncated"]) == (3, 4_941, form, True)
    assert "next_cursor" not in data
    assert data["seconds"] > 0
    [link] = [block for block in result.content if block.type == "resource_link"]
    assert (link.uri, link.size) == (saved["uri"], saved["size"])
    assert saved["uri"] in text_of(result)
    [content] = (await client.read_resource(saved["uri"])).contents
    assert content.mime_type == link.mime_type
    if isinstance(content, BlobResourceContents):
        (tmp_path / "back.parquet").write_bytes(base64.b64decode(content.blob))
        with duckdb.connect() as connection:
            found = connection.execute(f"FROM '{tmp_path}/back.parquet'").fetchall()
        rows = [[str(row[0]), *row[1:]] for row in found]
    elif form == "csv":
        rows = [
            [row[0], int(row[1]), row[2], int(row[3] or 0)] for row in list(csv.reader(io.StringIO(content.text)))[1:]
        ]
    else:
        rows = [list(json.loads(line).values()) for line in content.text.splitlines()]
    assert rows[0] == data["rows"][0]
    assert len(rows) == 4_941


@pytest.mark.parametrize(
    "uri",
    [
        "result://nothing",
        "result://../tables/x",
        "result://%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "result:///etc/passwd",
        "result://" + "0" * 32,
        "result://" + "0" * 32 + ".csv",
        "file:///etc/passwd",
    ],
)
async def test_a_uri_that_names_no_result_is_an_error_that_names_it(client: Client, uri: str) -> None:
    with pytest.raises(MCPError) as caught:
        await client.read_resource(uri)
    assert caught.value.error.code == -32602
    assert caught.value.error.data == {"uri": uri}


@pytest.mark.slow
async def test_a_result_too_large_to_save_or_to_read_is_told_with_what_to_do(tmp_path: Path) -> None:
    tables: dict[str, Any] = {"max_result_bytes": 5_000_000, "max_result_read_bytes": 1_000}
    async with connect(EXAMPLE_DATA, cache=tmp_path, tables=tables) as client:
        arguments = {"sql": "SELECT i, hash(i) FROM range(1000000) t(i)", "save": "csv"}
        error = error_of(await client.call_tool("query_tables", arguments))
        assert "5,000,000 bytes" in error["message"]
        assert list((tmp_path / "results").iterdir()) == []
        saved = data_of(await client.call_tool("query_tables", {"sql": SQL, "save": "csv"}))["saved"]
        with pytest.raises(MCPError, match="1,000 can be read through the server") as caught:
            await client.read_resource(saved["uri"])
        assert saved["path"] in str(caught.value)


async def test_a_saved_result_keeps_what_json_would_bend(client: Client) -> None:
    sql = "SELECT 9007199254740993 AS big, 'NaN'::DOUBLE AS nan, 1.10::DECIMAL(10, 2) AS money, [1, NULL] AS list"
    saved = data_of(await client.call_tool("query_tables", {"sql": sql, "save": "parquet"}))["saved"]
    with duckdb.connect() as connection:
        described = connection.execute(f"DESCRIBE FROM '{saved['path']}'").fetchall()
    assert [kind for _, kind, *_ in described] == ["BIGINT", "DOUBLE", "DECIMAL(10,2)", "INTEGER[]"]


async def test_a_pivot_and_a_parameter_can_be_saved_and_a_plan_can_not(client: Client) -> None:
    arguments = {"sql": "PIVOT (FROM trips WHERE boardings > ?) ON line USING count(*)", "params": [2_000]}
    assert data_of(await client.call_tool("query_tables", arguments | {"save": "csv"}))["saved"]["rows"] > 0
    error = error_of(await client.call_tool("query_tables", {"sql": f"EXPLAIN {SQL}", "save": "csv"}))
    assert error["code"] == "sql_refused"
    error = error_of(await client.call_tool("query_tables", {"sql": SQL, "save": "csv", "cursor": "x"}))
    assert error["code"] == "invalid_input"


@pytest.mark.slow
async def test_a_call_may_ask_for_less_time_or_more_up_to_a_cap(client: Client) -> None:
    runaway = "SELECT count(*) FROM range(1000000000000) t(i)"
    error = error_of(await client.call_tool("query_tables", {"sql": runaway, "timeout_seconds": 0.5}))
    assert error["code"] == "deadline_exceeded"
    error = error_of(await client.call_tool("query_tables", {"sql": "SELECT 1", "timeout_seconds": 301}))
    assert "at most 300" in error["message"]
    assert data_of(await client.call_tool("query_tables", {"sql": "SELECT 1", "timeout_seconds": 300}))["rows"] == [[1]]


@pytest.mark.slow
async def test_a_long_statement_says_how_far_it_is(client: Client) -> None:
    told: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert total == 100
        told.append(progress)
        assert message == "running SQL"

    sql = "SELECT count(*) FROM range(300000000) t(i) WHERE hash(i) % 7 = 1"
    assert not (await client.call_tool("query_tables", {"sql": sql}, progress_callback=hear)).is_error
    assert told
    assert told == sorted(set(told))


async def test_the_pages_of_a_plan_hold_each_line_once(client: Client) -> None:
    arguments: dict[str, Any] = {"sql": "EXPLAIN SELECT line, count(*) FROM trips GROUP BY ALL ORDER BY ALL"}
    whole = data_of(await client.call_tool("query_tables", arguments))["rows"]
    seen: list[list[str]] = []
    while True:
        data = data_of(await client.call_tool("query_tables", arguments | {"max_rows": 4}))
        seen += data["rows"]
        assert len(data["rows"]) <= 4
        if not data["truncated"]:
            break
        arguments["cursor"] = data["next_cursor"]
    assert seen == whole
    assert len(whole) > 8


async def test_a_plan_names_files_without_their_folders(client: Client) -> None:
    result = await client.call_tool("query_tables", {"sql": "EXPLAIN ANALYZE SELECT max(rain_mm) FROM weather, trips"})
    assert data_of(result)["columns"] == [{"name": "plan", "type": "VARCHAR"}]
    assert "ggregate" in text_of(result)
    assert str(EXAMPLE_DATA) not in text_of(result)
