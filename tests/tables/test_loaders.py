"""Files of other programs as tables: values and types exact, damage and attacks told in one sentence."""

# ruff: noqa: DTZ001 - most formats know no time zones

from __future__ import annotations

import contextlib
import datetime as dt
import io
import multiprocessing
import random
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest
import xlsxwriter
import xlwt
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from pyarrow import feather, ipc, orc

from mcp_context_resources.errors import (
    ContextError,
    DeadlineExceededError,
    NotFoundError,
    PasswordRequiredError,
    UnreadableSourceError,
)
from mcp_context_resources.tables.duckdb_engine.loaders import archive, marked_text, registry, sqlite_files, xml
from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names
from mcp_context_resources.tables.reader import BY_FORMAT, LOADED_FORMATS
from mcp_context_resources.workers.job import CallBoard, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DATA = Path(__file__).parents[1] / "data"


class Loaded(NamedTuple):
    types: dict[str, str]
    rows: list[tuple[Any, ...]]
    notes: str


def a_job(seconds: float = 60) -> Job:
    return Job(CallBoard(multiprocessing.get_context("spawn")), seconds)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def parts_of(path: Path, scratch: Path, job: Job | None = None) -> list[str]:
    return registry.parts(job or a_job(), str(path), BY_FORMAT[LOADED_FORMATS[path.suffix]], scratch)


def load(path: Path, scratch: Path, part: str | None = None, job: Job | None = None) -> Loaded:
    """Load a part, by default the first, and read it back from the Parquet copy that is made of it."""
    if part is None:
        part = parts_of(path, scratch)[0]
    config: dict[str, Any] = {"memory_limit": "1GB", "temp_directory": str(scratch / "spill")}
    with contextlib.closing(duckdb.connect(config=config | {"python_enable_replacements": False})) as connection:
        notes = registry.load(
            job or a_job(), connection, str(path), BY_FORMAT[LOADED_FORMATS[path.suffix]], part, scratch
        )
        types = {row[0]: row[1] for row in connection.execute("DESCRIBE data").fetchall()}
        copy = scratch / "copy.parquet"
        connection.execute(f"COPY (FROM data) TO '{copy}' (FORMAT parquet)")
        rows = connection.execute("FROM data").fetchall()
        assert connection.execute(f"SELECT count(*) FROM '{copy}'").fetchall() == [(len(rows),)]
    return Loaded(types, rows, "\n".join(notes))


def refused(path: Path, scratch: Path) -> ContextError:
    """Return the error that listing or loading a file ends with, and check that it tells no folder."""
    with pytest.raises((UnreadableSourceError, NotFoundError)) as caught:
        load(path, scratch)
    assert path.name in caught.value.message
    assert str(path.parent) not in str(caught.value)
    assert caught.value.hint
    return caught.value


# Workbooks


def workbook(path: Path, *sheets: Sequence[Sequence[Any]], **formats: str) -> Path:
    """Write sheets named S1, S2 …; dates and times get formats by their type, other cells that of their text."""
    book = xlsxwriter.Workbook(path)
    by_type = {
        dt.datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        dt.date: book.add_format({"num_format": "yyyy-mm-dd"}),
        dt.time: book.add_format({"num_format": "hh:mm:ss"}),
        dt.timedelta: book.add_format({"num_format": "[h]:mm:ss"}),
    }
    for number, rows in enumerate(sheets, start=1):
        sheet = book.add_worksheet(f"S{number}")
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                if isinstance(cell, str) and cell.startswith("#"):
                    sheet.write_formula(r, c, "=1/0", None, cell)
                elif isinstance(cell, str):
                    sheet.write_string(r, c, cell)
                elif type(cell) in by_type:
                    sheet.write_datetime(r, c, cell, by_type[type(cell)])
                elif cell is not None:
                    sheet.write(r, c, cell)
    book.close()
    return path


def test_every_kind_of_cell_keeps_its_type(tmp_path: Path, scratch: Path) -> None:
    header: list[Any] = ["n", "x", "yes", "day", "at", "time", "span", "text", "code"]
    rows: list[list[Any]] = [
        [1, 1.5, True, dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4, 5), dt.time(3, 4, 5), dt.timedelta(days=2, hours=6), "a", "007"],  # noqa: E501
        [2, 2, False, dt.date(1999, 12, 31), dt.datetime(1999, 12, 31), dt.time(0, 0, 1), dt.timedelta(days=1, hours=5), "b", "010"],  # noqa: E501
        [None] * 7 + ["c", "1"],
    ]  # fmt: skip
    loaded = load(workbook(tmp_path / "t.xlsx", [header, *rows]), scratch)
    assert loaded.types == {
        "n": "BIGINT", "x": "DOUBLE", "yes": "BOOLEAN", "day": "DATE", "at": "TIMESTAMP", "time": "TIME",
        "span": "INTERVAL", "text": "VARCHAR", "code": "VARCHAR",
    }  # fmt: skip
    assert [list(row) for row in loaded.rows] == rows
    assert not loaded.notes


