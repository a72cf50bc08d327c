"""Tables of every format, in files and folders, through the front door."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyreadstat
import pytest

from tests.support.serving import connect, data_of, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mcp.client.client import Client

pytestmark = pytest.mark.anyio

FRAME = pd.DataFrame({"id": [1, 2, 3], "名前": ["東京", "大阪", "名古屋"], "x": [1.5, 2.25, -3.0]})
ROWS = [[1, "東京", 1.5], [2, "大阪", 2.25], [3, "名古屋", -3.0]]
TEXT = "id,名前,x\n1,東京,1.5\n2,大阪,2.25\n3,名古屋,-3.0\n"
RECORDS = '{"id":1,"名前":"東京","x":1.5}\n{"id":2,"名前":"大阪","x":2.25}\n{"id":3,"名前":"名古屋","x":-3.0}\n'
HTML = "<table><tr><th>id</th><th>名前</th><th>x</th></tr>{}</table>".format(
    "".join(f"<tr><td>{a}</td><td>{b}</td><td>{c}</td></tr>" for a, b, c in ROWS)
)


def sqlite(path: Path, frame: pd.DataFrame = FRAME) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (id INTEGER, 名前 TEXT, x REAL)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", frame.to_numpy().tolist())
    connection.commit()
    connection.close()


def engine(statement: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with duckdb.connect() as connection:
            connection.register("frame", FRAME)
            connection.execute(statement.format(path=path))

    return write


def write_xml(path: Path) -> None:
    items = "".join(f"<item><id>{a}</id><名前>{b}</名前><x>{c}</x></item>" for a, b, c in ROWS)
    path.write_text(f"<list>{items}</list>", encoding="utf-8")


def write_fwf(path: Path) -> None:
    path.write_text("id city     x\n1  Tokyo    1.5\n2  Osaka    2.25\n3  Nagoya  -3.0\n", encoding="utf-8")


FORMATS: dict[str, Callable[[Path], Any]] = {
    "t.csv": lambda path: path.write_text(TEXT, encoding="utf-8"),
    "t.csv.gz": lambda path: path.write_bytes(gzip.compress(TEXT.encode())),
    "t.csv.zst": engine("COPY frame TO '{path}' (FORMAT csv, COMPRESSION zstd)"),
    "t.tsv": lambda path: path.write_text(TEXT.replace(",", "\t"), encoding="utf-8"),
    "t.psv": lambda path: path.write_text(TEXT.replace(",", "|"), encoding="utf-8"),
    "bom.csv": lambda path: path.write_text(TEXT, encoding="utf-8-sig"),
    "utf16.csv": lambda path: path.write_text(TEXT, encoding="utf-16"),
    "cp932.csv": lambda path: path.write_text(TEXT, encoding="cp932"),
    "euc.csv": lambda path: path.write_text(TEXT, encoding="euc_jp"),
    "t.parquet": engine("COPY frame TO '{path}' (FORMAT parquet)"),
    "t.json": lambda path: path.write_text(f"[{','.join(RECORDS.splitlines())}]", encoding="utf-8"),
    "t.jsonl": lambda path: path.write_text(RECORDS, encoding="utf-8"),
    "t.ndjson.gz": lambda path: path.write_bytes(gzip.compress(RECORDS.encode())),
    "t.arrow": lambda path: pyarrow.feather.write_feather(pa.Table.from_pandas(FRAME), str(path)),
    "t.feather": lambda path: pyarrow.feather.write_feather(pa.Table.from_pandas(FRAME), str(path)),
    "t.orc": lambda path: pyarrow.orc.write_table(pa.Table.from_pandas(FRAME), str(path)),
    "t.xlsx": lambda path: FRAME.to_excel(path, index=False, engine="xlsxwriter"),
    "t.ods": lambda path: FRAME.to_excel(path, index=False, engine="odf"),
    "t.sqlite": sqlite,
    "t.db": sqlite,
    "t.duckdb": lambda path: duckdb.connect(str(path)).execute("CREATE TABLE t AS FROM FRAME").close(),
    "t.dta": lambda path: FRAME.rename(columns={"名前": "name"}).to_stata(path, write_index=False, version=118),
    "t.sav": lambda path: pyreadstat.write_sav(FRAME, str(path)),
    "t.xpt": lambda path: pyreadstat.write_xport(FRAME.rename(columns={"名前": "name"}), str(path)),
    "t.html": lambda path: path.write_text(f"<meta charset=utf-8><p>Stations</p>{HTML}", encoding="utf-8"),
    "t.xml": write_xml,
    "t.fwf": write_fwf,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    for name, write in FORMATS.items():
        # Each in a folder of its own, named after the ending.
        (folder / name.replace(".", "_")).mkdir()
        write(folder / name.replace(".", "_") / name)
    return folder


async def rows_of(client: Client, sql: str, **arguments: Any) -> list[list[Any]]:
    rows: list[list[Any]] = data_of(await client.call_tool("query_tables", {"sql": sql, **arguments}))["rows"]
    return rows


async def names_of(client: Client, kind: str = "table") -> list[str]:
    return [source["name"] for source in data_of(await client.call_tool("list_sources", {"kind": kind}))["sources"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
async def test_a_file_of_each_format_is_a_table_with_the_same_rows(files: Path, cache: Path, name: str) -> None:
    async with connect(files / name.replace(".", "_"), cache=cache) as client:
        [listed] = data_of(await client.call_tool("list_sources", {"kind": "table"}))["sources"]
        assert listed.get("rows", 3) == 3
        rows = await rows_of(client, f"FROM {listed['name']} ORDER BY id")
    if name == "t.fwf":
        assert rows == [[1, "Tokyo", 1.5], [2, "Osaka", 2.25], [3, "Nagoya", -3.0]]
    else:
        assert rows == ROWS


@pytest.mark.slow
async def test_tables_of_all_formats_are_joined_in_one_statement(files: Path, cache: Path) -> None:
    async with connect(files, cache=cache) as client:
        names = await names_of(client)
        assert len(names) == len(FORMATS)
        joined = " ".join(f"JOIN {name} USING (id)" for name in names[1:])
        assert await rows_of(client, f"SELECT count(*) FROM {names[0]} {joined}", timeout_seconds=120) == [[3]]


@pytest.mark.slow
async def test_each_sheet_and_each_table_of_a_database_has_a_name_made_of_the_files_and_its_own(
    tmp_path: Path, cache: Path
) -> None:
    with pd.ExcelWriter(tmp_path / "予算 2026.xlsx", engine="xlsxwriter") as book:
        for sheet in ("上期", "下期"):
            FRAME.to_excel(book, sheet_name=sheet, index=False)
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.executescript(
        "CREATE TABLE customers (id INTEGER); CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (1), (2);"
        'CREATE VIEW "big orders" AS SELECT * FROM orders WHERE id > 1;'
    )
    connection.close()
    async with connect(tmp_path, cache=cache) as client:
        assert await names_of(client) == [
            "shop_big_orders",
            "shop_customers",
            "shop_orders",
            "予算_2026_上期",
            "予算_2026_下期",
        ]
        assert await rows_of(client, "FROM shop_big_orders") == [[2]]
        result = await client.call_tool("query_tables", {"sql": "FROM 予算_2026_上期"})
        assert data_of(result)["sources"][0]["file"] == "予算 2026.xlsx#上期"
        error = error_of(await client.call_tool("query_tables", {"sql": "FROM orders"}))
        assert "shop_orders" in error["hint"]


@pytest.mark.slow
async def test_an_edited_workbook_and_a_new_sheet_are_in_the_next_answer(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "book.xlsx"
    FRAME.to_excel(path, index=False, engine="xlsxwriter")
    async with connect(tmp_path, cache=cache) as client:
        assert await rows_of(client, "SELECT sum(id) FROM book") == [[6]]
        FRAME.assign(id=[10, 20, 30]).to_excel(path, index=False, engine="xlsxwriter")
        assert await rows_of(client, "SELECT sum(id) FROM book") == [[60]]
        with pd.ExcelWriter(path, engine="xlsxwriter") as book:
            FRAME.to_excel(book, sheet_name="one", index=False)
            FRAME.to_excel(book, sheet_name="two", index=False)
        assert await rows_of(client, "SELECT sum(id) FROM book_two") == [[6]]
        error = error_of(await client.call_tool("query_tables", {"sql": "FROM book"}))
        assert "book_one" in error["hint"]
        path.unlink()
        assert await names_of(client) == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["wal", "delete"])
async def test_what_a_live_writer_commits_is_in_the_next_answer_and_what_it_has_not_is_not(
    tmp_path: Path, cache: Path, mode: str
) -> None:
    writer = sqlite3.connect(tmp_path / "live.db", isolation_level=None)
    writer.execute(f"PRAGMA journal_mode = {mode}")
    writer.execute("CREATE TABLE t (a INTEGER)")
    writer.execute("INSERT INTO t VALUES (1)")
    async with connect(tmp_path, cache=cache) as client:
        assert await rows_of(client, "SELECT sum(a) FROM live") == [[1]]
        writer.execute("INSERT INTO t VALUES (10)")
        assert await rows_of(client, "SELECT sum(a) FROM live") == [[11]]
        writer.execute("BEGIN")
        writer.execute("INSERT INTO t VALUES (100)")
        assert await rows_of(client, "SELECT sum(a) FROM live") == [[11]]
        writer.execute("COMMIT")
        assert await rows_of(client, "SELECT sum(a) FROM live") == [[111]]
    writer.close()


@pytest.mark.slow
async def test_a_locked_database_is_a_clear_error_and_costs_the_others_nothing(tmp_path: Path, cache: Path) -> None:
    writer = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
    writer.execute("CREATE TABLE t (a INTEGER)")
    writer.execute("BEGIN EXCLUSIVE")
    (tmp_path / "free.csv").write_text("a\n1\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        error = error_of(await client.call_tool("query_tables", {"sql": "FROM locked"}))
        assert error["code"] == "source_busy"
        assert "locked" in error["message"]
        assert await rows_of(client, "FROM free") == [[1]]
        writer.execute("COMMIT")
        assert await rows_of(client, "SELECT count(*) FROM locked") == [[0]]
    writer.close()


@pytest.mark.slow
async def test_a_folder_of_files_of_one_shape_is_a_table_that_tells_each_rows_file(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "売上"
    folder.mkdir()
    (folder / "2024.csv").write_text("商品,数\n茶,1\n", encoding="utf-8")
    (folder / "2025.csv").write_text("商品,数\n酒,x\n", encoding="cp932")
    async with connect(tmp_path, cache=cache) as client:
        assert await names_of(client) == ["t_2024", "t_2025", "売上"]
        assert await rows_of(client, "FROM 売上 ORDER BY filename") == [
            ["茶", "1", "2024.csv"],
            ["酒", "x", "2025.csv"],
        ]
        (folder / "2026.csv").write_text("商品,数\n米,3\n", encoding="utf-8")
        assert await rows_of(client, "SELECT count(*) FROM 売上") == [[3]]
        description = data_of(await client.call_tool("describe_table", {"table": "売上"}))
        assert any("3 files of a folder" in note for note in description["notes"])
        assert description["sources"][0]["file"] == "売上/*.csv"
        # One file of another shape: then summing up the others would silently leave it out.
        (folder / "2027.csv").write_text("商品,数,税\n米,3,1\n", encoding="utf-8")
        assert (await client.call_tool("query_tables", {"sql": "FROM 売上"})).is_error


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
async def test_a_folder_partitioned_by_names_is_one_table_with_a_column_for_each_key(
    tmp_path: Path, cache: Path, ending: str
) -> None:
    kind = {"jsonl": "json"}.get(ending, ending)
    for year, month in ((2025, 12), (2026, 1)):
        folder = tmp_path / "events" / f"year={year}" / f"month={month}"
        folder.mkdir(parents=True)
        with duckdb.connect() as connection:
            connection.execute(f"COPY (SELECT {month} AS n, 'a' AS s) TO '{folder}/part.{ending}' (FORMAT {kind})")
    (tmp_path / "plain.csv").write_text("year\n2026\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        assert await names_of(client) == ["events", "plain"]
        sql = "SELECT n, s, year, month FROM events JOIN plain USING (year)"
        assert await rows_of(client, sql) == [[1, "a", 2026, 1]]
        assert await rows_of(client, "SELECT count(*) FROM events") == [[2]]


@pytest.mark.slow
async def test_the_names_of_files_come_before_those_of_folders(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "sales").mkdir()
    for name in ("sales/a.csv", "sales/b.csv", "sales.csv"):
        (tmp_path / name).write_text(f"n\n{len(name)}\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        assert await rows_of(client, "FROM sales") == [[9]]
        [folder] = [name for name in await names_of(client) if name not in {"a", "b", "sales"}]
        assert await rows_of(client, f"SELECT count(*) FROM {folder}") == [[2]]


@pytest.mark.slow
async def test_a_folder_does_not_count_rows_twice_through_a_link(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("a", "b"):
        (tmp_path / "logs" / f"{name}.csv").write_text("n\n1\n", encoding="utf-8")
    (tmp_path / "logs" / "link.csv").symlink_to(tmp_path / "logs" / "a.csv")
    async with connect(tmp_path, cache=cache) as client:
        assert await rows_of(client, "SELECT count(*) FROM logs") == [[2]]


async def test_folders_are_no_tables_where_the_settings_say_so(tmp_path: Path, cache: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("n\n1\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache, tables={"folders": False}) as client:
        assert await names_of(client) == ["a", "b"]


async def test_a_container_that_can_not_be_read_is_listed_with_the_reason(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "page.xlsx").write_text("<html>Not found</html>", encoding="utf-8")
    (tmp_path / "noise.db").write_bytes(b"\x13\x37" * 5_000)
    (tmp_path / "fine.csv").write_text("a\n1\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        listed = data_of(await client.call_tool("list_sources", {}))["sources"]
        problems = {source["name"]: source.get("problem", "") for source in listed if source["kind"] == "table"}
        assert problems.pop("fine") == ""
        assert set(problems) == {"page", "noise"}
        assert all(problems.values())
        for name in problems:
            error = error_of(await client.call_tool("query_tables", {"sql": f"FROM {name}"}))
            assert error["code"] == "unreadable_source"
        result = await client.call_tool("query_tables", {"sql": "SHOW TABLES"})
        assert data_of(result)["rows"] == [["fine"]]
        assert any("page" in note for note in data_of(result)["notes"])
        assert "Left out: page" in text_of(result)


@pytest.mark.slow
async def test_files_that_could_hold_tables_but_do_not_are_told_in_one_line(tmp_path: Path, cache: Path) -> None:
    for number in range(5):
        with contextlib.closing(sqlite3.connect(tmp_path / f"{number}.sqlite")) as empty:
            empty.execute("PRAGMA user_version = 1")
            empty.commit()
    (tmp_path / "page.html").write_text("<p>Only words</p>", encoding="utf-8")
    async with connect(tmp_path, cache=cache, models={"starter": False}) as client:
        data = data_of(await client.call_tool("list_sources", {}))
    # A page without tables is a document all the same.
    assert [(source["kind"], source["name"]) for source in data["sources"]] == [("document", "page.html")]
    assert data["notices"] == ["5 files without a table (0.sqlite, 1.sqlite, 2.sqlite, …)"]


async def test_lines_that_differ_in_length_are_told_by_number(tmp_path: Path, cache: Path) -> None:
    lines = ["a,b,c", *(f"{n},{n},x" for n in range(1, 40))]
    lines[4], lines[9] = "1,2", "1,2,3,4"
    (tmp_path / "ragged.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    async with connect(tmp_path, cache=cache) as client:
        described = data_of(await client.call_tool("describe_table", {"table": "ragged"}))
    assert described["rows"] == 39
    assert "line 5 has fewer cells" in described["notes"][0]
    assert "line 10 has more" in described["notes"][0]


@pytest.mark.slow
async def test_a_cache_deleted_at_any_time_costs_no_answer(files: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    async with connect(files / "t_xlsx", cache=cache) as client:
        for _ in range(2):
            assert await rows_of(client, "SELECT count(*) FROM t") == [[3]]
            shutil.rmtree(cache / "tables")
        shutil.rmtree(cache)
        assert await rows_of(client, "SELECT count(*) FROM t") == [[3]]
