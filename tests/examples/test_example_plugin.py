"""Plugins: the example, built, installed and allowed by name; and what a reader of documents may reach."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from mcp_context_resources.errors import ConfigurationError
from tests.support.serving import connect, data_of, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Offer = Callable[..., None]

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"
CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Depot//Plans//EN
X-WR-CALNAME:Depot
BEGIN:VTIMEZONE
TZID:Europe/Berlin
END:VTIMEZONE
BEGIN:VEVENT
DTSTART;TZID=Europe/Berlin:20260302T090000
DTEND;TZID=Europe/Berlin:20260302T103000
SUMMARY:Brake inspection\\, line 7
LOCATION:Hall 2
DESCRIPTION:Trams 701 to 7
 09 come in turn.\\nBring the log.
ATTENDEE;CN=Ito:mailto:ito@example.org
ATTENDEE;CN=Berg:mailto:berg@example.org
BEGIN:VALARM
DESCRIPTION:ring
END:VALARM
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20260105
SUMMARY:車庫の点検
RRULE:FREQ=YEARLY
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the example's wheel and unpack it where Python finds it."""
    folder = tmp_path_factory.mktemp("plugin")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=EXAMPLE, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


@pytest.fixture
def calendars(tmp_path: Path) -> Path:
    folder = tmp_path / "calendars"
    folder.mkdir()
    (folder / "depot.ics").write_text(CALENDAR, encoding="utf-8", newline="\r\n")
    (folder / "note.md").write_text("# A note\n", encoding="utf-8")
    return folder


def command(folder: Path, cache: Path, *options: str) -> list[str]:
    return ["-m", "mcp_server", "serve", str(folder), "--set", f"storage.cache_dir={cache}", *options]


@asynccontextmanager
async def serving(folder: Path, cache: Path, path: Path, *options: str) -> AsyncIterator[Client]:
    environment = {**os.environ, "PYTHONPATH": str(path)}
    parameters = StdioServerParameters(command=sys.executable, args=command(folder, cache, *options), env=environment)
    async with Client(parameters) as client:
        yield client


async def listed(client: Client) -> dict[str, dict[str, Any]]:
    sources = data_of(await client.call_tool("list_sources", {"kind": "document"}))["sources"]
    return {source["name"]: source for source in sources}


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_plugin_that_is_allowed_reads_its_files_as_documents(
    installed: Path, calendars: Path, cache: Path
) -> None:
    async with serving(calendars, cache, installed, "--set", "documents.plugins=calendar") as client:
        found = await listed(client)
        assert (found["depot.ics"]["format"], found["depot.ics"]["pages"]) == ("calendar", 2)
        read = data_of(await client.call_tool("read_document", {"document": "depot.ics"}))
        assert read["title"] == "Depot"
        assert [page["text"].splitlines() for page in read["pages"]] == [
            ["車庫の点検", "When: 2026-01-05", "Repeats: FREQ=YEARLY"],
            [
                "Brake inspection, line 7",
                "When: 2026-03-02T09:00 Europe/Berlin to 2026-03-02T10:30 Europe/Berlin",
                "Where: Hall 2",
                "Attendees: 2",
                "Trams 701 to 709 come in turn.",
                "Bring the log.",
            ],
        ]
        outline = data_of(await client.call_tool("read_document", {"document": "depot.ics", "view": "outline"}))
        assert [entry["title"] for entry in outline["outline"]] == ["車庫の点検", "Brake inspection, line 7"]
        hits = data_of(await client.call_tool("search", {"query": "brake inspection"}))["hits"]
        assert hits[0]["uri"].startswith("document://depot.ics/page/2")


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_same_files_are_tables_where_the_plugin_may_read_tables(
    installed: Path, calendars: Path, cache: Path
) -> None:
    async with serving(calendars, cache, installed, "--set", "tables.plugins=calendar") as client:
        sql = "SELECT starts, ends, time_zone, summary, repeats, attendees FROM depot ORDER BY starts"
        rows = data_of(await client.call_tool("query_tables", {"sql": sql}))["rows"]
        assert rows == [
            ["2026-01-05 00:00:00", None, None, "車庫の点検", "FREQ=YEARLY", 0],
            ["2026-03-02 09:00:00", "2026-03-02 10:30:00", "Europe/Berlin", "Brake inspection, line 7", None, 2],
        ]
        assert "depot.ics" not in await listed(client)


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_plugin_that_is_not_allowed_is_as_if_it_were_not_there(
    installed: Path, calendars: Path, cache: Path
) -> None:
    async with serving(calendars, cache, installed) as client:
        assert set(await listed(client)) == {"note.md"}
        assert "1 .ics" in text_of(await client.call_tool("list_sources", {}))
        assert error_of(await client.call_tool("read_document", {"document": "depot.ics"}))["message"]


