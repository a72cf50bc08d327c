"""Columnar copies: made in the background, identical to a direct read, never stale, shared and bounded."""

from __future__ import annotations

import json
import multiprocessing
import os
from typing import TYPE_CHECKING, Any

import anyio
import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_context_resources.cache import Cache
from mcp_context_resources.tables.duckdb_engine.columnar_copying import copy
from mcp_context_resources.tables.duckdb_engine.columnar_files import copied_relation, write_copy
from mcp_context_resources.tables.duckdb_engine.connections import relation_of, scratch_connection
from mcp_context_resources.tables.duckdb_engine.relations import Relation
from mcp_context_resources.tables.spec import EngineLimits, TableSpec
from mcp_context_resources.workers.job import CallBoard, Job
from tests.support.serving import connect, data_of, error_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mcp.client.client import Client

pytestmark = pytest.mark.anyio

EVERY_TYPE = """
    SELECT * FROM (VALUES
        (true, 1::TINYINT, 2::UBIGINT, 170141183460469231731687303715884105727::HUGEINT, 5::UHUGEINT),
        (NULL, NULL, NULL, NULL, NULL)) AS a(b, i, u, h, uh)
    POSITIONAL JOIN (SELECT
        unnest(['nan'::DOUBLE, '-inf'::DOUBLE]) AS d, unnest([0.1::FLOAT, NULL]) AS f,
        unnest([1.10::DECIMAL(4, 2), NULL]) AS m,
        unnest([99999999999999999999999999999999999.1::DECIMAL(38, 1), 0]) AS w,
        unnest(['日本', '']) AS s, unnest(['\\x00\\xFF'::BLOB, NULL]) AS x, unnest(['101'::BIT, NULL]) AS bits,
        unnest([DATE '0044-01-01 (BC)', 'infinity'::DATE]) AS day, unnest([TIME '23:59:59.999999', NULL]) AS t,
        unnest(['10:00:00+09'::TIMETZ, NULL]) AS tz, unnest([TIMESTAMP '2026-01-01 00:00:00.000001', NULL]) AS ts,
        unnest(['2026-01-01 00:00:00.000000001'::TIMESTAMP_NS, NULL]) AS ns,
        unnest(['2026-01-01'::TIMESTAMP_S, NULL]) AS sec, unnest(['2026-01-01'::TIMESTAMP_MS, NULL]) AS ms,
        unnest([TIMESTAMPTZ '2026-01-01 00:00:00+09', NULL]) AS zoned,
        unnest([INTERVAL '1 month 2 days 0.000003 seconds', NULL]) AS span,
        unnest(['00000000-0000-0000-0000-000000000001'::UUID, NULL]) AS id,
        unnest(['{"a": [1]}'::JSON, NULL]) AS j, unnest(['a'::ENUM('a', 'b'), NULL]) AS e,
        unnest([[1, NULL], []]) AS l, unnest([{'h': 1::HUGEINT, 'i': [INTERVAL 1 DAY]}, NULL]) AS st,
        unnest([map {'k': 1::UHUGEINT}, NULL]) AS mp,
        unnest([[1, 2]::INTEGER[2], NULL]) AS arr)
"""


@pytest.fixture
def job() -> Job:
    return Job(CallBoard(multiprocessing.get_context("spawn")), 60)


def limits_in(folder: Path, **changes: Any) -> EngineLimits:
    values = {"memory_mb": 512, "threads": 2, "max_spill_mb": 100, "max_cache_bytes": 1 << 30, "deadline_seconds": 60}
    return EngineLimits(cache_dir=str(folder), **(values | changes))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with scratch_connection(limits_in(tmp_path)) as connection:
        yield connection


def test_a_value_of_every_type_comes_back_from_a_copy_as_it_was(
    tmp_path: Path, engine: duckdb.DuckDBPyConnection
) -> None:
    engine.execute(f"CREATE TABLE data AS {EVERY_TYPE}")
    write_copy(engine, Relation("data", (), "cp932", ("a note",), dialect="tabs"), tmp_path / "copy.parquet")
    copied = copied_relation(str(tmp_path / "copy.parquet"), engine)
    assert (copied.encoding, copied.notes, copied.dialect) == ("cp932", ("a note",), "tabs")
    described = [engine.execute(f"DESCRIBE FROM {sql}").fetchall() for sql in ("data", copied.sql)]
    assert described[0] == described[1]
    # As text, so that the finest grain of each type counts.
    columns = ", ".join(f'"{name}"::VARCHAR' for name, *_ in described[0])
    values = [engine.execute(f"SELECT {columns} FROM {sql}").fetchall() for sql in ("data", copied.sql)]
    assert values[0] == values[1]
    assert len(values[0]) == 2


_CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.dates().map(str),
    st.datetimes().map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    st.sampled_from(["007", "1e5", "NaN", "inf", "12:30", "2026-13-01", "true", "NULL", " 1", "1,5", '"', "\r\n"]),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, database=None)
@given(
    rows=st.lists(st.lists(_CELLS, min_size=3, max_size=3), min_size=1, max_size=8),
    form=st.sampled_from(["csv", "json"]),
)
def test_a_copy_of_any_text_file_has_the_types_and_values_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[Any]], form: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = folder / f"t.{form}"
    if form == "json":
        text = "".join(json.dumps(dict(zip("abc", row, strict=True))) + "\n" for row in rows)
    else:
        cells = (["" if cell is None else '"' + str(cell).replace('"', '""') + '"' for cell in row] for row in rows)
        text = "a,b,c\n" + "".join(",".join(row) + "\n" for row in cells)
    path.write_text(text, encoding="utf-8", newline="")
    spec = TableSpec("t", str(path), form, f"{folder.name}-{form}")
    limits = limits_in(folder)
    with scratch_connection(limits) as connection:
        try:
            relation = relation_of(spec, connection, limits)
            direct = connection.execute(f"FROM {relation.sql}").fetchall()
        except (duckdb.Error, ValueError):  # what can't be read directly needs no copy
            return
        types = connection.execute(f"DESCRIBE FROM {relation.sql}").fetchall()
        write_copy(connection, relation, folder / "copy.parquet")
        copied = copied_relation(str(folder / "copy.parquet"), connection)
        assert connection.execute(f"DESCRIBE FROM {copied.sql}").fetchall() == types
        assert repr(connection.execute(f"FROM {copied.sql}").fetchall()) == repr(direct)


def test_a_type_that_no_copy_can_hold_becomes_text_and_a_note_says_so(
    tmp_path: Path, engine: duckdb.DuckDBPyConnection
) -> None:
    engine.execute("CREATE TABLE data AS SELECT union_value(n := 1) AS u, 2 AS i")
    write_copy(engine, Relation("data", ()), tmp_path / "copy.parquet")
    copied = copied_relation(str(tmp_path / "copy.parquet"), engine)
    assert engine.execute(f"FROM {copied.sql}").fetchall() == [("1", 2)]
    assert "u is kept as text" in copied.notes[0]


async def rows_of(client: Client, sql: str, **arguments: Any) -> list[list[Any]]:
    rows: list[list[Any]] = data_of(await client.call_tool("query_tables", {"sql": sql, **arguments}))["rows"]
    return rows


def copies_in(cache: Path) -> list[Path]:
    return sorted((cache / "tables").glob("[!.]*.parquet"))


async def until_copied(client: Client, cache: Path, number: int) -> None:
    """Go on asking until so many copies are there."""
    with anyio.fail_after(60):
        while len(copies_in(cache)) < number:
            await rows_of(client, "SELECT 1")


def sales(path: Path, rows: int, factor: int = 1) -> None:
    lines = (f"{n},{n * factor},品{n % 7}\n" for n in range(rows))
    path.write_text("id,amount,item\n" + "".join(lines), encoding="utf-8")


