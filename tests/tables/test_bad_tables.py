"""Hostile and damaged table files, statements and callers: a clear error or the right answer, and the server lives."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import random
import sqlite3
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import duckdb
import hypothesis
import psutil
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import xlsxwriter
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError

from tests.support.serving import connect, data_of, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from mcp.client.client import Client
    from mcp_types import CallToolResult

pytestmark = pytest.mark.anyio

SMALL: dict[str, Any] = {"memory_mb": 256, "threads": 1}
HURRIED = SMALL | {"deadline_seconds": 4.0, "max_deadline_seconds": 6.0, "copy_seconds": 6.0}


def healthy(folder: Path) -> Path:
    (folder / "healthy.csv").write_text("a,b\n1,x\n2,y\n", encoding="utf-8")
    return folder


async def run(client: Client, sql: str, **more: Any) -> CallToolResult:
    return await client.call_tool("query_tables", {"sql": sql, **more})


async def rows_of(client: Client, sql: str, **more: Any) -> list[list[Any]]:
    rows: list[list[Any]] = data_of(await run(client, sql, **more))["rows"]
    return rows


async def lives(client: Client) -> None:
    """Check that the next queries are answered."""
    assert await rows_of(client, "SELECT 1") == [[1]]
    assert await rows_of(client, "SELECT sum(a) FROM healthy") == [[3]]


def told(result: CallToolResult, folder: Path, *codes: str) -> dict[str, str]:
    """Check that an error can be acted on: one of the codes, a message and a hint, and no folder of the machine."""
    error = error_of(result)
    assert error["code"] in codes, error
    assert error["message"]
    assert error["hint"]
    assert hidden(result, folder), error
    assert '"exception_message"' not in error["message"]
    return error


def hidden(result: object, folder: Path) -> bool:
    """Tell whether a folder of the machine is not in what was answered."""
    return str(folder) not in str(result)


async def named(client: Client, kind: str = "table") -> dict[str, dict[str, Any]]:
    return {s["file"]: s for s in data_of(await client.call_tool("list_sources", {"kind": kind}))["sources"]}


# Damaged and hostile files. ------------------------------------------------------------------------------------------

TABLE = pa.table({"i": list(range(5_000)), "s": [f"text {n}" for n in range(5_000)]})


@functools.cache
def parquet() -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(TABLE, out)
    return out.getvalue()


@functools.cache
def arrow() -> bytes:
    out = io.BytesIO()
    with pyarrow.ipc.new_file(out, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return out.getvalue()


def parquet_footer(length: int) -> bytes:
    return parquet()[:-8] + struct.pack("<I", length) + b"PAR1"


def flipped(content: bytes, start: int, end: int, times: int, seed: int = 1) -> bytes:
    changed, chance = bytearray(content), random.Random(seed)
    for _ in range(times):
        changed[chance.randrange(start, end)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def lying_offsets() -> bytes:
    out, batch = io.BytesIO(), pa.record_batch({"s": ["he", "l", "lo"]})
    with pyarrow.ipc.new_file(out, batch.schema) as writer:
        writer.write_batch(batch)
    honest, lie = struct.pack("<4i", 0, 2, 3, 5), struct.pack("<4i", 0, 1 << 30, 5, 1 << 30)
    assert honest in out.getvalue()
    return out.getvalue().replace(honest, lie)


def zipped(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def sheet_of(xml: str) -> bytes:
    """Make a workbook by hand, of one sheet with this XML."""
    kinds = "http://schemas.openxmlformats.org"
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{kinds}/package/2006/content-types"/>'.encode(),
            "xl/workbook.xml": (
                f'<workbook xmlns="{kinds}/spreadsheetml/2006/main"'
                f' xmlns:r="{kinds}/officeDocument/2006/relationships"><sheets>'
                '<sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>'
            ).encode(),
            "xl/_rels/workbook.xml.rels": (
                f'<Relationships xmlns="{kinds}/package/2006/relationships"><Relationship Id="rId1"'
                f' Type="{kinds}/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>'
                "</Relationships>"
            ).encode(),
            "xl/worksheets/sheet1.xml": (
                f'<worksheet xmlns="{kinds}/spreadsheetml/2006/main"><sheetData>{xml}</sheetData></worksheet>'
            ).encode(),
        }
    )


@functools.cache
def statistics(ending: str) -> bytes:
    import tempfile

    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame({"a": range(2_000), "b": ["x"] * 2_000})
    write: Any = {"sav": pyreadstat.write_sav, "dta": pyreadstat.write_dta, "xpt": pyreadstat.write_xport}[ending]
    with tempfile.TemporaryDirectory() as folder:
        write(frame, f"{folder}/t.{ending}")
        return (Path(folder) / f"t.{ending}").read_bytes()


def database(*statements: str) -> Callable[[], bytes]:
    """Return what makes the bytes of a DuckDB database."""

    @functools.cache
    def make() -> bytes:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            with duckdb.connect(f"{folder}/t.duckdb") as connection:
                for statement in statements:
                    connection.execute(statement)
            return (Path(folder) / "t.duckdb").read_bytes()

    return make


@functools.cache
def zst() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT i, hash(i) AS h FROM range(20000) t(i)) TO '{folder}/t.csv.zst' (COMPRESSION zstd)"
        )
        return (Path(folder) / "t.csv.zst").read_bytes()


def parquet_of_no_columns() -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({}), out)
    return out.getvalue()


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
DATABASE = database("CREATE TABLE t AS SELECT i, hash(i) AS h FROM range(50000) t(i)")
HALF_GZ = gzip.compress(b"a,b\n" + b"1,2\n" * 100_000, mtime=0)

BROKEN: dict[str, Callable[[], bytes]] = {
    "half.parquet": lambda: parquet()[: len(parquet()) // 2],
    "no_tail.parquet": lambda: parquet()[:-5],
    "footer_huge.parquet": lambda: parquet_footer(0xFFFFFFFF),
    "footer_long.parquet": lambda: parquet_footer(2 * len(parquet())),
    "footer_zero.parquet": lambda: parquet_footer(0),
    "footer_short.parquet": lambda: parquet_footer(7),
    "footer_whole.parquet": lambda: parquet_footer(len(parquet()) - 8),
    "bits.parquet": lambda: flipped(parquet(), 4, len(parquet()) // 2, 500),
    "no_columns.parquet": parquet_of_no_columns,
    "nested.xlsx": lambda: zipped({"inner.xlsx": zipped({"xl/workbook.xml": bytes(80 << 20)})}),
    "bomb.xlsx": lambda: zipped({"xl/workbook.xml": bytes(80 << 20)}),
    "stray_cell.xlsx": lambda: sheet_of('<row r="1048576"><c r="XFD1048576"><v>1</v></c><c r="A1"><v>1</v></c></row>'),
    "one_line.csv": lambda: b"a,b\n" + b"x" * (50 << 20),
    "deep.json": lambda: b"[" * 10_000 + b"]" * 10_000,
    "deep_object.json": lambda: b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "nul.json": lambda: b'[{"a":"x\0y","b":1}]',
    "zeros.csv.gz": lambda: gzip.compress(b"a,b\n" + bytes(100 << 20), 1, mtime=0),
    "half.csv.gz": lambda: HALF_GZ[: len(HALF_GZ) // 2],
    "flipped.csv.gz": lambda: flipped(HALF_GZ, 20, len(HALF_GZ) - 20, 30),
    "flipped.csv.zst": lambda: flipped(zst(), len(zst()) // 3, len(zst()) // 2, 200),
    "half.csv.zst": lambda: zst()[: len(zst()) // 2],
    "half.arrow": lambda: arrow()[: len(arrow()) // 2],
    "half.sav": lambda: statistics("sav")[: len(statistics("sav")) // 2],
    "start.sav": lambda: statistics("sav")[:300],
    "half.dta": lambda: statistics("dta")[: len(statistics("dta")) // 2],
    "start.xpt": lambda: statistics("xpt")[:300],
    "hollow.sas7bdat": lambda: bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011") + bytes(3_000),
    "half.duckdb": lambda: DATABASE()[: len(DATABASE()) // 2],
    "flipped.duckdb": lambda: flipped(DATABASE(), 12_288, len(DATABASE()), 2_000),
    "laughs.xml": f'<!DOCTYPE l [<!ENTITY a0 "ha">{LAUGHS}]><l><r>&a9;</r><r>2</r></l>'.encode,
    "external.xml": lambda: b'<!DOCTYPE l [<!ENTITY e SYSTEM "file:///etc/passwd">]><l><r>&e;</r><r>2</r></l>',
    "deep.xml": lambda: b"<a>" * 10_000 + b"</a>" * 10_000,
    "open_quote.xml": lambda: b'<l><r a="' + b"x" * 1_000_000,
    "words.sqlite": lambda: b"SQLite format 3\0" + b"x" * 5_000,
    "spans.html": lambda: (
        b"<table>" + b"<tr>" + b"<td colspan=1000 rowspan=1000>x</td>" * 10 + b"</tr>" + b"<tr></tr>" * 2_000
    ),
}
"""Each is an error in every tool."""

SLOW = ("one_line.csv", "half.csv.zst", "spans.html")
"""Those that take long to see through."""

HARD_TO_READ: dict[str, Callable[[], bytes]] = {
    "flipped.arrow": lambda: flipped(arrow(), 400, len(arrow()) - 600, 3_000),
    "lying.arrow": lying_offsets,
    "half.xpt": lambda: statistics("xpt")[: len(statistics("xpt")) // 2 + 7],
    "bom.csv": lambda: b"\xef\xbb\xbf",
    "blank.csv": lambda: b"   \n  \n\n",
    "bom16.csv": lambda: b"\xff\xfe",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = healthy(tmp_path_factory.mktemp("hostile"))
    for name, make in (BROKEN | HARD_TO_READ).items():
        if name in SLOW:
            continue
        (folder / name.replace(".", "_")).mkdir()
        (folder / name.replace(".", "_") / name).write_bytes(make())
    (folder / "sparse").mkdir()
    with (folder / "sparse" / "sparse.csv").open("wb") as file:
        file.write(b"a,b\n1,2\n")
        file.truncate(2 << 30)
    return folder


@pytest.fixture(scope="module")
async def client(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with connect(folder, cache=tmp_path_factory.mktemp("hostile_cache"), tables=SMALL) as connected:
        yield connected


async def refused_everywhere(client: Client, folder: Path, file: str) -> None:
    listed = next(source for place, source in (await named(client)).items() if place.startswith(file))
    for tool, arguments in (
        ("describe_table", {"table": listed["name"]}),
        ("query_tables", {"sql": f'SELECT * FROM "{listed["name"]}"'}),
    ):
        error = told(await client.call_tool(tool, arguments), folder, "unreadable_source")
        assert Path(file).name in error["message"]
        assert not error["message"].endswith(("Exception", "Error")), "it tells no reason"
    await lives(client)


@pytest.mark.slow
@pytest.mark.parametrize("file", [*(name for name in BROKEN if name not in SLOW), "sparse.csv"])
async def test_a_damaged_or_hostile_file_is_a_clear_error_and_the_next_query_is_answered(
    client: Client, folder: Path, file: str
) -> None:
    await refused_everywhere(
        client, folder, f"{file.replace('.', '_')}/{file}" if file in BROKEN else "sparse/sparse.csv"
    )


@pytest.mark.slow
@pytest.mark.parametrize("file", HARD_TO_READ)
async def test_a_file_that_is_hard_to_judge_is_a_clear_error(client: Client, folder: Path, file: str) -> None:
    await refused_everywhere(client, folder, f"{file.replace('.', '_')}/{file}")


@pytest.mark.slow
@pytest.mark.parametrize("file", SLOW)
async def test_a_file_that_is_long_to_see_through_is_given_up(tmp_path: Path, cache: Path, file: str) -> None:
    (healthy(tmp_path) / "bad").mkdir()
    (tmp_path / "bad" / file).write_bytes(BROKEN[file]())
    async with connect(tmp_path, cache=cache, tables=HURRIED) as client:
        codes = ["unreadable_source"] if file == "half.csv.zst" else ["unreadable_source", "deadline_exceeded"]
        told(await client.call_tool("describe_table", {"table": f"bad/{file}"}), tmp_path, *codes)
        await lives(client)


async def test_a_listing_over_all_of_them_names_every_one_with_its_problem(client: Client) -> None:
    listed = await named(client)
    assert listed["healthy.csv"]["rows"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("file", ["half.parquet", "deep.json"])
async def test_a_broken_file_beside_another_of_its_format_tells_its_reason_too(
    tmp_path: Path, cache: Path, file: str
) -> None:
    (healthy(tmp_path) / file).write_bytes(BROKEN[file]())
    (tmp_path / f"another_{file}").write_bytes(BROKEN[file]())
    async with connect(tmp_path, cache=cache, tables=SMALL) as client:
        await refused_everywhere(client, tmp_path, file)


# Odd files that must be read. ----------------------------------------------------------------------------------------

ODD: dict[str, tuple[bytes, int, list[list[Any]]]] = {
    "dup.csv": (b"a,a,a,A\n1,2,3,4\n", 4, [[1, 2, 3, 4]]),
    "empty.csv": (b",,x\n1,2,3\n", 3, [[1, 2, 3]]),
    "reserved.csv": (b"select,from,order,table,rowid\n1,2,3,4,5\n", 5, [[1, 2, 3, 4, 5]]),
    "long.csv": (b"x" * 5_000 + b",b\n1,2\n", 2, [[1, 2]]),
    "quote.csv": (b'"a""b","c\'d","e\nf",g;h\n1,2,3,4\n', 4, [[1, 2, 3, 4]]),
    "case.csv": ("name,Name,NAME,Été,été\n1,2,3,4,5\n".encode(), 5, [[1, 2, 3, 4, 5]]),
    "filename.csv": (b"filename,source_file\n1,2\n", 2, [[1, 2]]),
    "header.csv": (b"a,b", 2, []),
    "numbers.json": (
        b'[{"n":123456789012345678901234567890123456789012345678901234567890,"m":1e300}]',
        2,
        [[1.2345678901234568e59, 1e300]],
    ),
    "escaped_nul.json": (b'[{"a":"x\\u0000y","b":1}]', 2, [["x\0y", 1]]),
}


@pytest.fixture(scope="module")
async def odd(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> AsyncIterator[Client]:
    folder = healthy(tmp_path_factory.mktemp("odd"))
    for name, (content, _, _) in ODD.items():
        (folder / name).write_bytes(content)
    pyarrow.parquet.write_table(pa.table({"a": pa.array([], pa.int64())}), folder / "no_rows.parquet")
    (folder / "folder.csv").mkdir()
    (folder / "folder.csv" / "inner.csv").write_text("z\n1\n", encoding="utf-8")
    async with connect(folder, cache=cache) as connected:
        yield connected


@pytest.mark.slow
@pytest.mark.parametrize("file", ODD)
async def test_columns_of_any_name_can_be_asked_for_by_the_names_that_describe_table_gives(
    odd: Client, file: str
) -> None:
    _, width, rows = ODD[file]
    described = data_of(await odd.call_tool("describe_table", {"table": file}))
    names = [column["name"] for column in described["columns"]]
    assert len(names) == len(set(names)) == width
    chosen = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    assert await rows_of(odd, f'SELECT {chosen} FROM "{described["table"]}"') == rows
    await lives(odd)


@pytest.mark.slow
async def test_ten_thousand_columns_are_described_and_each_can_be_asked_for(tmp_path: Path, cache: Path) -> None:
    wide = {f"c{n}": [n] for n in range(10_000)}
    pyarrow.parquet.write_table(pa.table(wide), healthy(tmp_path) / "wide.parquet")
    async with connect(tmp_path, cache=cache) as client:
        assert data_of(await client.call_tool("describe_table", {"table": "wide"}))["rows"] == 1
        assert await rows_of(client, "SELECT c0, c9999 FROM wide") == [[0, 9999]]
        assert "fewer columns" in error_of(await run(client, "FROM wide"))["hint"]
        await lives(client)


@pytest.mark.slow
async def test_a_folder_called_like_a_file_is_walked_and_a_table_without_rows_is_one(odd: Client) -> None:
    assert await rows_of(odd, "FROM inner_") == [[1]] or await rows_of(odd, "FROM folder_csv_inner") == [[1]]
    assert await rows_of(odd, "FROM no_rows") == []
    assert data_of(await odd.call_tool("describe_table", {"table": "no_rows"}))["rows"] == 0


MARKED = ["glob[1]", "star*", "q?", "curly{a,b}", "quote'd", "back\\slash", "per%20cent", "a#b"]


@pytest.fixture(scope="module")
async def marked(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> AsyncIterator[Client]:
    """Serve files of such names, each beside others that it would match as a pattern."""
    root = healthy(tmp_path_factory.mktemp("marked"))
    with duckdb.connect() as connection:
        for ending in ("csv", "json", "parquet"):
            for place, name in enumerate(MARKED):
                folder = root / ending / str(place)
                folder.mkdir(parents=True)
                for number, stem in enumerate((name, "glob1", "starx", "qx", "curlya", "slash")):
                    connection.execute(f"COPY (SELECT {number} AS n, 'x' AS x) TO '{folder}/t.{ending}'")
                    (folder / f"t.{ending}").rename(folder / f"{stem}.{ending}")
    async with connect(root, cache=cache, tables=SMALL) as connected:
        yield connected


@pytest.mark.slow
@pytest.mark.parametrize("name", MARKED)
@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
async def test_marks_of_patterns_in_a_file_name_mean_themselves(marked: Client, name: str, ending: str) -> None:
    described = await marked.call_tool("describe_table", {"table": f"{ending}/{MARKED.index(name)}/{name}.{ending}"})
    table = data_of(described)["table"]
    assert await rows_of(marked, f'SELECT n FROM "{table}"') == [[0]]
    await lives(marked)


# Folders. ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_partition_folders_of_any_name_give_values_and_lead_nowhere(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("v\nTOPSECRET\n", encoding="utf-8")
    (tmp_path / "root").mkdir()
    root = healthy(tmp_path / "root")
    for place in (
        "dots/key=..%2F..",
        "dots/key=%2Fetc%2Fpasswd",
        "dots/key=a'b",
        "mixed/year=2026",
        "mixed/month=1",
        "link/a=1",
        "link/a=2",
        "sql/a); DROP=1",
        "sql/a); DROP=2",
        "own/v=1",
        "own/v=2",
    ):
        (root / place).mkdir(parents=True)
        (root / place / "x.csv").write_text("v\n7\n", encoding="utf-8")
    (root / "link" / "a=b").symlink_to(tmp_path / "outside")
    (root / "link" / "a=1" / "y.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    async with connect(root, cache=cache, tables=SMALL) as client:
        assert sorted(await rows_of(client, "FROM dots")) == [[7, "../.."], [7, "/etc/passwd"], [7, "a'b"]]
        assert sorted(await rows_of(client, "FROM link")) == [[7, 1], [7, 2]]
        assert sorted(await rows_of(client, "FROM sql")) == [[7, 1], [7, 2]]
        result = await client.call_tool("list_sources", {})
        assert "TOPSECRET" not in str(result)
        assert "mixed" not in {source["name"] for source in data_of(result)["sources"]}
        await lives(client)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", [b"a,b\n1\n1,2,3,4\n", b"a,b\n1,2\n3,\xff\xfe\x00\x01\n", b"", bytes(range(256)) * 10]
)
async def test_one_bad_file_among_three_hundred_is_named_and_loses_nothing_silently(
    tmp_path: Path, cache: Path, content: bytes
) -> None:
    folder = healthy(tmp_path) / "many"
    folder.mkdir()
    for number in range(300):
        (folder / f"p{number:03}.csv").write_text(f"a,b\n{number},{number}\n", encoding="utf-8")
    (folder / "p150.csv").write_bytes(content)
    async with connect(tmp_path, cache=cache, tables=SMALL) as client:
        result = await run(client, "SELECT count(*) FROM many")
        error = told(result, tmp_path, "sql_error", "unreadable_source") if result.is_error else None
        assert error is None or "p150.csv" in error["message"] or error["code"] == "sql_error"
        assert error is not None or data_of(result)["rows"][0][0] >= 300
        assert await rows_of(client, "SELECT b FROM p151") == [[151]]
        await lives(client)


# Files that change, are locked, or are copied at once. ---------------------------------------------------------------


def version(path: Path, number: int, rows: int = 4_000) -> None:
    """Put a version in the place of a file in one step, as careful programs do."""
    new = path.with_suffix(".new")
    new.write_text("v\n" + f"{number}\n" * rows, encoding="utf-8")
    new.replace(path)


async def until_open(path: Path) -> None:
    """Wait until a worker has a file open."""
    with anyio.fail_after(60):
        while True:
            for child in psutil.Process().children(recursive=True):
                try:
                    if any(opened.path == str(path) for opened in child.open_files()):
                        return
                except psutil.Error:
                    continue
            await anyio.lowlevel.checkpoint()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["replaced", "deleted", "truncated"])
async def test_a_file_that_changes_while_it_is_read_never_gives_a_mixture(
    tmp_path: Path, cache: Path, how: str
) -> None:
    table = healthy(tmp_path) / "t.csv"
    slow = "levenshtein(repeat('a', 400), repeat(v::VARCHAR, 400)) >= 0"
    sql = f"SELECT min(v), max(v), count(*) FROM (SELECT v FROM t WHERE {slow} UNION ALL SELECT v FROM t)"
    async with connect(tmp_path, cache=cache, tables=SMALL | {"deadline_seconds": 60}) as client:
        for _ in range(2):  # where in the reading the change comes is chance
            version(table, 1)
            await rows_of(client, "SELECT count(*) FROM t, healthy")
            result = await ask_while(client, sql, table, how)
            if result.is_error:
                assert error_of(result)["code"] in {"sql_error", "unreadable_source", "not_found", "stale_cursor"}
                assert hidden(result, tmp_path)
            else:
                assert data_of(result)["rows"] in ([[1, 1, 8_000]], [[2, 2, 8_000]], [[1, 1, 1_000]])
            after = await run(client, "SELECT min(v), count(*) FROM t")
            expected = {"replaced": [[2, 4_000]], "truncated": [[1, 500]]}
            assert after.is_error if how == "deleted" else data_of(after)["rows"] == expected[how]
        await lives(client)


async def ask_while(client: Client, sql: str, table: Path, how: str) -> CallToolResult:
    """Ask, and change the file once a worker has it open."""
    got: list[CallToolResult] = []

    async def ask() -> None:
        got.append(await run(client, sql))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await until_open(table)
        if how == "replaced":
            version(table, 2)
        elif how == "deleted":
            table.unlink()
        else:
            os.truncate(table, 1_002)
    return got[0]


@pytest.mark.slow
async def test_a_locked_database_is_told_and_read_once_it_is_free(tmp_path: Path, cache: Path) -> None:
    root = healthy(tmp_path)
    writer = sqlite3.connect(root / "s.sqlite", isolation_level=None)
    writer.execute("CREATE TABLE t (a)")
    writer.execute("INSERT INTO t VALUES (1)")
    writer.execute("BEGIN EXCLUSIVE")
    other = duckdb.connect(str(root / "d.duckdb"))
    other.execute("CREATE TABLE t AS SELECT 2 AS a")
    async with connect(root, cache=cache, tables=SMALL) as client:
        for sql in ("FROM s", "FROM d"):
            told(await run(client, sql), root, "source_busy")
        writer.execute("COMMIT")
        writer.close()
        other.close()
        assert await rows_of(client, "SELECT s.a, d.a FROM s, d") == [[1, 2]]
        await lives(client)


def workbook(path: Path, rows: int) -> None:
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("s")
        sheet.write_row(0, 0, ["n", "m"])
        for row in range(rows):
            sheet.write_row(row + 1, 0, [row, row * 2])


@pytest.mark.slow
async def test_twenty_calls_at_once_make_one_copy(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    root.mkdir()
    workbook(healthy(root) / "book.xlsx", 2_000)
    got: list[Any] = []
    async with connect(root, cache=cache, tables=SMALL) as one, connect(root, cache=cache, tables=SMALL) as other:

        async def ask(client: Client) -> None:
            got.append(await rows_of(client, "SELECT sum(n) FROM book"))

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(ask, other if number % 2 else one)
        assert got == [[[1_999_000]]] * 20
        assert len(list((cache / "tables").glob("*.parquet"))) == 1
        assert not list((cache / "tables").glob(".new-*"))


@pytest.mark.slow
async def test_a_call_that_is_cancelled_while_a_copy_is_made_leaves_the_copy_to_the_next(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    root.mkdir()
    workbook(healthy(root) / "book.xlsx", 20_000)
    async with connect(root, cache=cache, tables=SMALL) as client:
        await lives(client)
        async with anyio.create_task_group() as group:
            group.start_soon(run, client, "SELECT sum(n) FROM book")
            with anyio.fail_after(60):
                while not list((cache / "spill").glob("*/tmp*")):
                    await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        await lives(client)
        assert await rows_of(client, "SELECT sum(n) FROM book") == [[199_990_000]]


# Files of other programs. --------------------------------------------------------------------------------------------

ENDLESS = "CREATE VIEW endless AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i FROM c"
STRANGE = {"select": 5, "we\"ird'; DROP TABLE good;--": 6, "line\nbreak": 7, "🗻 table": 8, " ": 9, "a.b": 10}


@pytest.fixture
def hostile_sqlite(tmp_path: Path) -> Path:
    connection = sqlite3.connect(healthy(tmp_path) / "h.sqlite")
    connection.execute("CREATE TABLE good (a)")
    connection.execute("INSERT INTO good VALUES (1)")
    connection.execute(ENDLESS)
    connection.execute("CREATE VIEW loads AS SELECT load_extension('/tmp/x.so') AS x")
    connection.execute("CREATE VIEW reads AS SELECT readfile('/etc/passwd') AS x")
    connection.execute("CREATE VIEW huge AS SELECT zeroblob(2000000000) AS x")
    for name, value in STRANGE.items():
        quoted = '"' + name.replace('"', '""') + '"'
        connection.execute(f"CREATE TABLE {quoted} (a)")
        connection.execute(f"INSERT INTO {quoted} VALUES (?)", [value])
    connection.commit()
    connection.close()
    return tmp_path


@pytest.mark.slow
async def test_a_hostile_sqlite_file_harms_no_one_and_its_tables_of_any_name_are_read(
    hostile_sqlite: Path, cache: Path
) -> None:
    async with connect(hostile_sqlite, cache=cache, tables=HURRIED) as client:
        listed = await named(client)
        names = {file: source["name"] for file, source in listed.items()}
        for table, value in STRANGE.items():
            assert await rows_of(client, f'SELECT a FROM "{names[f"h.sqlite#{table}"]}"') == [[value]]
        for view in ("loads", "reads", "huge"):
            told(await run(client, f"FROM h_{view}"), hostile_sqlite, "unreadable_source", "out_of_memory")
        told(await run(client, "FROM h_endless"), hostile_sqlite, "deadline_exceeded")
        await lives(client)
        assert await rows_of(client, "FROM h_good") == [[1]]


@pytest.mark.slow
async def test_an_endless_view_keeps_no_other_file_from_being_read(tmp_path: Path, cache: Path) -> None:
    for name in ("endless", "good"):
        connection = sqlite3.connect(healthy(tmp_path) / f"{name}.sqlite")
        connection.execute("CREATE TABLE t (a)" if name == "good" else ENDLESS)
        connection.commit()
        connection.close()
    tables = SMALL | {"deadline_seconds": 5.0}
    async with connect(tmp_path, cache=cache, tables=tables) as client:
        told(await run(client, "FROM endless"), tmp_path, "deadline_exceeded")
        assert await rows_of(client, "FROM good") == []


@pytest.mark.slow
async def test_tables_beyond_the_first_thousand_of_a_file_are_not_left_out_silently(
    tmp_path: Path, cache: Path
) -> None:
    connection = sqlite3.connect(healthy(tmp_path) / "many.sqlite")
    for number in range(1_100):
        connection.execute(f"CREATE TABLE t{number} (a)")
    connection.commit()
    connection.close()
    async with connect(tmp_path, cache=cache, tables=SMALL) as client:
        assert await rows_of(client, "FROM many_t999") == []
        await lives(client)
        answer = await run(client, "FROM many_t1099")
        assert not answer.is_error or "1,000" in text_of(answer)


@pytest.mark.slow
async def test_views_of_a_duckdb_file_reach_nothing_outside_it(tmp_path: Path, cache: Path) -> None:
    make = database(
        "CREATE TABLE good AS SELECT 1 AS a",
        "CREATE VIEW texts AS SELECT * FROM read_text('/etc/passwd')",
        "CREATE VIEW files AS SELECT * FROM glob('/etc/*')",
        "CREATE MACRO reach() AS (SELECT content FROM read_text('/etc/passwd'))",
        "CREATE VIEW reached AS SELECT reach() AS x",
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "CREATE VIEW huge AS SELECT repeat('x', 4000000000) AS x",
    )
    (healthy(tmp_path) / "d.duckdb").write_bytes(make())
    async with connect(tmp_path, cache=cache, tables=HURRIED) as client:
        for view in ("texts", "files", "reached"):
            result = await run(client, f"FROM d_{view}")
            told(result, tmp_path, "unreadable_source")
            assert "root:" not in str(result)
        told(await run(client, "FROM d_huge"), tmp_path, "out_of_memory", "unreadable_source", "deadline_exceeded")
        assert await rows_of(client, "FROM d_good") == [[1]]
        told(await run(client, "FROM d_endless"), tmp_path, "deadline_exceeded", "out_of_memory", "unreadable_source")
        await lives(client)


@pytest.mark.slow
@pytest.mark.parametrize("view", ["settings", "databases"])
async def test_a_view_of_a_duckdb_file_tells_no_folder_of_the_machine(tmp_path: Path, view: str) -> None:
    make = database(
        "CREATE VIEW settings AS SELECT value FROM duckdb_settings() WHERE name LIKE '%directory%'",
        "CREATE VIEW databases AS SELECT path FROM duckdb_databases()",
    )
    (tmp_path / "root").mkdir()
    (healthy(tmp_path / "root") / "d.duckdb").write_bytes(make())
    async with connect(tmp_path / "root", cache=tmp_path / "cache", tables=SMALL) as client:
        assert hidden(await run(client, f"FROM d_{view}"), tmp_path)


@pytest.mark.slow
async def test_a_workbook_of_oddities_is_read_without_reaching_out(tmp_path: Path, cache: Path) -> None:
    with xlsxwriter.Workbook(str(healthy(tmp_path) / "odd.xlsx")) as book:
        drop = book.add_worksheet("x'; DROP TABLE healthy")
        drop.write_row(0, 0, ["id", "link", "web"])
        drop.write_row(1, 0, [1])
        drop.write_formula(1, 1, "='[other.xlsx]Sheet1'!A1", value=3)
        drop.write_formula(1, 2, '=WEBSERVICE("http://127.0.0.1:9/")', value="old")
        merged = book.add_worksheet("merged")
        merged.merge_range("A1:C1", "title")
        merged.write_row(1, 0, ["a", "b", "c"])
        merged.write_row(2, 0, [1, 2, 3])
    async with connect(tmp_path, cache=cache, tables=SMALL | {"deadline_seconds": 60}) as client:
        names = {file.partition("#")[2]: source["name"] for file, source in (await named(client)).items()}
        dropping = names["x'; DROP TABLE healthy"]
        assert await rows_of(client, f'FROM "{dropping}"') == [[1, 3, "old"]]
        assert await rows_of(client, f'FROM "{names["merged"]}"') == [[1, 2, 3]]
        await lives(client)


@pytest.mark.slow
async def test_a_very_wide_sheet_is_read(tmp_path: Path, cache: Path) -> None:
    with xlsxwriter.Workbook(str(healthy(tmp_path) / "wide.xlsx")) as book:
        sheet = book.add_worksheet("wide")
        sheet.write_row(0, 0, [f"h{n}" for n in range(4_000)])
        sheet.write_row(1, 0, list(range(4_000)))
    async with connect(tmp_path, cache=cache, tables={"deadline_seconds": 60}) as client:
        assert await rows_of(client, "SELECT h0, h3999 FROM wide") == [[0, 3_999]]
        await lives(client)


@pytest.mark.slow
async def test_a_page_of_a_thousand_tables_is_listed_and_each_is_read(tmp_path: Path, cache: Path) -> None:
    rows = "<table><tr><td>a</td><td>b</td></tr><tr><td>{}</td><td>2</td></tr></table>"
    (healthy(tmp_path) / "page.html").write_text("".join(map(rows.format, range(1_000))), encoding="utf-8")
    async with connect(tmp_path, cache=cache, tables=SMALL) as client:
        assert await rows_of(client, "FROM page_table1000, page_table1") == [[999, 2, 0, 2]]
        await lives(client)


# Statements and arguments. -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def hurried(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> AsyncIterator[Client]:
    async with connect(healthy(tmp_path_factory.mktemp("hurried")), cache=cache, tables=HURRIED) as connected:
        yield connected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT '" + "x" * 1_000_000 + "'", "invalid_input"),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n", "deadline_exceeded"),
        ("SELECT length(repeat('x', 1e10::BIGINT))", "sql_error"),
        ("SELECT levenshtein(repeat('a', 300000), repeat('b', 300000))", "deadline_exceeded"),
        ("SELECT count(*) FROM range(2000000) a, range(2000000) b WHERE a.range + b.range = 7", "deadline_exceeded"),
        ("SELECT printf('%2000000000d', 1)", "out_of_memory sql_error deadline_exceeded"),
        ("SELECT lpad('x', 2000000000, 'y')", "out_of_memory deadline_exceeded"),
        ("SELECT list_aggregate(range(1e9::BIGINT), 'sum')", "out_of_memory deadline_exceeded"),
        ("SELECT 1" + "0" * 90_000, "invalid_input"),
        ("SELECT " + ", ".join("1" for _ in range(40_000)), "invalid_input"),
    ],
)
async def test_a_statement_that_asks_for_too_much_is_stopped_and_the_next_is_answered(
    hurried: Client, tmp_path: Path, sql: str, code: str
) -> None:
    result = await run(hurried, sql)
    assert error_of(result)["code"] in code.split(), text_of(result)
    await lives(hurried)


# What JSON can carry, and Python's own extensions of it.
TIMES: tuple[Any, ...] = (0, -1, float("nan"), float("inf"), 1e308, "soon", [], True, 10**400)
COUNTS: tuple[Any, ...] = (0, -1, 1.5, 1 << 80, "x", None, [])
VALUES: tuple[Any, ...] = ("x", 1, [object], [[[[[]]]]] * 5_000, {"": 1}, {"a": {"b": 1}}, [1e999])


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        *({"timeout_seconds": value} for value in TIMES),
        *({"max_rows": value} for value in COUNTS),
        *({"params": value} for value in VALUES),
        {"params": [0] * 200_000},
        {"params": ["x" * 2_000_000], "sql": "SELECT length(?)"},
        {"params": {str(n): n for n in range(50_000)}},
        {"sql": None},
        {"sql": 1},
        {"sql": ["SELECT 1"]},
        {"save": "exe"},
        {"cursor": "x" * 5_000},
        {"nope": 1},
    ],
    ids=lambda value: str(value)[:40],
)
async def test_arguments_of_a_wrong_kind_or_size_are_no_fault_of_the_server(
    hurried: Client, arguments: dict[str, Any]
) -> None:
    wire = json.loads(json.dumps({"sql": "SELECT 1", **arguments}, default=str))
    result = await hurried.call_tool("query_tables", wire)
    if result.is_error:
        assert error_of(result)["code"] == "invalid_input"
    else:
        assert data_of(result)["rows"]
    await lives(hurried)


@pytest.mark.parametrize(
    "uri", ["result://" + "f" * 32, "result://*", "result://.new-abc", "result://" + "a" * 100_000, "result://a%00b"]
)
async def test_a_guess_at_a_result_is_refused(hurried: Client, uri: str) -> None:
    with pytest.raises(MCPError):
        await hurried.read_resource(uri)
    await lives(hurried)


@pytest.mark.slow
async def test_a_cache_that_can_not_be_written_is_told_without_its_place(tmp_path: Path) -> None:
    """A file in the place of the folder for results stops even root, as a full or read-only disk would others."""
    cache = tmp_path / "cache"
    (tmp_path / "root").mkdir()
    root = healthy(tmp_path / "root")
    cache.mkdir()
    (cache / "results").write_text("in the way", encoding="utf-8")
    async with connect(root, cache=cache, tables=SMALL) as client:
        result = await run(client, "SELECT 1", save="csv")
        error = error_of(result)
        assert error["code"] != "error", error
        assert hidden(result, tmp_path)
        await lives(client)


# Anything at all. ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def any_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return healthy(tmp_path_factory.mktemp("any"))


@pytest.fixture(scope="module")
async def any_client(any_root: Path, cache: Path) -> AsyncIterator[Client]:
    async with connect(any_root, cache=cache, tables=SMALL) as connected:
        yield connected


CELLS = st.sampled_from(
    [
        "",
        "a",
        "A",
        '"',
        '""',
        "'",
        ",",
        ";",
        "\t",
        "|",
        "\n",
        "\r\n",
        "\r",
        "\x00",
        "\ufeff",
        "#",
        "\\",
        " ",
        "1",
        "-1e999",
        "2025-01-01",
        "99/99/9999",
        "NaN",
        "true",
        "日本",
        "🗻",
        "\u202e",
        "NULL",
        "{}",
        "x" * 3000,
        "0" * 400,
    ]
)


@pytest.mark.slow
@hypothesis.settings(max_examples=30, deadline=None, database=None, derandomize=True)
@hypothesis.given(cells=st.lists(CELLS, max_size=40), raw=st.binary(max_size=12))
async def test_any_text_as_csv_is_read_or_refused_and_the_server_lives(
    any_client: Client, any_root: Path, cells: list[str], raw: bytes
) -> None:
    (any_root / "any.csv").write_bytes("".join(cells).encode() + raw)
    for tool, arguments in (("query_tables", {"sql": 'FROM "any_csv"'}), ("describe_table", {"table": "any.csv"})):
        result = await any_client.call_tool(tool, arguments)
        if result.is_error:
            told(result, any_root, "unreadable_source", "sql_error", "invalid_input", "not_found")
    assert await rows_of(any_client, "SELECT sum(a) FROM healthy") == [[3]]


PIECES = st.sampled_from(
    "SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET"
    " UNION ALL EXCEPT INTERSECT JOIN LEFT USING ON AS WITH RECURSIVE"
    " VALUES PIVOT UNPIVOT DESCRIBE SUMMARIZE SHOW EXPLAIN ANALYZE CASE WHEN THEN ELSE END DISTINCT LATERAL TABLESAMPLE"
    " healthy a b x * ( ) , ; . ? $1 $x 1 -1 1e999 'x' '' \" \"a\" [ ] { } : :: => -> || + - / % = <> NULL TRUE"
    " sum( count("
    " unnest( range( list_transform( struct_pack( x:=1 INTEGER VARCHAR[] STRUCT(a INT) OVER PARTITION ROWS QUALIFY ASOF"
    " POSITIONAL COLUMNS( EXCLUDE REPLACE BETWEEN IN EXISTS LIKE ESCAPE COLLATE"
    " INTERVAL DATE /* */ -- $$ e'\\n' 🗻".split()
)


@pytest.mark.slow
@hypothesis.settings(max_examples=40, deadline=None, database=None, derandomize=True)
@hypothesis.given(
    pieces=st.lists(PIECES, min_size=1, max_size=14), params=st.none() | st.lists(st.integers(), max_size=2)
)
async def test_any_statement_of_pieces_of_sql_is_answered_or_refused_and_never_a_fault_of_the_server(
    any_client: Client, pieces: list[str], params: list[int] | None
) -> None:
    for start in ("", "SELECT ", "FROM healthy "):
        result = await any_client.call_tool("query_tables", {"sql": start + " ".join(pieces), "params": params})
        if result.is_error:
            assert error_of(result)["code"] not in {"error", "worker_crashed"}
    assert await rows_of(any_client, "SELECT sum(a) FROM healthy") == [[3]]
