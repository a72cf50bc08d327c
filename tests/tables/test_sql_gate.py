"""What SQL may do through `query_tables` and what not: it reads the tables, and nothing else, within bounds."""

from __future__ import annotations

import base64
import json
import multiprocessing
from typing import TYPE_CHECKING, Any

import anyio
import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_context_resources.tables.duckdb_engine.connections import connection_for
from mcp_context_resources.tables.spec import EngineLimits, TableSpec
from mcp_context_resources.workers.job import CallBoard, Job
from tests.support.files import folder_bytes
from tests.support.serving import connect, data_of, error_of, text_of
from tests.support.sql_statements import REACHING, READING, WRITING, Place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import Client

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    base = tmp_path_factory.mktemp("gate")
    place = Place(base, base / "cache")
    place.write()
    return place


@pytest.fixture(scope="module")
async def client(place: Place) -> AsyncIterator[Client]:
    async with connect(place.root, cache=place.cache) as connected:
        # Both workers are started, and the UTF-8 copy and the spill folders are made, before anything is compared.
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(rows_of, connected, "FROM 売上, sales WHERE sleep_ms(50) IS NULL")
        yield connected


@pytest.fixture(scope="module")
def spill(client: Client, place: Place) -> str:
    """Return a spill folder that really exists."""
    return str(min((place.cache / "spill").iterdir()))


async def rows_of(client: Client, sql: str, params: Any = None, **arguments: Any) -> list[list[Any]]:
    if params is not None:
        arguments["params"] = params
    rows: list[list[Any]] = data_of(await client.call_tool("query_tables", {"sql": sql, **arguments}))["rows"]
    return rows


async def failure_of(client: Client, sql: str, params: Any = None, **arguments: Any) -> dict[str, str]:
    if params is not None:
        arguments["params"] = params
    return error_of(await client.call_tool("query_tables", {"sql": sql, **arguments}))


@pytest.mark.slow
@pytest.mark.parametrize(("sql", "rows"), READING)
async def test_a_reading_statement_runs(client: Client, sql: str, rows: list[list[Any]]) -> None:
    assert sorted(await rows_of(client, sql), key=repr) == sorted(rows, key=repr)


@pytest.mark.parametrize(
    "sql", ["DESCRIBE sales", "SHOW sales", "DESC main.sales", 'DESCRIBE "sales"', "DESCRIBE FROM sales"]
)
async def test_describe_names_the_columns_of_a_table_in_every_spelling(client: Client, sql: str) -> None:
    assert [row[0] for row in await rows_of(client, sql)] == ["id", "region", "day", "amount", "note"]


@pytest.mark.parametrize("sql", ["SHOW ALL TABLES", "SHOW", "DESCRIBE"])
async def test_show_lists_every_table_with_its_columns(client: Client, sql: str) -> None:
    listed = {row[2]: row[3] for row in await rows_of(client, sql)}
    assert listed["売上"] == ["地域", "金額"]
    assert len(listed) == 5


@pytest.mark.parametrize("sql", WRITING)
async def test_a_statement_that_is_not_one_reading_query_is_refused_and_writes_nothing(
    client: Client, place: Place, spill: str, sql: str
) -> None:
    before = folder_bytes(place.base)
    error = await failure_of(client, place.fill(sql, spill))
    assert error["code"] == "sql_refused"
    assert error["hint"]
    assert folder_bytes(place.base) == before
    assert await rows_of(client, "SELECT sum(amount) FROM sales") == [[65]]


@pytest.mark.slow
@pytest.mark.parametrize("sql", REACHING)
async def test_a_query_that_reaches_beyond_the_tables_gets_nothing(
    client: Client, place: Place, spill: str, sql: str
) -> None:
    before = folder_bytes(place.base)
    result = await client.call_tool("query_tables", {"sql": place.fill(sql, spill)})
    if not result.is_error:  # the engine's own spill folder may be looked at; it holds nothing of anyone
        assert "{spill}" in sql
        assert data_of(result)["rows"] == []
    else:
        assert error_of(result)["code"] in {"sql_refused", "sql_error"}
    assert "TOPSECRET" not in text_of(result)
    assert folder_bytes(place.base) == before
    assert await rows_of(client, "SELECT sum(amount) FROM sales") == [[65]]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM duckdb_secrets()",
        "FROM which_secret('s3://b', 's3')",
        "FROM duckdb_logs",
        "SELECT current_setting('temp_directory')",
        "SELECT * FROM sales WHERE (SELECT count(*) FROM duckdb_settings()) > 0",
        "SELECT sql FROM duckdb_views()",
    ],
)
async def test_settings_secrets_and_paths_of_the_engine_are_not_told(client: Client, sql: str) -> None:
    assert (await failure_of(client, sql))["code"] == "sql_refused"