SHEETS: dict[str, tuple[list[list[Any]], dict[str, str], list[tuple[Any, ...]], str]] = {
    "leading empty rows and columns are left out": (
        [[], [], [None, None, "a", "b"], [None, None, 1, "x"]], {"a": "BIGINT", "b": "VARCHAR"}, [(1, "x")], "",
    ),
    "a title above the table is left out and noted": (
        [["Sales 2024"], [], ["shop", "sum"], ["A", 3]], {"shop": "VARCHAR", "sum": "BIGINT"}, [("A", 3)],
        "One line above the table left out, beginning with 'Sales 2024'.",
    ),
    "a label with its value above a wide table is left out": (
        [["Made on", dt.date(2024, 1, 2)], ["a", "b", "c", "d", "e"], [1, 2, 3, 4, 5]],
        dict.fromkeys("abcde", "BIGINT"), [(1, 2, 3, 4, 5)], "One line above",
    ),
    "names become unique": (
        [["a", "A", None, "a\nb", "a  b"], [1, 2, 3, 4, 5]],
        {"a": "BIGINT", "A_2": "BIGINT", "column3": "BIGINT", "a b": "BIGINT", "a b_2": "BIGINT"},
        [(1, 2, 3, 4, 5)], "",
    ),
    "years make a header": (
        [["shop", 2023, 2024], ["A", 1, 2]], {"shop": "VARCHAR", "2023": "BIGINT", "2024": "BIGINT"}, [("A", 1, 2)],
        "",
    ),
    "numbers make no header": (
        [["A", 1.5], ["B", 2.5]], {"column1": "VARCHAR", "column2": "DOUBLE"}, [("A", 1.5), ("B", 2.5)],
        "It has no header line",
    ),
    "errors are null and counted": (
        [["a", "b"], [1, "#DIV/0!"], ["#N/A", 2.5], [3, "#REF!"]], {"a": "BIGINT", "b": "DOUBLE"},
        [(1, None), (None, 2.5), (3, None)], "3 cells hold an error (such as #DIV/0!) and are null (in columns A, B).",
    ),
    "numbers and texts in one column become texts": (
        [["a"], [1], ["x"], [2.5], [True]], {"a": "VARCHAR"}, [("1",), ("x",), ("2.5",), ("true",)],
        "a mixes numbers (2) and texts (1) and true or false (1): it is kept as text.",
    ),
    "dates and times of day in one column become timestamps": (
        [["d"], [dt.date(2024, 1, 2)], [dt.datetime(2024, 1, 2, 3)]], {"d": "TIMESTAMP"},
        [(dt.datetime(2024, 1, 2),), (dt.datetime(2024, 1, 2, 3),)], "",
    ),
    "empty rows within and after are left out": (
        [["a"], [1], [], [2], [], []], {"a": "BIGINT"}, [(1,), (2,)], "",
    ),
    "a header alone is a table without rows": (
        [["name", "price"]], {"name": "VARCHAR", "price": "VARCHAR"}, [], "",
    ),
    "an unnamed empty column is left out": (
        [["a", None, "b"], [1, None, 2]], {"a": "BIGINT", "b": "BIGINT"}, [(1, 2)], "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHEETS)
def test_in_a_sheet(case: str, tmp_path: Path, scratch: Path) -> None:
    cells, types, rows, note = SHEETS[case]
    loaded = load(workbook(tmp_path / "t.xlsx", cells), scratch)
    assert (loaded.types, loaded.rows) == (types, rows)
    assert (note in loaded.notes) if note else not loaded.notes


def test_visible_sheets_with_cells_are_tables_and_hidden_ones_are_told(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "t.xlsx"
    book = xlsxwriter.Workbook(path)
    book.add_worksheet("Empty")
    book.add_worksheet("売上 2024").write_row(0, 0, ["a"])
    secret = book.add_worksheet("Secret")
    secret.write_row(0, 0, ["b"])
    secret.hide()
    book.add_worksheet("Only styles").write_blank(0, 0, None, book.add_format({"bold": True}))
    book.add_chartsheet("Chart").set_chart(chart := book.add_chart({"type": "line"}))
    chart.add_series({"values": "='売上 2024'!$A$1:$A$1"})
    book.close()
    assert parts_of(path, scratch) == ["売上 2024"]
    assert "Hidden sheets of the workbook are left out: Secret." in load(path, scratch).notes
    with pytest.raises(NotFoundError, match="holds no table 'Secret'"):
        load(path, scratch, "Secret")


@pytest.mark.slow
def test_a_sheet_of_ten_thousand_columns_is_read(tmp_path: Path, scratch: Path) -> None:
    names = [f"c{number}" for number in range(10_000)]
    loaded = load(workbook(tmp_path / "t.xlsx", [names, list(range(10_000)), list(range(10_000))]), scratch)
    assert list(loaded.types) == names
    assert set(loaded.types.values()) == {"BIGINT"}
    assert loaded.rows == [tuple(range(10_000))] * 2


@pytest.mark.slow
def test_types_widen_when_a_value_far_down_needs_it(tmp_path: Path, scratch: Path) -> None:
    rows: list[list[Any]] = [[number, number, number, dt.date(2024, 1, 1), None] for number in range(60_000)]
    rows.append([0.5, "x", None, dt.datetime(2024, 1, 1, 1), dt.time(1)])
    loaded = load(workbook(tmp_path / "t.xlsx", [["a", "b", "c", "d", "e"], *rows]), scratch)
    assert loaded.types == {"a": "DOUBLE", "b": "VARCHAR", "c": "BIGINT", "d": "TIMESTAMP", "e": "TIME"}
    assert len(loaded.rows) == 60_001
    assert loaded.rows[59_999] == (59_999.0, "59999", 59_999, dt.datetime(2024, 1, 1), None)
    assert loaded.rows[60_000] == (0.5, "x", None, dt.datetime(2024, 1, 1, 1), dt.time(1))


def test_older_and_open_workbooks_are_read(tmp_path: Path, scratch: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    for column, (name, value) in enumerate({"n": 1, "x": 1.5, "yes": True, "code": "007"}.items()):
        sheet.write(0, column, name)
        sheet.write(1, column, value)
    book.save(tmp_path / "t.xls")
    shutil.copy(tmp_path / "t.xls", tmp_path / "misnamed.xlsx")
    for name in ("t.xls", "misnamed.xlsx"):
        loaded = load(tmp_path / name, scratch)
        assert loaded.types == {"n": "BIGINT", "x": "DOUBLE", "yes": "BOOLEAN", "code": "VARCHAR"}
        assert loaded.rows == [(1, 1.5, True, "007")]
    document = OpenDocumentSpreadsheet()
    table = Table(name="表")
    document.spreadsheet.addElement(table)
    for cells in (
        [("n", {"valuetype": "string"}), ("day", {"valuetype": "string"})],
        [("3", {"valuetype": "float", "value": "3"}), ("x", {"valuetype": "date", "datevalue": "2024-01-02"})],
    ):
        row = TableRow()
        table.addElement(row)
        for text, attributes in cells:
            cell = TableCell(**attributes)
            cell.addElement(P(text=text))
            row.addElement(cell)
    document.save(str(tmp_path / "t.ods"))
    loaded = load(tmp_path / "t.ods", scratch, "表")
    assert (loaded.types, loaded.rows) == ({"n": "BIGINT", "day": "DATE"}, [(3, dt.date(2024, 1, 2))])


def with_member(source: Path, target: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """Copy a zip archive with one member changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == member else old.read(name))
    return target


@pytest.mark.slow
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, scratch: Path) -> None:
    plain = workbook(tmp_path / "plain.xlsx", [["a"], [1]])
    bomb = with_member(plain, tmp_path / "bomb.xlsx", "xl/worksheets/sheet1.xml", lambda old: old + b" " * (200 << 20))
    assert bomb.stat().st_size < 1 << 20
    assert "would unpack to 200 MB" in refused(bomb, scratch).message


def test_a_zip_directory_that_lies_about_sizes_is_refused(tmp_path: Path, scratch: Path) -> None:
    plain = workbook(tmp_path / "plain.xlsx", [["a"], [1]])
    content = bytearray(
        with_member(
            plain, tmp_path / "lying.xlsx", "xl/worksheets/sheet1.xml", lambda old: old + b" " * (8 << 20)
        ).read_bytes()
    )
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        size = files.getinfo("xl/worksheets/sheet1.xml").file_size.to_bytes(4, "little")
    (tmp_path / "lying.xlsx").write_bytes(content.replace(size, (900).to_bytes(4, "little")))
    with pytest.raises(UnreadableSourceError, match="damaged"):
        archive.refuse_bomb(a_job(), str(tmp_path / "lying.xlsx"))
    assert "damaged" in refused(tmp_path / "lying.xlsx", scratch).message


def test_a_cell_in_the_far_corner_is_refused(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "t.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("S")
    sheet.write(0, 0, "a")
    sheet.write(1_048_575, 16_383, 1)
    book.close()
    assert "row 1,048,576, column 16,384" in refused(path, scratch).message


def test_an_external_entity_in_a_workbook_is_not_fetched(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "secret.txt").write_text("TOPSECRET")
    plain = workbook(tmp_path / "plain.xlsx", [["a"], ["word"]])
    declared = f'<!DOCTYPE sst [<!ENTITY e SYSTEM "{(tmp_path / "secret.txt").as_uri()}">]><sst'.encode()
    evil = with_member(
        plain,
        tmp_path / "evil.xlsx",
        "xl/sharedStrings.xml",
        lambda old: old.replace(b"<sst", declared).replace(b"word", b"&e;"),
    )
    try:
        told = repr(load(evil, scratch))
    except UnreadableSourceError as error:
        told = str(error)
    assert "TOPSECRET" not in told


def test_an_encrypted_workbook_asks_for_a_copy_without_its_password(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000) + "EncryptedPackage".encode("utf-16-le"))
    assert isinstance(refused(path, scratch), PasswordRequiredError)


# SQLite


def database(path: Path, *statements: str) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


SQLITE_COLUMNS: dict[str, tuple[str, str, str, list[Any], str]] = {
    "integers": ("INTEGER", "(9007199254740993), (NULL)", "BIGINT", [9007199254740993, None], ""),
    "integers and reals": ("", "(1), (2.5)", "DOUBLE", [1.0, 2.5], ""),
    "big integers and reals": (
        "", "(9007199254740993), (2.5)", "VARCHAR", ["9007199254740993", "2.5"], "",
    ),
    "whole reals": ("REAL", "(1), (2)", "DOUBLE", [1.0, 2.0], ""),
    "texts": ("TEXT", "('007'), ('日本')", "VARCHAR", ["007", "日本"], ""),
    "binary values": ("BLOB", "(x'00FF'), (NULL)", "BLOB", [b"\x00\xff", None], ""),
    "numbers and texts": ("", "(1), ('x')", "VARCHAR", ["1", "x"], "c mixes numbers (1) and texts (1)"),
    "booleans": ("BOOLEAN", "(1), (0), (NULL)", "BOOLEAN", [True, False, None], ""),
    "declared booleans of other values": ("BOOLEAN", "(1), (2)", "BIGINT", [1, 2], ""),
    "dates": ("DATE", "('2024-01-02'), (NULL)", "DATE", [dt.date(2024, 1, 2), None], ""),
    "timestamps": (
        "DATETIME", "('2024-01-02 03:04:05'), ('2024-01-02T03:04')", "TIMESTAMP",
        [dt.datetime(2024, 1, 2, 3, 4, 5), dt.datetime(2024, 1, 2, 3, 4)], "",
    ),
    "declared dates that are none": ("DATE", "('2024-02-31')", "VARCHAR", ["2024-02-31"], ""),
    "Unix seconds": ("DATETIME", "(1700000000)", "BIGINT", [1700000000], 'to_timestamp("c")'),
    "only nulls": ("TEXT", "(NULL)", "VARCHAR", [None], ""),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", SQLITE_COLUMNS)
def test_sqlite_types_follow_the_values(case: str, tmp_path: Path, scratch: Path) -> None:
    declared, values, kind, expected, note = SQLITE_COLUMNS[case]
    path = database(tmp_path / "t.sqlite", f"CREATE TABLE t (c {declared})", f"INSERT INTO t VALUES {values}")
    loaded = load(path, scratch)
    assert loaded.types == {"c": kind}
    assert [value for (value,) in loaded.rows] == expected
    assert note in loaded.notes


def test_decimals_that_sqlite_keeps_as_text_stay_exact(tmp_path: Path, scratch: Path) -> None:
    path = database(
        tmp_path / "t.db",
        "CREATE TABLE m (price MONEY TEXT)",
        "INSERT INTO m VALUES ('12345678901234567890.10'), ('0.5')",
    )
    loaded = load(path, scratch, "m")
    assert loaded.types == {"price": "DECIMAL(38,2)"}
    assert loaded.rows == [(Decimal("12345678901234567890.10"),), (Decimal("0.50"),)]


def test_tables_and_views_are_listed_without_internals(tmp_path: Path, scratch: Path) -> None:
    path = database(
        tmp_path / "t.db",
        'CREATE TABLE "odd ""name" (id INTEGER PRIMARY KEY AUTOINCREMENT, x)',
        "CREATE TABLE 顧客 (a)",
        "INSERT INTO 顧客 VALUES (1)",
        "CREATE VIEW v AS SELECT a, a FROM 顧客",
        "CREATE VIRTUAL TABLE f USING fts5 (body)",
        "INSERT INTO f VALUES ('hello')",
    )
    assert parts_of(path, scratch) == ['odd "name', "顧客", "v", "f"]
    assert load(path, scratch, "v").types == {"a": "BIGINT", "a:1": "BIGINT"}
    assert load(path, scratch, "f").rows == [("hello",)]
    assert load(path, scratch, 'odd "name').rows == []
    with pytest.raises(NotFoundError, match="'sqlite_sequence'"):
        load(path, scratch, "sqlite_sequence")


def test_text_that_is_not_utf8_is_shown_with_marks(tmp_path: Path, scratch: Path) -> None:
    path = database(tmp_path / "t.db", "CREATE TABLE t (c)", "INSERT INTO t VALUES ('a'), (CAST(x'62FF' AS TEXT))")
    loaded = load(path, scratch)
    assert loaded.rows == [("a",), ("b\ufffd",)]
    assert "not UTF-8" in loaded.notes


@pytest.mark.slow
def test_many_rows_keep_their_order_and_count(tmp_path: Path, scratch: Path) -> None:
    path = database(
        tmp_path / "t.db",
        "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 119999)"
        " SELECT i, 'v' || i AS v, CASE WHEN i % 7 THEN i END AS h FROM n",
    )
    assert load(path, scratch).rows == [(i, f"v{i}", i if i % 7 else None) for i in range(120_000)]


@contextlib.contextmanager
def other_program(*lines: str) -> Iterator[None]:
    """Run Python in another process up to where it prints, and hold it there: locks don't work within one process."""
    code = "\n".join(["import sys, sqlite3", *lines, "print('ready', flush=True)", "sys.stdin.read()"])
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline().strip() == b"ready"
        try:
            yield
        finally:
            program.communicate()


def test_beside_a_writer_with_a_journal_the_committed_rows_are_read(tmp_path: Path, scratch: Path) -> None:
    path = database(tmp_path / "t.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    with other_program(
        f"c = sqlite3.connect({str(path)!r}, isolation_level=None)", "c.execute('BEGIN IMMEDIATE')",
        "c.execute('INSERT INTO t VALUES (2)')",
    ):  # fmt: skip
        assert load(path, scratch).rows == [(1,)]


def test_beside_a_writer_with_a_log_the_rows_in_the_log_are_read(tmp_path: Path, scratch: Path) -> None:
    path = database(tmp_path / "t.db", "PRAGMA journal_mode=WAL", "CREATE TABLE t (a)")
    with other_program(
        f"c = sqlite3.connect({str(path)!r}, isolation_level=None)", "c.execute('PRAGMA wal_autocheckpoint=0')",
        "c.execute('INSERT INTO t VALUES (1)')", "c.execute('BEGIN')", "c.execute('INSERT INTO t VALUES (2)')",
    ):  # fmt: skip
        assert path.with_name("t.db-wal").stat().st_size > 0
        assert load(path, scratch).rows == [(1,)]
        copy = sqlite_files.copied(a_job(), str(path), scratch)
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_an_exclusive_lock_is_told(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_files, "_LOCK_SECONDS", 0.1)
    path = database(tmp_path / "t.db", "CREATE TABLE t (a)")
    with other_program(f"c = sqlite3.connect({str(path)!r}, isolation_level=None)", "c.execute('BEGIN EXCLUSIVE')"):
        assert "is locked by another program" in refused(path, scratch).message


def left_behind(folder: Path, path: Path) -> Path:
    """Copy a database with all that lies beside it, as a program that was killed leaves them."""
    folder.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, folder / file.name)
    return folder / path.name


def test_a_log_left_behind_is_read_without_writing_beside_it(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = database(tmp_path / "t.db", "PRAGMA journal_mode=WAL", "CREATE TABLE t (a)")
    with other_program(
        f"c = sqlite3.connect({str(path)!r}, isolation_level=None)", "c.execute('PRAGMA wal_autocheckpoint=0')",
        "c.execute('INSERT INTO t VALUES (7)')",
    ):  # fmt: skip
        left = left_behind(tmp_path / "left", path)
    begin = sqlite_files._begin

    def refusing(job: Job, path: str, mode: str, lock_seconds: float) -> sqlite3.Connection:
        if mode == "ro":
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return begin(job, path, mode, lock_seconds)

    monkeypatch.setattr(sqlite_files, "_begin", refusing)
    before = {file.name: file.read_bytes() for file in left.parent.iterdir()}
    assert load(left, scratch).rows == [(7,)]
    assert {file.name: file.read_bytes() for file in left.parent.iterdir()} == before
    assert not list(scratch.glob("tmp*"))


def test_a_journal_left_behind_is_rolled_back_in_a_copy(tmp_path: Path, scratch: Path) -> None:
    path = database(tmp_path / "t.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    with other_program(
        f"c = sqlite3.connect({str(path)!r}, isolation_level=None)", "c.execute('PRAGMA cache_size=1')",
        "c.execute('PRAGMA cache_spill=1')", "c.execute('BEGIN')", "c.execute('UPDATE t SET a = 2')",
        "c.executemany('INSERT INTO t VALUES (?)', [(b'x' * 3000,)] * 200)",
    ):  # fmt: skip
        left = left_behind(tmp_path / "left", path)
    assert left.with_name("t.db-journal").stat().st_size > 0
    before = {file.name: file.read_bytes() for file in left.parent.iterdir()}
    assert load(left, scratch).rows == [(1,)]
    assert {file.name: file.read_bytes() for file in left.parent.iterdir()} == before


def test_a_view_that_never_ends_is_stopped_by_the_deadline(tmp_path: Path, scratch: Path) -> None:
    path = database(
        tmp_path / "t.db",
        "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    )
    with pytest.raises(DeadlineExceededError):
        load(path, scratch, "v", a_job(0.3))


def test_a_view_on_something_missing_is_told(tmp_path: Path, scratch: Path) -> None:
    path = database(tmp_path / "t.db", "CREATE TABLE a (b)", "CREATE VIEW v AS SELECT b FROM a", "DROP TABLE a")
    assert "no such table" in refused(path, scratch).message


# DuckDB


def duckdb_file(path: Path, *statements: str) -> Path:
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def test_a_duckdb_file_is_known_by_content_and_keeps_its_types(tmp_path: Path, scratch: Path) -> None:
    path = duckdb_file(
        tmp_path / "t.db",
        "CREATE TABLE t (h HUGEINT, g HUGEINT, d DECIMAL(10, 2), l INTEGER[], s STRUCT(a INTEGER), u UNION(n INTEGER))",
        "INSERT INTO t VALUES (170141183460469231731687303715884105727, 12, 1.10, [1, 2], {a: 1}, 2)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.t AS SELECT 1 AS a",
        "CREATE VIEW v AS SELECT d FROM t",
    )
    assert parts_of(path, scratch) == ["t", "other.t", "v"]
    loaded = load(path, scratch, "t")
    assert loaded.types == {
        "h": "HUGEINT", "g": "HUGEINT", "d": "DECIMAL(10,2)", "l": "INTEGER[]", "s": "STRUCT(a INTEGER)",
        "u": "UNION(n INTEGER)",
    }  # fmt: skip
    assert loaded.rows == [(170141183460469231731687303715884105727, 12, Decimal("1.10"), [1, 2], {"a": 1}, 2)]
    assert load(path, scratch, "v").rows == [(Decimal("1.10"),)]
    assert load(path, scratch, "other.t").rows == [(1,)]


def test_a_view_in_a_duckdb_file_cannot_read_other_files(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "secret.txt").write_text("TOPSECRET")
    statement = f"CREATE VIEW v AS FROM read_text('{tmp_path / 'secret.txt'}')"
    error = refused(duckdb_file(tmp_path / "t.duckdb", statement), scratch)
    assert "reads other files" in error.message
    assert "TOPSECRET" not in str(error)


def test_a_duckdb_file_open_for_writing_is_told(tmp_path: Path, scratch: Path) -> None:
    path = duckdb_file(tmp_path / "t.duckdb", "CREATE TABLE t (a INTEGER)")
    with other_program("import duckdb", f"c = duckdb.connect({str(path)!r})"):
        assert "open for writing in another program" in refused(path, scratch).message


def test_a_log_beside_a_duckdb_file_is_read_and_left_alone(tmp_path: Path, scratch: Path) -> None:
    path = duckdb_file(tmp_path / "t.duckdb", "CREATE TABLE t (a INTEGER)")
    with other_program(
        "import duckdb", f"c = duckdb.connect({str(path)!r})", "c.execute('INSERT INTO t VALUES (7)')",
    ):  # fmt: skip
        left = left_behind(tmp_path / "left", path)
    before = {file.name: file.read_bytes() for file in left.parent.iterdir()}
    assert "t.duckdb.wal" in before
    assert load(left, scratch).rows == [(7,)]
    assert {file.name: file.read_bytes() for file in left.parent.iterdir()} == before


# Arrow and ORC

ARROW = pa.table(
    {
        "i": pa.array([9007199254740993, None], pa.int64()),
        "d": pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)),
        "c": pa.array(["a", "b"]).dictionary_encode(),
        "l": pa.array([[1, 2], None], pa.list_(pa.int32())),
        "s": pa.array([{"x": 1}, {"x": 2}]),
        "at": pa.array([dt.datetime(2024, 1, 2, tzinfo=dt.UTC), None], pa.timestamp("us", "Asia/Tokyo")),
        "day": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
        "b": pa.array([b"\x00\xff", None]),
    }
)
ARROW_TYPES = {
    "i": "BIGINT", "d": "DECIMAL(10,2)", "c": "VARCHAR", "l": "INTEGER[]", "s": "STRUCT(x BIGINT)",
    "at": "TIMESTAMP WITH TIME ZONE", "day": "DATE", "b": "BLOB",
}  # fmt: skip


def write_arrow(path: Path, table: pa.Table) -> Path:
    opener = ipc.new_stream if path.suffix == ".arrows" else ipc.new_file
    with opener(path, table.schema) as writer:
        writer.write_table(table)
    return path


@pytest.mark.parametrize("name", ["t.arrow", "t.arrows", "t.ipc", "t.feather"])
def test_arrow_files_and_streams_keep_their_types(name: str, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / name
    if name == "t.feather":
        feather.write_feather(ARROW, path, compression="zstd")
    else:
        write_arrow(path, ARROW)
    assert parts_of(path, scratch) == [""]
    loaded = load(path, scratch)
    assert loaded.types == ARROW_TYPES
    first = loaded.rows[0]
    assert first[:5] == (9007199254740993, Decimal("1.10"), "a", [1, 2], {"x": 1})
    assert first[5].astimezone(dt.UTC) == dt.datetime(2024, 1, 2, tzinfo=dt.UTC)
    assert first[6:] == (dt.date(1, 1, 1), b"\x00\xff")


def test_arrow_types_the_engine_lacks_are_converted(tmp_path: Path, scratch: Path) -> None:
    columns = [
        pa.array([1.5], pa.float16()),
        pa.array([Decimal("1" * 40)], pa.decimal256(50, 0)),
        pa.array([1]),
        pa.array([2]),
    ]
    table = pa.Table.from_arrays(columns, names=["h", "w", "a", "A"])
    loaded = load(write_arrow(tmp_path / "t.arrow", table), scratch)
    assert loaded.types == {"h": "FLOAT", "w": "VARCHAR", "a": "BIGINT", "A_2": "BIGINT"}
    assert loaded.rows == [(1.5, "1" * 40, 1, 2)]


def test_orc_files_are_read(tmp_path: Path, scratch: Path) -> None:
    table = ARROW.select(["i", "d", "l", "s", "b"])
    orc.write_table(table, tmp_path / "t.orc")
    loaded = load(tmp_path / "t.orc", scratch)
    assert loaded.types == {name: ARROW_TYPES[name] for name in table.column_names}
    assert loaded.rows[0] == (9007199254740993, Decimal("1.10"), [1, 2], {"x": 1}, b"\x00\xff")


# Statistics packages

PEOPLE = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "x": [1.5, None, 2.0],
        "s": ["a", "日本", ""],
        "g": [1.0, 2.0, 1.0],
        "p": [1.0, 5.0, 3.0],
        "day": [dt.date(2024, 1, 2), None, dt.date(1850, 1, 1)],
        "at": [dt.datetime(2024, 1, 2, 3, 4, 5), None, dt.datetime(2020, 1, 1)],
    }
)
LABELS: dict[str, dict[int | float, str]] = {"g": {1: "one", 2: "two"}, "p": {1: "never", 5: "always"}}
PEOPLE_TYPES = {
    "id": "BIGINT", "x": "DOUBLE", "s": "VARCHAR", "g": "VARCHAR", "p": "BIGINT", "day": "DATE", "at": "TIMESTAMP",
}  # fmt: skip
PEOPLE_ROWS = [
    (1, 1.5, "a", "one", 1, dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4, 5)),
    (2, None, "日本", "two", 5, None, None),
    (3, 2.0, None, "one", 3, dt.date(1850, 1, 1), dt.datetime(2020, 1, 1)),
]


@pytest.mark.parametrize("name", ["t.sav", "t.zsav"])
def test_spss_files_show_labels_where_every_code_has_one(name: str, tmp_path: Path, scratch: Path) -> None:
    pyreadstat.write_sav(
        PEOPLE,
        tmp_path / name,
        column_labels={"id": "Identifier"},
        variable_value_labels=LABELS,
        compress=name == "t.zsav",
    )
    loaded = load(tmp_path / name, scratch)
    assert (loaded.types, loaded.rows) == (PEOPLE_TYPES, PEOPLE_ROWS)
    assert "id: Identifier" in loaded.notes
    assert "p holds codes, of which some have labels: 1 = never, 5 = always." in loaded.notes


def test_values_that_spss_defines_as_missing_are_null(tmp_path: Path, scratch: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, 99.0]})
    pyreadstat.write_sav(frame, tmp_path / "t.sav", missing_ranges={"a": [99]})
    loaded = load(tmp_path / "t.sav", scratch)
    assert loaded.rows == [(1,), (None,)]
    assert "defines as missing" in loaded.notes