@pytest.mark.slow
async def test_a_large_csv_is_copied_behind_the_first_query_and_an_edit_is_still_seen_at_once(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    root.mkdir()
    sales(root / "s.csv", 2_000)
    sql = "SELECT sum(amount), count(DISTINCT item), max(typeof(id)) FROM s"
    async with connect(root, cache=cache, tables={"copy_bytes": 1_000}) as client:
        first = await rows_of(client, sql)
        await until_copied(client, cache, 1)
        assert await rows_of(client, sql) == first == [[1_999_000, 7, "BIGINT"]]
        sales(root / "s.csv", 2_000, factor=2)
        assert await rows_of(client, sql) == [[3_998_000, 7, "BIGINT"]]
        (root / "s.csv").unlink()
        assert (await client.call_tool("query_tables", {"sql": sql})).is_error


@pytest.mark.slow
async def test_pages_of_one_result_stay_as_they_were_when_a_copy_appears_between_them(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    root.mkdir()
    sales(root / "s.csv", 2_000)
    async with connect(root, cache=cache, tables={"copy_bytes": 1_000}) as client:
        arguments: dict[str, Any] = {"sql": "FROM s", "max_rows": 700}
        first = data_of(await client.call_tool("query_tables", arguments))
        await until_copied(client, cache, 1)
        second = data_of(await client.call_tool("query_tables", arguments | {"cursor": first["next_cursor"]}))
        assert [row[0] for row in first["rows"] + second["rows"]] == list(range(len(first["rows"] + second["rows"])))


@pytest.mark.slow
async def test_two_servers_share_copies_and_small_files_get_none(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    root.mkdir()
    sales(root / "s.csv", 2_000)
    (root / "small.csv").write_text("a\n1\n", encoding="utf-8")
    tables = {"copy_bytes": 1_000}
    async with connect(root, cache=cache, tables=tables) as one, connect(root, cache=cache, tables=tables) as other:
        for client in (one, other):
            await rows_of(client, "SELECT count(*) FROM s, small")
        await until_copied(one, cache, 1)
        [made] = copies_in(cache)
        made_at = made.stat().st_ino
        assert await rows_of(other, "SELECT sum(id) FROM s") == [[1_999_000]]
        assert [path.stat().st_ino for path in copies_in(cache)] == [made_at]


@pytest.mark.slow
async def test_a_copy_that_vanishes_costs_no_answer(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    root.mkdir()
    sales(root / "s.csv", 2_000)
    async with connect(root, cache=cache, tables={"copy_bytes": 1_000}) as client:
        await rows_of(client, "FROM s", max_rows=1)
        await until_copied(client, cache, 1)
        assert await rows_of(client, "SELECT sum(id) FROM s") == [[1_999_000]]
        copies_in(cache)[0].unlink()
        assert await rows_of(client, "SELECT sum(id) FROM s") == [[1_999_000]]


def test_a_copy_killed_half_way_leaves_nothing_that_is_read_and_is_cleared_away_later(tmp_path: Path, job: Job) -> None:
    sales(tmp_path / "s.csv", 100)
    spec = TableSpec("s", str(tmp_path / "s.csv"), "csv", "killed")
    cache = tmp_path / "cache"
    (cache / "tables").mkdir(parents=True)
    half = cache / "tables" / ".new-abc.parquet"
    half.write_bytes(b"PAR1 half of it")
    os.utime(half, (0, 0))
    fresh = cache / "tables" / ".new-def.parquet"
    fresh.write_bytes(b"PAR1 another server is at it")
    copy(job, spec, "copy.parquet", limits_in(cache))
    assert Cache(cache, "tables", 1 << 30).get("copy.parquet") is not None
    assert not half.exists()
    assert fresh.exists()


def test_the_cache_keeps_to_its_size_over_all_kinds_of_files(tmp_path: Path) -> None:
    for kind in ("tables", "results"):
        cache = Cache(tmp_path, kind, 1_000)
        for number in range(5):
            with cache.create(f"{number}.bin") as file:
                file.write(b"x" * 400)
            os.utime(tmp_path / kind / f"{number}.bin", (number, number))
    kept = [path for path in tmp_path.glob("*/*") if path.is_file()]
    assert sum(path.stat().st_size for path in kept) <= 1_000
    assert (tmp_path / "results" / "4.bin") in kept


@pytest.mark.slow
async def test_a_file_that_would_fill_the_cache_is_read_directly(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    root.mkdir()
    sales(root / "s.csv", 2_000)
    storage = {"cache_dir": cache, "max_cache_bytes": 10_000}
    async with connect(root, cache=cache, tables={"copy_bytes": 1}, storage=storage) as client:
        for _ in range(3):
            assert await rows_of(client, "SELECT count(*) FROM s") == [[2_000]]
        assert copies_in(cache) == []


@pytest.mark.slow
async def test_a_large_foreign_file_is_prepared_in_the_background_while_the_call_says_so(tmp_path: Path) -> None:
    import sqlite3

    root, cache = tmp_path / "root", tmp_path / "cache"
    root.mkdir()
    connection = sqlite3.connect(root / "big.db")
    connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, "x" * 20) for n in range(400_000)))
    connection.commit()
    connection.close()
    async with connect(root, cache=cache) as client:
        hurried = await client.call_tool("query_tables", {"sql": "SELECT sum(a) FROM big", "timeout_seconds": 0.3})
        error = error_of(hurried)
        assert error["code"] == "deadline_exceeded"
        assert "being prepared" in error["message"]
        assert await rows_of(client, "SELECT sum(a) FROM big") == [[79_999_800_000]]