def test_the_engine_is_locked_for_whatever_comes(tmp_path: Path) -> None:
    """The second gate alone: what it would do with a statement that slipped past the first."""
    (tmp_path / "t.csv").write_text("a\n1\n", encoding="utf-8")
    limits = EngineLimits(
        memory_mb=256,
        threads=1,
        max_spill_mb=16,
        cache_dir=str(tmp_path / "cache"),
        max_cache_bytes=1 << 20,
        deadline_seconds=30,
    )
    table = TableSpec("t", str(tmp_path / "t.csv"), "csv", "fingerprint")
    job = Job(CallBoard(multiprocessing.get_context("spawn")), 30)
    connection = connection_for(job, [table], limits)
    expected = {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "allow_community_extensions": "false",
        "python_enable_replacements": "false",
    }
    for setting, value in expected.items():
        assert connection.execute(f"SELECT current_setting('{setting}')::VARCHAR").fetchall() == [(value,)]
        with pytest.raises(duckdb.Error):
            connection.execute(f"SET {setting} = true")
    assert connection.execute("FROM t").fetchall() == [(1,)]
    (tmp_path / "other.csv").write_text("a\n2\n", encoding="utf-8")
    with pytest.raises(duckdb.Error):
        connection.execute(f"FROM '{tmp_path / 'other.csv'}'")


async def test_a_statement_opens_no_table_it_does_not_name(client: Client, place: Place) -> None:
    error = await failure_of(client, f"FROM read_text('{place.root}/sales.csv'), managers")
    assert error["code"] == "sql_refused"


@pytest.mark.parametrize(
    ("sql", "params", "row"),
    [
        ("SELECT ?, ?", [1, "a"], [1, "a"]),
        ("SELECT $2, $1", [1, 2], [2, 1]),
        ("SELECT $1, $1", ["x"], ["x", "x"]),
        ("SELECT '日本語', $name, '語', $other", {"name": "あ", "other": 2}, ["日本語", "あ", "語", 2]),
        ("SELECT $名前", {"名前": "花子"}, ["花子"]),
        ("SELECT $name", {"$name": 1}, [1]),
        ("SELECT '?' || ?, '$1'", ["!"], ["?!", "$1"]),
        ("SELECT ? -- and ?", [1], [1]),
        ("SELECT ?, ?, ?", [None, True, False], [None, True, False]),
        ("SELECT -?, 1 - ?", [-5, -2], [5, 3]),
        ("SELECT ?, ?", [1.5, 1e300], [1.5, 1e300]),
        ("SELECT ?", [2**53], [2**53]),
        ("SELECT ?", [2**70], [str(2**70)]),
        ("SELECT ?", [["a", "b'c"]], [["a", "b'c"]]),
        ("SELECT ?", [[]], [[]]),
        ("SELECT id FROM sales WHERE region = ? AND amount > ?", ["north", 15], [2]),
        ("SELECT count(*) FROM sales WHERE id IN $ids", {"ids": [1, 2, 9]}, [2]),
        ("SELECT id FROM sales ORDER BY id LIMIT ? OFFSET ?", [1, 2], [3]),
        ("SELECT count(*) FROM range(?)", [7], [7]),
        ("SELECT ?::INTEGER + 1", ["41"], [42]),
        ("SELECT 1", [], [1]),
        ("SELECT ?", ["'; DROP VIEW sales; --"], ["'; DROP VIEW sales; --"]),
        ("SELECT ?", ["'' || (SELECT 1) || ''"], ["'' || (SELECT 1) || ''"]),
        ("SELECT ?", ["\\'\n\r\t\u2028🗻"], ["\\'\n\r\t\u2028🗻"]),
    ],
)
async def test_values_take_the_place_of_parameters(client: Client, sql: str, params: Any, row: list[Any]) -> None:
    assert await rows_of(client, sql, params) == [row]


@pytest.mark.parametrize(
    ("sql", "params", "named"),
    [
        ("SELECT ?", None, "$1"),
        ("SELECT ?, ?", [1], "$2"),
        ("SELECT ?", [1, 2], "2"),
        ("SELECT 1", [1], "1"),
        ("SELECT $a, $b", {"a": 1}, "$b"),
        ("SELECT $a", {"a": 1, "extra": 2}, "extra"),
        ("SELECT $a", [1], "$a"),
        ("SELECT ?", {"a": 1}, "$1"),
        ("SELECT ?", [{"a": 1}], "dict"),
        ("SELECT ?", ["a\0b"], "text can't have"),
    ],
)
async def test_parameters_that_do_not_fit_are_named(client: Client, sql: str, params: Any, named: str) -> None:
    error = await failure_of(client, sql, params)
    assert error["code"] == "invalid_input"
    assert named in error["message"]
    assert error["hint"]