def test_portable_spss_transport_and_stata_files_are_read(tmp_path: Path, scratch: Path) -> None:
    plain = PEOPLE.drop(columns=["s"])
    pyreadstat.write_por(plain, tmp_path / "t.por")
    portable = load(tmp_path / "t.por", scratch)
    assert [name.lower() for name in portable.types] == list(plain.columns)
    assert [row[0] for row in portable.rows] == [1, 2, 3]
    assert [row[-2] for row in portable.rows] == [dt.date(2024, 1, 2), None, dt.date(1850, 1, 1)]
    pyreadstat.write_xport(PEOPLE.drop(columns=["day"]), tmp_path / "t.xpt", column_labels={"id": "Identifier"})
    transport = load(tmp_path / "t.xpt", scratch)
    assert transport.rows[1] == (2, None, "日本", 2, 5, None)
    assert "id: Identifier" in transport.notes
    pyreadstat.write_dta(PEOPLE, tmp_path / "t.dta", variable_value_labels={"g": LABELS["g"]})
    stata = load(tmp_path / "t.dta", scratch)
    assert stata.rows == PEOPLE_ROWS
    assert "replaced by their labels in: g" in stata.notes


def test_sas_files_are_read(scratch: Path) -> None:
    loaded = load(DATA / "people.sas7bdat", scratch)
    assert loaded.types == {
        "id": "BIGINT", "weight": "DOUBLE", "name": "VARCHAR", "born": "DATE", "seen": "TIMESTAMP",
    }  # fmt: skip
    assert loaded.rows == [
        (1, 61.5, "Ada", dt.date(1815, 12, 10), dt.datetime(2024, 1, 2, 3, 4, 5)),
        (2, None, "Brontë", None, None),
        (3, 70.0, None, dt.date(1950, 1, 1), dt.datetime(1999, 12, 31)),
    ]
    assert "weight: Weight in kg" in loaded.notes


