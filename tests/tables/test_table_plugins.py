"""Plugins that read tables: allowed by name, declared in the server, and run in confined workers alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from mcp_context_resources.errors import ConfigurationError
from tests.support.serving import connect, data_of, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Offer = Callable[[str, str, str], None]

pytestmark = pytest.mark.anyio

DECLARED = "from mcp_context_resources.tables.reader import TableReader\n\nREADER = TableReader({arguments})\n"
LEDGER = """\
import socket
from pathlib import Path


def books(job, path, scratch):
    return [line[1:] for line in Path(path).read_text().splitlines() if line.startswith("#")]


def load(job, connection, path, part, scratch):
    told = []
    for what in (lambda: Path({outside!r}).read_text(), socket.socket):
        try:
            told.append(str(what()))
        except OSError as error:
            told.append(type(error).__name__)
    connection.execute("CREATE TABLE data (entry VARCHAR, amount BIGINT)")
    book = ""
    for line in Path(path).read_text().splitlines():
        if line.startswith("#"):
            book = line[1:]
        elif book == part:
            name, amount = line.split()
            connection.execute("INSERT INTO data VALUES (?, ?)", [name, {factor} * int(amount)])
    return [f"Seen from the worker: {{' '.join(told)}}."]
"""
ARGUMENTS = '"ledger", (".ledger",), "ledger_reading:load", parts="ledger_reading:books", version="{version}"'


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Put a package with a reader where Python finds what is installed: its declaration, and the module that reads."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def offered(name: str, arguments: str, reading: str) -> None:
        monkeypatch.delitem(sys.modules, f"{name}_declared", raising=False)
        (site / f"{name}_declared.py").write_text(DECLARED.format(arguments=arguments), encoding="utf-8")
        (site / f"{name}_reading.py").write_text(reading, encoding="utf-8")
        about = site / f"{name}-1.0.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        points = f"[fresh_context.table_readers]\n{name} = {name}_declared:READER\n"
        (about / "entry_points.txt").write_text(points, encoding="utf-8")

    return offered


def served(tmp_path: Path) -> Path:
    root = tmp_path / "served"
    root.mkdir()
    (root / "year.ledger").write_text("#cash\nbread 3\nmilk 2\n#bank\nrent 900\n")
    (root / "t.csv").write_text("a\n1\n")
    return root


async def rows_of(client: Any, sql: str) -> list[list[Any]]:
    rows: list[list[Any]] = data_of(await client.call_tool("query_tables", {"sql": sql}))["rows"]
    return rows


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="folders are kept from workers by Landlock")
async def test_a_plugin_that_is_allowed_reads_its_files_as_tables_confined_and_never_in_the_server(
    tmp_path: Path, cache: Path, offer: Offer
) -> None:
    root = served(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    outside = str(tmp_path / "secret.txt")
    offer("ledger", ARGUMENTS.format(version="1"), LEDGER.format(outside=outside, factor=1))
    async with connect(root, cache=cache, tables={"plugins": ["ledger"]}) as client:
        assert await rows_of(client, "FROM year_cash ORDER BY ALL") == [["bread", 3], ["milk", 2]]
        assert await rows_of(client, "SELECT amount + a FROM year_bank, t") == [[901]]
        described = data_of(await client.call_tool("describe_table", {"table": "year_bank"}))
        assert described["notes"] == ["Seen from the worker: PermissionError PermissionError."]
        listed = data_of(await client.call_tool("list_sources", {"kind": "table"}))["sources"]
        assert {(one["name"], one["format"], one["rows"]) for one in listed} == {
            ("t", "csv", 1),
            ("year_cash", "ledger", 2),
            ("year_bank", "ledger", 1),
        }
    assert "ledger_reading" not in sys.modules
    # Of another version what the one before read is read again.
    offer("ledger", ARGUMENTS.format(version="2"), LEDGER.format(outside=outside, factor=10))
    async with connect(root, cache=cache, tables={"plugins": ["ledger"]}) as client:
        assert await rows_of(client, "FROM year_bank") == [["rent", 9000]]


@pytest.mark.slow
async def test_what_goes_wrong_in_a_plugin_is_told_of_its_file_and_costs_no_other(
    tmp_path: Path, cache: Path, offer: Offer
) -> None:
    root = served(tmp_path)
    for ending in ("raises", "empty", "needs", "dies"):
        (root / f"x.{ending}").write_text("x")
    offer(
        "raises",
        '"raises", (".raises",), "raises_reading:load"',
        "def load(*given):\n    raise ValueError('no book')\n",
    )
    offer("empty", '"empty", (".empty",), "empty_reading:load"', "def load(*given):\n    return []\n")
    offer("needs", '"needs", (".needs",), "needs_reading:load", extra="needs[all]"', "import no_such_library\n")
    offer("dies", '"dies", (".dies",), "dies_reading:load"', "import os\n\ndef load(*given):\n    os._exit(1)\n")
    told = {"x_raises": "no book", "x_empty": "can't be read as empty", "x_needs": "no_such_library", "x_dies": "crash"}
    async with connect(root, cache=cache, tables={"plugins": ["raises", "empty", "needs", "dies"]}) as client:
        for table, expected in told.items():
            result = await client.call_tool("query_tables", {"sql": f"FROM {table}"})
            assert expected in error_of(result)["message"], text_of(result)
        assert await rows_of(client, "FROM t") == [[1]]


async def names_of(client: Any) -> set[str]:
    return {one["name"] for one in data_of(await client.call_tool("list_sources", {"kind": "table"}))["sources"]}


async def test_a_plugin_that_is_not_allowed_is_as_if_it_were_not_there(
    tmp_path: Path, cache: Path, offer: Offer
) -> None:
    offer("ledger", ARGUMENTS.format(version="1"), "raise RuntimeError\n")
    async with connect(served(tmp_path), cache=cache) as client:
        assert await names_of(client) == {"t"}
    assert "ledger_declared" not in sys.modules


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('"csv", (".xcsv",), "clash_reading:load"', "Two readers read tables of the format 'csv'"),
        ('"clash", (".xlsx",), "clash_reading:load"', "excel and clash"),
        ('"clash", ("xlsx",), "clash_reading:load"', "declares no format, endings or function"),
        ('"clash", (".clash",)', "declares no format, endings or function"),
        (
            '"clash", (".clash",), "clash_reading:load", parts="clash_reading"',
            "declares no format, endings or function",
        ),
        ('"clash", (".clash",), "no_such_home:load"', "there is no no_such_home"),
        ('"clash", (".clash",), "clash_reading:load", version=""', "declares no version"),
    ],
)
async def test_a_declaration_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path, cache: Path, offer: Offer, arguments: str, told: str
) -> None:
    offer("clash", arguments, "")
    with pytest.raises(ConfigurationError, match=told):
        async with connect(tmp_path, cache=cache, tables={"plugins": ["clash"]}):
            pass


async def test_a_plugin_that_is_not_installed_is_told_before_anything_is_served(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ConfigurationError, match="No installed package offers a plugin 'ledger'"):
        async with connect(tmp_path, cache=cache, tables={"plugins": ["ledger"]}):
            pass
