"""Engines of SQL: two of them, behind the same tools, give the same rows; what is live is never out of date."""

from __future__ import annotations

import json
import sqlite3
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client

from mcp_context_resources.cache import Cache
from mcp_server.server import create_server
from mcp_server.services import make_engines, make_workspace
from tests.support.serving import connect, data_of, error_of, settings_for, text_of
from tests.support.sqlite_engine import SqliteEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

ACCOUNTS = [(1, "harbour", 12.5), (2, "valley", 0.25), (3, 'it\'s "odd"', None), (4, "東京", -3.0)]
ENTRIES = [
    (number, 1 + number % 3, 100 * number, f"2026-{1 + number % 12:02}-{1 + number % 28:02}") for number in range(1, 61)
]


def script(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE accounts (id INTEGER, name TEXT, rate REAL)")
    connection.execute("CREATE TABLE entries (id INTEGER, account INTEGER, amount INTEGER, day TEXT)")
    connection.executemany("INSERT INTO accounts VALUES (?, ?, ?)", ACCOUNTS)
    connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", ENTRIES)
    connection.commit()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        script(connection)
    return path


@asynccontextmanager
async def live(database: Path, root: Path, cache: Path) -> AsyncIterator[Client]:
    """Serve a database by SQLite, beside the documents of a folder."""
    settings = settings_for(root, cache=cache)
    workspace = make_workspace(settings)
    engine = SqliteEngine(database, workspace, Cache(settings.storage.folder(), "results", 1 << 30))
    async with Client(create_server(settings, make_engines(settings, workspace, engine))) as client:
        yield client


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Client]:
    """Serve the same rows as files, by the local engine."""
    root = tmp_path / "files"
    root.mkdir()
    for table in ("accounts", "entries"):
        with closing(sqlite3.connect(root / f"{table}.db")) as connection:
            script(connection)
            other = "entries" if table == "accounts" else "accounts"
            connection.execute(f"DROP TABLE {other}")
    async with connect(root, cache=tmp_path / "cache of files") as client:
        yield client


@pytest.fixture
async def other(tmp_path: Path, database: Path) -> AsyncIterator[Client]:
    root = tmp_path / "documents"
    root.mkdir()
    (root / "note.md").write_text("# Rates\n\nRates are per month.\n", encoding="utf-8")
    async with live(database, root, tmp_path / "cache") as client:
        yield client


async def rows_of(client: Client, sql: str, **arguments: Any) -> list[list[Any]]:
    rows: list[list[Any]] = data_of(await client.call_tool("query_tables", {"sql": sql, **arguments}))["rows"]
    return rows


NOBODY = ["no\nsuch ' name"]
STATEMENTS: list[tuple[str, Any]] = [
    ("SELECT id, name, rate FROM accounts ORDER BY id", None),
    ("SELECT name FROM accounts WHERE id = $1 OR name = $2 ORDER BY 1", [1, 'it\'s "odd"']),
    ("SELECT count(*), sum(amount), min(day), max(day) FROM entries WHERE amount > ? AND day <> '?'", [900]),
    ("SELECT a.name, count(*) AS n FROM entries e JOIN accounts a ON a.id = e.account GROUP BY 1 ORDER BY n, 1", None),
    ("SELECT name, rate IS NULL AS gone, coalesce(rate, 0.5) FROM Accounts -- $no\nORDER BY id DESC LIMIT 2", None),
    ("WITH big AS (SELECT * FROM entries WHERE amount >= $least) SELECT avg(amount) FROM big", {"least": 3_000}),
    ("SELECT id, row_number() OVER (PARTITION BY account ORDER BY day, id) FROM entries ORDER BY id LIMIT 7", None),
    ("SELECT id FROM accounts EXCEPT SELECT account FROM entries ORDER BY 1", None),
    ("SELECT 1 + 1 AS two, 'a' || 'b' AS ab", None),
    ("SELECT name FROM accounts WHERE name = $1", NOBODY),
]


@pytest.mark.slow
async def test_both_engines_give_the_same_rows(local: Client, other: Client) -> None:
    for sql, params in STATEMENTS:
        given = {} if params is None else {"params": params}
        expected, found = await rows_of(local, sql, **given), await rows_of(other, sql, **given)
        assert [[int(cell) if isinstance(cell, bool) else cell for cell in row] for row in expected] == found, sql
        assert bool(found) == (params != NOBODY), sql


@pytest.mark.slow
async def test_pages_follow_one_another_alike(local: Client, other: Client) -> None:
    pages: list[list[list[list[Any]]]] = []
    for client in (local, other):
        arguments: dict[str, Any] = {"sql": "SELECT id, amount FROM entries ORDER BY id", "max_rows": 25}
        read = []
        while True:
            data = data_of(await client.call_tool("query_tables", arguments))
            read.append(data["rows"])
            if not data["truncated"]:
                break
            arguments["cursor"] = data["next_cursor"]
        pages.append(read)
    assert pages[0] == pages[1]
    assert [len(page) for page in pages[1]] == [25, 25, 10]