async def test_a_value_never_becomes_sql(client: Client) -> None:
    for value in ("sales", "read_text('/etc/passwd')", "1 UNION SELECT 2", "$$", "E'\\x41'"):
        assert await rows_of(client, "SELECT ? AS v", [value]) == [[value]]
        assert await rows_of(client, "SELECT count(*) FROM sales WHERE region = $v", {"v": value}) == [[0]]
    error = await failure_of(client, "FROM query(?)", ["SELECT 1; DROP VIEW sales"])
    assert error["code"] == "sql_refused"
    assert (await failure_of(client, "FROM read_text($f)", {"f": "/etc/passwd"}))["code"] == "sql_refused"


@settings(max_examples=60, deadline=None, database=None)
@given(
    value=st.text(
        st.sampled_from("'\";\\-$?\n\r\t {}[]/*日本🗻") | st.characters(codec="utf-8", exclude_characters="\0")
    )
)
async def test_any_text_comes_back_unchanged_through_a_parameter(client: Client, value: str) -> None:
    assert await rows_of(client, "SELECT $v, '前', $v", {"v": value}) == [[value, "前", value]]


@settings(max_examples=40, deadline=None, database=None)
@given(
    value=st.lists(
        st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: abs(number) < 1e300)
        | st.booleans()
        | st.none(),
        min_size=1,
        max_size=6,
    )
)
async def test_any_number_comes_back_unchanged_through_a_parameter(client: Client, value: list[Any]) -> None:
    assert await rows_of(client, f"SELECT {', '.join('?' * len(value))}", value) == [value]


def cursor_of(state: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(state).encode()).decode().rstrip("=")


CURSOR_STATES: list[Any] = [None, 1, "abcde", [], {}, [1], [1, 2, 3, 4], [[1], [2], [3], [4], [5]]]
CURSOR_STATES += [
    [2, "", "", 1, ""],
    [1, "", "", -1, ""],
    [1, "", "", 0, ""],
    [1, "", "", "5", ""],
    [1, "", "", 5, None],
]


@pytest.mark.parametrize(
    "cursor",
    ["x", "AAAA", "日本", "=", "!!!!", "a" * 4_000, *(cursor_of(state) for state in CURSOR_STATES)],
)
async def test_a_cursor_of_strangers_is_refused(client: Client, cursor: str) -> None:
    error = await failure_of(client, "FROM sales", cursor=cursor)
    assert error["code"] == "invalid_cursor"
    assert error["hint"]


async def test_a_cursor_goes_with_its_statement_and_its_values_only(client: Client) -> None:
    sql = "SELECT id FROM sales WHERE amount > ? ORDER BY id"
    first = data_of(await client.call_tool("query_tables", {"sql": sql, "params": [1], "max_rows": 2}))
    cursor = first["next_cursor"]
    assert first["rows"] + await rows_of(client, sql, [1], cursor=cursor) == [[1], [2], [3], [4]]
    for other, params in ((sql, [2]), (sql + " DESC", [1]), ("SELECT ? FROM sales", [1])):
        assert (await failure_of(client, other, params, cursor=cursor))["code"] == "invalid_cursor"