# Marked-up and fixed-width text

PAGE = """<html><head><meta charset="{encoding}"></head><body>
<table><tr><td>layout<table><caption>売上 {dash} 2024</caption>
<thead><tr><th>店</th><th>数</th><th>コード</th><th>日</th></tr></thead>
<tr><td>東京<br>本店</td><td>3</td><td>007</td><td>2024-01-02</td></tr>
<tr><td rowspan=2>大阪</td><td>1.5</td><td>010</td><td>2024-01-03</td></tr>
<tr><td colspan=2>1</td><td></td></tr></table></td></tr></table>
<table><tr><td>only</td></tr></table>
<table><tr><td>a</td><td>b</td></tr><tr><td>true</td><td>x</td></tr></table>
</body></html>"""


@pytest.mark.parametrize("encoding", ["utf-8", "Shift_JIS", "EUC-JP"])
def test_tables_of_a_page_are_found_in_any_encoding(encoding: str, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "t.html"
    path.write_bytes(PAGE.format(encoding=encoding, dash="-").encode(encoding))
    assert parts_of(path, scratch) == ["売上 - 2024", "table2"]
    loaded = load(path, scratch, "売上 - 2024")
    assert loaded.types == {"店": "VARCHAR", "数": "DOUBLE", "コード": "VARCHAR", "日": "DATE"}
    assert loaded.rows == [
        ("東京 本店", 3.0, "007", dt.date(2024, 1, 2)),
        ("大阪", 1.5, "010", dt.date(2024, 1, 3)),
        ("大阪", 1.0, "1", None),
    ]
    other = load(path, scratch, "table2")
    assert (other.types, other.rows) == ({"a": "BOOLEAN", "b": "VARCHAR"}, [(True, "x")])


def test_a_page_without_an_encoding_is_recognised_as_japanese(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "t.htm"
    path.write_bytes("<table><tr><th>名前<th>数<tr><td>さくら<td>3</table>".encode("cp932"))
    loaded = load(path, scratch)
    assert (loaded.types, loaded.rows) == ({"名前": "VARCHAR", "数": "BIGINT"}, [("さくら", 3)])
    assert "cp932" in loaded.notes


@pytest.mark.slow
def test_a_page_with_absurd_spans_is_bounded(tmp_path: Path, scratch: Path) -> None:
    row = "<tr>" + '<td colspan="999999999" rowspan="999999999">x</td>' * 100 + "</tr>"
    (tmp_path / "t.html").write_text(f"<table>{row * 100}</table>")
    assert "more than 5,000,000 cells" in refused(tmp_path / "t.html", scratch).message


@pytest.mark.parametrize("encoding", ["utf-8", "Shift_JIS", "EUC-JP", "UTF-16"])
def test_records_of_xml_become_rows_in_any_encoding(encoding: str, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "t.xml"
    path.write_bytes(
        f"""<?xml version="1.0" encoding="{encoding}"?><!-- note --><shop xmlns="urn:x"><name>店</name>
<item id="1" code="007"><label>りんご</label><price currency="JPY">120</price><tag>赤</tag><tag>甘</tag></item>
<item id="2" code="010"><label>なし</label><price>99.5</price><size><w>3</w></size></item></shop>""".encode(encoding)
    )
    loaded = load(path, scratch)
    assert loaded.types == {
        "id": "BIGINT", "code": "VARCHAR", "label": "VARCHAR", "price.currency": "VARCHAR", "price": "DOUBLE",
        "tag": "VARCHAR", "size.w": "BIGINT",
    }  # fmt: skip
    assert loaded.rows == [
        (1, "007", "りんご", "JPY", 120.0, "赤\n甘", None),
        (2, "010", "なし", None, 99.5, None, 3),
    ]
    assert "Each <item> element is a row." in loaded.notes


HOSTILE_XML = {
    "laughs": '<!DOCTYPE r [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><r><i>&j;</i><i>2</i></r>",
    "external": '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]><r><i>&e;</i><i>2</i></r>',
    "parameter": '<!DOCTYPE r [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]><r><i>1</i><i>2</i></r>',
}


@pytest.mark.parametrize("attack", HOSTILE_XML)
def test_xml_with_entities_is_refused(attack: str, tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "t.xml").write_text(HOSTILE_XML[attack])
    assert "entit" in refused(tmp_path / "t.xml", scratch).message


def test_deeply_nested_xml_is_refused_or_read(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "t.xml").write_text("<a>" * 100_000 + "</a>" * 100_000)
    assert "not well-formed XML" in refused(tmp_path / "t.xml", scratch).message


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_columns_of_fixed_width_are_found(encoding: str, tmp_path: Path, scratch: Path) -> None:
    lines = [
        "code  name      price  day       ",
        "007   apple     1.5    2024-01-02",
        "010   pear      2      2024-01-03",
    ]
    japanese = "\n".join(lines).replace("apple", "ｱﾌﾟﾙ ").replace("pear", "ﾅｼ  ").replace("name", "品名")
    text = japanese if encoding == "cp932" else "\n".join(lines)
    (tmp_path / "t.fwf").write_bytes(text.encode(encoding))
    loaded = load(tmp_path / "t.fwf", scratch)
    assert list(loaded.types.values()) == ["VARCHAR", "VARCHAR", "DOUBLE", "DATE"]
    assert loaded.rows[1][0] == "010"
    assert loaded.rows[0][2:] == (1.5, dt.date(2024, 1, 2))


# Every format


def test_names_of_columns_are_unique_whatever_they_are() -> None:
    assert unique_names(["a", "a", "a_2", None, "", " x \n y ", 3]) == [
        "a", "a_2", "a_2_2", "column4", "column5", "x y", "3",
    ]  # fmt: skip


def good_files(folder: Path) -> dict[str, bytes]:
    """Make one good file of each format that has magic bytes or a structure to damage."""
    folder.mkdir()
    rows: list[list[Any]] = [["n", "s"], *([number, f"text {number * 7919}"] for number in range(500))]
    workbook(folder / "t.xlsx", rows)
    database(folder / "t.sqlite", "CREATE TABLE t (a)", *(f"INSERT INTO t VALUES ('{row}')" for row in range(500)))
    duckdb_file(folder / "t.duckdb", "CREATE TABLE t AS SELECT range AS a FROM range(5000)")
    write_arrow(folder / "t.arrow", pa.table({"a": list(range(500)), "s": [str(i) for i in range(500)]}))
    orc.write_table(pa.table({"a": list(range(500)), "s": [str(i) for i in range(500)]}), folder / "t.orc")
    pyreadstat.write_sav(PEOPLE, folder / "t.sav")
    pyreadstat.write_dta(PEOPLE, folder / "t.dta")
    pyreadstat.write_xport(PEOPLE, folder / "t.xpt")
    pyreadstat.write_por(PEOPLE.drop(columns=["s"]), folder / "t.por")
    shutil.copy(DATA / "people.sas7bdat", folder / "t.sas7bdat")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", sorted(LOADED_FORMATS))
def test_what_is_no_such_file_is_told(suffix: str, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / f"bad{suffix}"
    bad = {"empty": b"", "random": random.Random(1).randbytes(4096), "zeros": bytes(4096)}
    if suffix not in (".html", ".htm", ".xml", ".fwf"):
        bad["page"] = b"<html><table><tr><td>1</td><td>2</td></tr></table></html>\n" * 20
        bad["zip"] = b"PK\x03\x04" + bytes(200)
    for content in bad.values():
        path.write_bytes(content)
        with pytest.raises((UnreadableSourceError, IndexError)) as caught:
            load(path, scratch)
        if caught.type is IndexError:  # a page of noise simply holds no tables
            assert suffix in (".html", ".htm")
        else:
            assert str(tmp_path) not in str(caught.value)


def test_a_page_named_as_a_workbook_says_what_it_is(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "t.xls").write_text("<html><table><tr><td>1</td></tr></table></html>")
    assert "is a page of HTML or XML, not a workbook" in refused(tmp_path / "t.xls", scratch).message


@pytest.mark.slow
def test_damaged_files_end_in_our_errors_or_in_rows(tmp_path: Path, scratch: Path) -> None:
    for name, content in good_files(tmp_path / "good").items():
        path, source = tmp_path / name, random.Random(name)
        cut = [content[: len(content) * share // 10] for share in (1, 5, 9)]
        flipped = []
        for _ in range(3):
            noise = bytearray(content)
            for position in source.sample(range(len(noise)), 20):
                noise[position] ^= 1 << source.randrange(8)
            flipped.append(bytes(noise))
        for damaged in cut + flipped:
            path.write_bytes(damaged)
            with contextlib.suppress(ContextError, IndexError):
                load(path, scratch)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_workbooks_and_databases_that_were_cut_short_are_told(share: float, tmp_path: Path, scratch: Path) -> None:
    for name, content in good_files(tmp_path / "good").items():
        if name in ("t.xlsx", "t.sqlite", "t.duckdb", "t.orc"):
            (tmp_path / name).write_bytes(content[: int(len(content) * share)])
            refused(tmp_path / name, scratch)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", sorted(LOADED_FORMATS))
def test_a_call_past_its_deadline_stops(suffix: str, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_bytes(b"x")
    with pytest.raises(DeadlineExceededError):
        load(path, scratch, "t" if BY_FORMAT[LOADED_FORMATS[suffix]].parts else "", a_job(0))


def test_a_file_that_is_gone_is_told(tmp_path: Path, scratch: Path) -> None:
    for suffix in LOADED_FORMATS:
        refused(tmp_path / f"gone{suffix}", scratch)


def test_a_missing_package_names_the_extra(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyreadstat", "lxml.html", "lxml.etree"):
        monkeypatch.setitem(sys.modules, name, None)
    for suffix in (".arrow", ".orc", ".sav", ".dta", ".xml", ".html"):
        (tmp_path / f"t{suffix}").write_text("x")
        error = refused(tmp_path / f"t{suffix}", scratch)
        assert "needs the package" in error.message
        assert error.hint == "Install fresh-context[formats]."


@pytest.mark.slow
def test_workbooks_and_databases_are_read_without_pyarrow(tmp_path: Path, scratch: Path) -> None:
    workbook(tmp_path / "t.xlsx", [["a", "s"], [1, "x"], [None, None], [2, "日本"]])
    database(tmp_path / "t.db", "CREATE TABLE t (a INTEGER, s)", "INSERT INTO t VALUES (1, 'x'), (NULL, NULL)")
    code = f"""
import sys
sys.modules["pyarrow"] = None
sys.path[:0] = {[str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "resources")]!r}
import multiprocessing, pathlib, duckdb
from mcp_context_resources.tables.duckdb_engine.loaders import registry
from mcp_context_resources.tables.reader import BY_FORMAT
from mcp_context_resources.workers.job import CallBoard
from mcp_context_resources.workers.job import Job
for name, format, part in (("t.xlsx", "excel", "S1"), ("t.db", "sqlite", "t")):
    connection = duckdb.connect()
    job = Job(CallBoard(multiprocessing.get_context("spawn")), 60)
    path, reader = {str(tmp_path)!r} + "/" + name, BY_FORMAT[format]
    registry.load(job, connection, path, reader, part, pathlib.Path({str(scratch)!r}))
    print(connection.execute("FROM data").fetchall())
"""
    run = subprocess.run([sys.executable, "-X", "utf8", "-c", code], check=False, capture_output=True, encoding="utf-8")
    assert run.stdout.splitlines() == ["[(1, 'x'), (2, '日本')]", "[(1, 'x'), (None, None)]"], run.stderr


def test_large_texts_are_refused(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "_MAX_BYTES", 10)
    (tmp_path / "t.xml").write_text("<r><i>1</i><i>2</i></r>")
    assert "has 0 MB" in refused(tmp_path / "t.xml", scratch).message
    assert marked_text.decoded(str(tmp_path / "t.xml"), 1 << 20)[0].startswith("<r>")