@pytest.mark.slow
async def test_results_are_saved_alike(local: Client, other: Client) -> None:
    for form in ("csv", "json"):
        saved = []
        for client in (local, other):
            arguments = {"sql": "SELECT id, amount, day FROM entries ORDER BY id", "save": form}
            told = data_of(await client.call_tool("query_tables", arguments))["saved"]
            assert told["rows"] == len(ENTRIES)
            saved.append(Path(told["path"]).read_text(encoding="utf-8"))
        parsed = [[json.loads(line) if form == "json" else line for line in text.splitlines()] for text in saved]
        assert parsed[0] == parsed[1]


@pytest.mark.slow
async def test_tables_are_described_alike(local: Client, other: Client) -> None:
    described = [data_of(await client.call_tool("describe_table", {"table": "accounts"})) for client in (local, other)]
    names = ("name", "type", "nulls", "distinct")
    columns = [[[column.get(name) for name in names] for column in one["columns"]] for one in described]
    assert columns[0] == columns[1]
    assert described[0]["rows"] == described[1]["rows"] == len(ACCOUNTS)


REFUSED = {
    "DELETE FROM accounts": "sql_refused",
    "SELECT * FROM accounts; DROP TABLE accounts": "sql_",
    "WITH x AS (SELECT 1) INSERT INTO accounts SELECT 9, 'x', 1 FROM x": "sql_",
    "SELECT nothing FROM accounts": "sql_error",
    "SELECT FROM WHERE": "sql_error",
    "SELECT $1": "invalid_input",
}


@pytest.mark.slow
async def test_what_one_engine_refuses_the_other_does(local: Client, other: Client) -> None:
    for client in (local, other):
        for sql, code in REFUSED.items():
            assert error_of(await client.call_tool("query_tables", {"sql": sql}))["code"].startswith(code), sql
        error = error_of(await client.call_tool("query_tables", {"sql": "SELECT * FROM acounts"}))
        assert error["hint"] == "Did you mean accounts?"
    assert await rows_of(other, "SELECT count(*) FROM accounts") == [[len(ACCOUNTS)]]


async def test_a_live_table_shows_each_change_at_once_and_says_that_it_is_live(other: Client, database: Path) -> None:
    async def names() -> list[list[Any]]:
        return await rows_of(other, "SELECT name FROM accounts ORDER BY id")

    assert len(await names()) == 4
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("INSERT INTO accounts VALUES (5, 'new', 1.0)")
        connection.execute("CREATE TABLE rates (a INTEGER)")
        connection.commit()
    assert (await names())[-1] == ["new"]
    result = await other.call_tool("list_sources", {"kind": "table"})
    listed = {source["name"]: source for source in data_of(result)["sources"]}
    assert listed.keys() == {"accounts", "entries", "rates"}
    assert (listed["accounts"]["rows"], listed["accounts"]["modified"]) == (5, "")
    assert "live" in text_of(await other.call_tool("query_tables", {"sql": "SELECT * FROM rates"}))


async def test_rows_that_change_between_pages_are_not_mixed(other: Client, database: Path) -> None:
    arguments: dict[str, Any] = {"sql": "SELECT id, amount FROM entries ORDER BY id", "max_rows": 10}
    cursor = data_of(await other.call_tool("query_tables", arguments))["next_cursor"]
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE entries SET amount = 7 WHERE id = 3")
        connection.commit()
    assert error_of(await other.call_tool("query_tables", arguments | {"cursor": cursor}))["code"] == "stale_cursor"


@pytest.mark.slow
async def test_prompts_and_resources_write_sql_that_the_engine_reads(other: Client) -> None:
    prompt = await other.get_prompt("explore_table", {"table": "entries"})
    text = "\n".join(message.content.text for message in prompt.messages if message.content.type == "text")
    assert "GROUP BY ALL" not in text
    assert "quantile(" in text
    [content] = (await other.read_resource("table://accounts")).contents
    assert "harbour" in content.text  # type: ignore[union-attr] # Markdown
    chart = await other.call_tool("plot_query", {"sql": "SELECT account, sum(amount) AS s FROM entries GROUP BY 1"})
    assert not chart.is_error, text_of(chart)


@pytest.mark.slow
async def test_the_documents_beside_are_served_and_what_needs_files_of_rows_says_so(other: Client) -> None:
    page = data_of(await other.call_tool("read_document", {"document": "note.md"}))
    assert "Rates are per month" in page["pages"][0]["text"]
    arguments = {"sql": "SELECT name FROM accounts", "task": "classify", "labels": ["a", "b"]}
    error = error_of(await other.call_tool("map_rows", arguments))
    assert error["code"] in {"invalid_input", "model_unavailable"}
    found = data_of(await other.call_tool("search", {"query": "rates per month"}))
    assert {hit["source"] for hit in found["hits"]} == {"note.md"}