@pytest.mark.slow
async def test_a_cursor_is_stale_once_its_file_changed_and_a_new_start_reads_the_new_rows(
    tmp_path: Path, cache: Path
) -> None:
    table = tmp_path / "growing.csv"
    table.write_text("n\n1\n2\n3\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        sql = "SELECT n FROM growing ORDER BY n"
        first = data_of(await client.call_tool("query_tables", {"sql": sql, "max_rows": 1}))
        # The rows already read are the same still; that the file is another version must be enough.
        table.write_text("n\n1\n2\n3\n4\n", encoding="utf-8")
        error = await failure_of(client, sql, cursor=first["next_cursor"])
        assert error["code"] == "stale_cursor"
        assert "cursor" in error["hint"]
        assert await rows_of(client, sql) == [[1], [2], [3], [4]]


@pytest.mark.parametrize(
    ("sql", "line", "column"),
    [
        ("SELEC 1", 1, 1),
        ("SELECT 1 FROM sales WHERE", 1, None),
        ("SELECT '日本語の文字', , 2", 1, 18),
        ("SELECT '日本語' AS 列,\n       地域\nFROM 売上 WHERE ) 1", 3, 15),
        ("SELECT 地域 FROM 売上\n\n  ORDERED BY 金額", 3, 11),
        ("SELECT '漢字' AS a, nope FROM sales", 1, 19),
        ("SELECT\n  '漢字' || region,\n  '🗻' || missing\nFROM sales", 3, 10),
    ],
)
async def test_an_error_names_line_and_column_also_behind_japanese_text(
    client: Client, sql: str, line: int, column: int | None
) -> None:
    error = await failure_of(client, sql)
    assert error["code"] == "sql_error"
    if column is not None:
        assert f"(line {line}, column {column})" in error["message"]
        shown, caret = error["message"].split("\n")[1:3]
        assert shown == sql.split("\n")[line - 1]
        assert caret.replace("\u3000", " ").strip() == "^"


@pytest.mark.parametrize(
    ("sql", "suggested"),
    [
        ("FROM salse", "sales"),
        ("FROM sale", "sales"),
        ("FROM Manager", "managers"),
        ("FROM 売り上", "売上"),
        ("SELECT amuont FROM sales", "amount"),
        ("SELECT regoin, count(*) FROM sales GROUP BY ALL", "region"),
        ("SELECT 金 FROM 売上", "金額"),
    ],
)
async def test_a_misspelled_name_gets_the_nearest_one(client: Client, sql: str, suggested: str) -> None:
    error = await failure_of(client, sql)
    assert error["code"] == "sql_error"
    assert suggested in error["hint"]


@pytest.mark.parametrize("sql", ["SELECT 'x'::INTEGER", "SELECT error('boom')", "SELECT 1 + [2]", "SELECT nope(1)"])
async def test_a_statement_that_fails_while_it_runs_is_an_error_and_not_a_crash(client: Client, sql: str) -> None:
    assert (await failure_of(client, sql))["code"] == "sql_error"
    assert await rows_of(client, "SELECT 42") == [[42]]


@pytest.mark.parametrize("sql", [" ", "\n\t", "x" * 100_001])
async def test_a_statement_of_no_or_too_great_length_is_refused_before_it_is_parsed(client: Client, sql: str) -> None:
    error = await failure_of(client, sql)
    assert error["code"] == "invalid_input"
    assert error["hint"]


@pytest.mark.parametrize("sql", ["SELECT " + "(" * 3_000 + "1" + ")" * 3_000, "SELECT " + "1 + " * 20_000 + "1"])
async def test_a_statement_nested_too_deeply_is_an_error_and_not_a_crash(client: Client, sql: str) -> None:
    assert (await failure_of(client, sql))["code"] == "sql_error"
    assert await rows_of(client, "SELECT 42") == [[42]]


@pytest.fixture(scope="module")
async def hurried(place: Place) -> AsyncIterator[Client]:
    async with connect(place.root, cache=place.cache, tables={"deadline_seconds": 1.0}) as connected:
        yield connected


@pytest.mark.slow
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c",
        "SELECT max(i) FROM range(1000000000000) t(i)",
        "SELECT sleep_ms(60000)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))",
    ],
)
async def test_a_runaway_is_stopped_at_the_deadline_and_the_next_call_works(hurried: Client, sql: str) -> None:
    error = await failure_of(hurried, sql)
    assert error["code"] == "deadline_exceeded"
    assert error["hint"]
    assert await rows_of(hurried, "SELECT sum(amount) FROM sales") == [[65]]


@pytest.mark.slow
async def test_a_value_too_large_for_memory_is_an_error_and_the_next_call_works(client: Client) -> None:
    for sql in ("SELECT repeat('x', 4000000000)", "SELECT length(repeat('x', 4000000000)) FROM sales"):
        error = await failure_of(client, sql)
        assert error["code"] == "out_of_memory"
        assert error["hint"]
        assert await rows_of(client, "SELECT 42") == [[42]]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM range(1000000000000)",
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) FROM n",
        "SELECT i FROM range(1000000) a(i), range(1000000) b(j) WHERE j = 0",
    ],
)
async def test_a_result_without_end_is_truncated_and_says_so(hurried: Client, sql: str) -> None:
    result = await hurried.call_tool("query_tables", {"sql": sql, "max_rows": 20})
    data = data_of(result)
    assert len(data["rows"]) == data["row_count"] == 20
    assert data["truncated"]
    assert data["next_cursor"] in text_of(result)
    assert "more rows" in text_of(result)


@pytest.mark.slow
async def test_while_a_runaway_runs_another_call_is_answered(place: Place) -> None:
    finished: list[str] = []
    async with connect(place.root, cache=place.cache, tables={"deadline_seconds": 2.0, "workers": 2}) as client:

        async def run(sql: str) -> None:
            await client.call_tool("query_tables", {"sql": sql})
            finished.append(sql)

        async with anyio.create_task_group() as group:  # both workers start
            group.start_soon(run, "SELECT sleep_ms(100)")
            group.start_soon(run, "SELECT sleep_ms(101)")
        finished.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(run, "SELECT levenshtein(repeat('a', 400000), repeat('b', 400000))")
            group.start_soon(run, "SELECT count(*) FROM sales")
        assert finished[0] == "SELECT count(*) FROM sales"
        assert len(finished) == 2