@pytest.mark.slow
def test_a_plugin_that_is_not_installed_is_told_before_anything_is_served(
    installed: Path, calendars: Path, cache: Path
) -> None:
    given = [sys.executable, *command(calendars, cache, "--set", "documents.plugins=ledger")]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    with subprocess.Popen(given, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        told = process.stderr.read().decode()  # the client is still there
    assert process.returncode == 1
    assert "'ledger'" in told
    assert "Installed are: calendar." in told
    assert "Traceback" not in told


# What a reader may be and do


DECLARED = """\
from mcp_context_resources.documents.reader import DocumentReader

READER = DocumentReader({arguments})
"""


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Put a package with a reader where Python finds what is installed: its declaration, and the module that reads."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def offered(name: str, arguments: str, reading: str = "") -> None:
        monkeypatch.delitem(sys.modules, f"{name}_declared", raising=False)
        (site / f"{name}_declared.py").write_text(DECLARED.format(arguments=arguments), encoding="utf-8")
        (site / f"{name}_reading.py").write_text(reading, encoding="utf-8")
        about = site / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        points = f"[fresh_context.document_readers]\n{name} = {name}_declared:READER\n"
        (about / "entry_points.txt").write_text(points, encoding="utf-8")

    return offered


CURIOUS = """\
import socket
from pathlib import Path

from mcp_context_resources.documents.converted import Converted, Section


def convert(job, file):
    told = [Path(file.path).read_text()]
    for what in (lambda: Path({outside!r}).read_text(), socket.socket):
        try:
            told.append(str(what()))
        except OSError as error:
            told.append(type(error).__name__)
    text = " ".join(told)
    return Converted("", {{}}, [Section("", 0, text, text)])
"""


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="folders are kept from workers by Landlock")
async def test_the_code_of_a_plugin_runs_confined_and_never_in_the_server(
    tmp_path: Path, cache: Path, offer: Offer
) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.nosy").write_text("inside")
    arguments = '"nosy", "a nosy file", (".nosy",), "nosy_reading:convert"'
    offer("nosy", arguments, CURIOUS.format(outside=str(tmp_path / "secret.txt")))
    async with connect(tmp_path / "served", cache=cache, documents={"plugins": ["nosy"]}) as client:
        read = data_of(await client.call_tool("read_document", {"document": "a.nosy"}))
    assert read["pages"][0]["text"] == "inside PermissionError PermissionError"
    assert "nosy_reading" not in sys.modules


BROKEN = {
    "raises": ("def convert(job, file):\n    raise ValueError('no such chapter')\n", "can't be read as a draft"),
    "returns something else": ("def convert(job, file):\n    return 'text'\n", "its reader returned a str"),
    "misses a library": ("import no_such_library\n", "needs the package no_such_library"),
    "kills its process": ("import os\n\ndef convert(job, file):\n    os._exit(1)\n", "The document worker"),
}


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("case", BROKEN)
async def test_what_goes_wrong_in_a_plugin_is_told_of_its_file_and_costs_no_other(
    tmp_path: Path, cache: Path, offer: Offer, case: str
) -> None:
    reading, told = BROKEN[case]
    served = tmp_path / "served"
    served.mkdir()
    (served / "a.draft").write_text(case)
    (served / "b.md").write_text("# B\n\nThe other.\n")
    offer("draft", '"draft", "a draft", (".draft",), "draft_reading:convert", extra="draft[all]"', reading)
    async with connect(served, cache=cache, documents={"plugins": ["draft"]}) as client:
        error = error_of(await client.call_tool("read_document", {"document": "a.draft"}))
        assert told in error["message"]
        assert "The other." in text_of(await client.call_tool("read_document", {"document": "b.md"}))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('"pdf", "a PDF", (".xpdf",), "clash_reading:convert"', "Two readers read documents of the format 'pdf'"),
        ('"clash", "a page", (".html",), "clash_reading:convert"', "html and clash"),
        ('"clash", "a page", ("html",), "clash_reading:convert"', "declares no format, endings or function"),
        ('"Clash!", "a page", (".clash",), "clash_reading:convert"', "declares no format, endings or function"),
        ('"clash", "a page", (".clash",), "clash_reading"', "declares no format, endings or function"),
        ('"clash", "a page", (".clash",), "no_such_home:convert"', "there is no no_such_home"),
    ],
)
async def test_a_declaration_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path, cache: Path, offer: Offer, arguments: str, told: str
) -> None:
    offer("clash", arguments)
    with pytest.raises(ConfigurationError, match=told):
        async with connect(tmp_path, cache=cache, documents={"plugins": ["clash"]}):
            pass
