"""Statements over odd names, damaged neighbours and folders that change: right rows, or an error that says why."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.serving import connect, data_of, error_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def call(root: Path, cache: Path, tool: str, **arguments: Any) -> Any:
    async with connect(root, cache=cache) as client:
        return await client.call_tool(tool, arguments)


def csv(folder: Path, name: str, text: str = "a\n1\n2\n") -> None:
    (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    "clause", ["USING SAMPLE 2", "USING SAMPLE 50 PERCENT (bernoulli)", "TABLESAMPLE reservoir(2)"]
)
async def test_samples_are_drawn(tmp_path: Path, cache: Path, clause: str) -> None:
    csv(tmp_path, "t.csv")
    assert data_of(await call(tmp_path, cache, "query_tables", sql=f"SELECT * FROM t {clause}"))["row_count"] <= 2


@pytest.mark.slow
@pytest.mark.parametrize("sql", ["SHOW TABLES", "SHOW ALL TABLES", "FROM query('FROM t')", "DESCRIBE"])
async def test_one_broken_file_does_not_spoil_statements_about_all(tmp_path: Path, cache: Path, sql: str) -> None:
    csv(tmp_path, "t.csv")
    csv(tmp_path, "broken.parquet")
    data_of(await call(tmp_path, cache, "query_tables", sql=sql))


async def test_ragged_rows_are_not_dropped_in_silence(tmp_path: Path, cache: Path) -> None:
    csv(tmp_path, "ragged.csv", "a,b,c\n1,2,3\n4,5\n6,7,8,9\n")
    result = await call(tmp_path, cache, "query_tables", sql="SELECT a FROM ragged")
    if not result.is_error:
        assert [row[0] for row in data_of(result)["rows"]] == [1, 4, 6]
    else:
        assert error_of(result)["code"] == "unreadable_source"


@pytest.mark.slow
async def test_information_schema_knows_the_tables(tmp_path: Path, cache: Path) -> None:
    csv(tmp_path, "t.csv")
    for sql in (
        "SELECT column_name FROM information_schema.columns WHERE table_name = 't'",
        "SELECT column_name FROM duckdb_columns() WHERE table_name = 't'",
    ):
        assert data_of(await call(tmp_path, cache, "query_tables", sql=sql))["rows"] == [["a"]]


async def test_a_nfd_name_in_sql_reaches_its_table(tmp_path: Path, cache: Path) -> None:
    csv(tmp_path, "ガイド.csv")
    sql = unicodedata.normalize("NFD", "SELECT count(*) FROM ガイド")
    assert data_of(await call(tmp_path, cache, "query_tables", sql=sql))["rows"] == [[2]]


@pytest.mark.slow
@pytest.mark.parametrize("sql", ["FROM été", "FROM ÉTÉ"])
async def test_letters_beyond_ascii_have_no_case_either(tmp_path: Path, cache: Path, sql: str) -> None:
    csv(tmp_path, "Été.csv")
    assert data_of(await call(tmp_path, cache, "query_tables", sql=sql))["row_count"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("word", ["tables", "databases", "variables", "schemas"])
async def test_describe_table_of_a_name_that_describe_reserves(tmp_path: Path, cache: Path, word: str) -> None:
    csv(tmp_path, f"{word}.csv")
    assert data_of(await call(tmp_path, cache, "describe_table", table=word))["rows"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "params"),
    [("UPDATE EXTENSIONS", None), ("SELECT " + "[" * 500 + "]" * 500, None), ("SELECT $v", {"v": "\ud800"})],
)
async def test_no_statement_is_a_fault_of_the_server(tmp_path: Path, cache: Path, sql: str, params: Any) -> None:
    result = await call(tmp_path, cache, "query_tables", sql=sql, params=params)
    assert error_of(result)["code"] != "error"


@pytest.mark.slow
async def test_a_cte_hides_the_table_of_its_name(tmp_path: Path, cache: Path) -> None:
    csv(tmp_path, "broken.parquet")
    csv(tmp_path, "t.csv")
    for name in ("broken", "t"):
        data = data_of(await call(tmp_path, cache, "query_tables", sql=f"WITH {name} AS (SELECT 1 AS x) FROM {name}"))
        assert data["rows"] == [[1]]
        assert data["sources"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "sql", ["SELECT current_setting('temp_directory')", "FROM duckdb_settings()", "SELECT sql FROM duckdb_views(), t"]
)
async def test_no_path_of_the_machine_in_answers(tmp_path: Path, sql: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    csv(root, "t.csv")
    async with connect(root, cache=tmp_path / "cache") as client:
        result = await client.call_tool("query_tables", {"sql": sql, "max_rows": 1000})
        assert str(tmp_path) not in str(result)


@pytest.mark.slow
async def test_a_position_of_the_wrapper_is_not_shown_as_one_of_the_statement(tmp_path: Path, cache: Path) -> None:
    for sql, wrong in (("SELECT 1, nextval('x')", "column 15"), ("DESCRIBE nope", "column 14")):
        error = error_of(await call(tmp_path, cache, "query_tables", sql=sql))
        assert wrong not in error["message"]


async def test_a_reason_about_a_file_has_no_position_in_a_statement(tmp_path: Path, cache: Path) -> None:
    csv(tmp_path, "t.parquet")
    error = error_of(await call(tmp_path, cache, "query_tables", sql="FROM t"))
    assert "(line 1, column 1)" not in error["message"]
