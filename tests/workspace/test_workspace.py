"""Which files are served and under which names; what lies outside stays outside."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_context_resources.documents.reader import DOCUMENT_FORMATS
from mcp_context_resources.errors import (
    AccessDeniedError,
    ConfigurationError,
    ContextError,
    NotFoundError,
    UnreadableSourceError,
)
from mcp_context_resources.models.formats import MODEL_FORMATS
from mcp_context_resources.tables.reader import TABLE_FORMATS
from mcp_context_resources.workspace.names import Spot, file_names, lookup_key, table_names
from mcp_context_resources.workspace.roots import Roots
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_context_resources.workspace.workspace import Workspace
from tests.support.serving import connect, data_of, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from mcp.client.client import Client

    from mcp_context_resources.provenance import Kind

pytestmark = pytest.mark.anyio

SECRET = "a\nTOPSECRET\n"
ROWS = "a\n1\n"
# File names as found in the wild; what a table of that name is called must need no quotes.
AWKWARD_NAMES = (
    "2026.csv",
    "group by.csv",
    "sales-2026 (final).csv",
    "x.y.z.csv",
    "'single'.csv",
    '"double".csv',
    "semi;colon.csv",
    "-.csv",
    "😀.csv",
    "①.csv",
    "完了!.csv",
    "売上 2026年度.csv",
    "é.csv",
    "a\nb.csv",
    "percent%.csv",
    "$1.csv",
    "_.csv",
    "UPPER.CSV",
)


def workspace_of(*roots: Path, **limits: Any) -> Workspace:
    return Workspace(
        WorkspaceSettings(roots=roots, **limits),
        {"table": TABLE_FORMATS, "document": DOCUMENT_FORMATS, "model": MODEL_FORMATS},
    )


def names_of(workspace: Workspace, kind: Kind = "table") -> list[str]:
    return [source.name for source in workspace.catalogue().of(kind)]


def put(folder: Path, *names: str, text: str = ROWS) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a root `data`, and around it everything that is easily taken for a part of it."""
    base = tmp_path_factory.mktemp("place")
    root = base / "data"
    put(root, "real.csv", "sub/deep.csv")
    for sibling in ("data2", "data ", "data'", 'data"', "data\\", "elsewhere"):
        put(base / sibling, "secret.csv", text=SECRET)
    put(base, "secret.csv", text=SECRET)
    (root / "file_out.csv").symlink_to(base / "secret.csv")
    (root / "relative_out.csv").symlink_to("../secret.csv")
    (root / "folder_out").symlink_to(base / "elsewhere")
    (root / "environ.csv").symlink_to("/proc/self/environ")
    (root / "device.csv").symlink_to("/dev/zero")
    (root / "dangling.csv").symlink_to(base / "nothing.csv")
    (root / "loop.csv").symlink_to(root / "loop.csv")
    (root / "twice_out.csv").symlink_to(root / "file_out.csv")
    (root / "sub" / "link_in.csv").symlink_to("../real.csv")
    (root / "folder_in").symlink_to(root / "sub")
    os.mkfifo(root / "pipe.csv")
    os.mkfifo(root / "pipe.pdf")
    (root / "folder.csv").mkdir()
    return base


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


@pytest.fixture(scope="module")
async def client(place: Path, cache: Path) -> AsyncIterator[Client]:
    async with connect(place / "data", cache=cache) as connected:
        yield connected


def test_only_what_is_inside_is_listed_and_a_link_inside_is(place: Path) -> None:
    catalogue = workspace_of(place / "data").catalogue()
    assert {source.file for source in catalogue.sources} == {"real.csv", "sub/deep.csv", "sub/link_in.csv"}


def test_links_that_lead_outside_are_noticed_and_the_place_they_lead_to_is_not_told(place: Path) -> None:
    notices = workspace_of(place / "data").catalogue().notices
    told = {notice.partition(":")[0] for notice in notices}
    assert {"file_out.csv", "relative_out.csv", "environ.csv", "device.csv", "dangling.csv", "twice_out.csv"} <= told
    assert not any(str(place) in notice or "/proc" in notice for notice in notices)


@pytest.mark.parametrize(
    "path",
    [
        "../secret.csv",
        "sub/../../secret.csv",
        "../data2/secret.csv",
        "../data /secret.csv",
        "../data'/secret.csv",
        '../data"/secret.csv',
        "../data\\/secret.csv",
        "./file_out.csv",
        "./relative_out.csv",
        "./twice_out.csv",
        "folder_out/secret.csv",
        "./folder_out",
        "folder_in/../../secret.csv",
        "./environ.csv",
        "./device.csv",
        "./dangling.csv",
        "./real.csv\0",
        "..",
        "/",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "file:///etc/passwd",
        "table://../secret.csv",
        "table://%2e%2e/secret.csv",
        "table://%2e%2e%2fsecret.csv",
        "table:///etc/passwd",
    ],
)
async def test_a_path_that_leads_outside_is_refused(client: Client, place: Path, path: str) -> None:
    for tool, argument in (("describe_table", "table"), ("read_document", "document")):
        result = await client.call_tool(tool, {argument: path})
        assert error_of(result)["code"] in {"access_denied", "not_found"}
        assert "TOPSECRET" not in text_of(result)
        assert str(place) not in text_of(result)
    described = await client.call_tool("describe_table", {"table": path})
    assert error_of(described)["code"] == "access_denied"


@pytest.mark.parametrize("folder", ["", "data2", "data ", "data'", 'data"', "data\\", "elsewhere"])
async def test_an_absolute_path_outside_is_refused_with_and_without_file_uri(
    client: Client, place: Path, folder: str
) -> None:
    path = str(place / folder / "secret.csv")
    for spelling in (path, f"file://{path}"):
        error = error_of(await client.call_tool("describe_table", {"table": spelling}))
        assert error["code"] == "access_denied"
        assert str(place) not in error["message"] + error["hint"]


@pytest.mark.parametrize("path", ["%2e%2e/secret.csv", "..%2fsecret.csv", "%2fetc%2fpasswd", "~/secret.csv"])
async def test_percent_and_tilde_in_a_path_are_plain_characters(client: Client, path: str) -> None:
    assert error_of(await client.call_tool("describe_table", {"table": path}))["code"] == "not_found"


@pytest.mark.parametrize("path", ["./pipe.csv", "./folder.csv", ".", "sub/"])
async def test_what_is_no_regular_file_is_refused_without_being_opened(client: Client, path: str) -> None:
    error = error_of(await client.call_tool("describe_table", {"table": path}))
    assert error["code"] == "unreadable_source"
    assert error["hint"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["sub/deep.csv", "./sub/deep.csv", "sub/../sub/deep.csv", "folder_in/deep.csv"])
async def test_a_path_inside_reaches_its_file_in_any_spelling(client: Client, place: Path, path: str) -> None:
    for spelling in (path, str(place / "data" / path), f"file://{place / 'data' / path}"):
        data = data_of(await client.call_tool("describe_table", {"table": spelling}))
        assert data["sources"][0]["file"] == "sub/deep.csv"


@pytest.mark.parametrize("name", ["link_in", "sub/link_in.csv"])
async def test_a_link_that_stays_inside_is_served(client: Client, name: str) -> None:
    assert data_of(await client.call_tool("describe_table", {"table": name}))["examples"] == [[1]]


async def test_listing_a_folder_with_pipes_and_devices_does_not_hang_and_names_none_of_them(client: Client) -> None:
    data = data_of(await client.call_tool("list_sources", {"pattern": "*.csv"}))
    assert {source["file"] for source in data["sources"]} == {"real.csv", "sub/deep.csv", "sub/link_in.csv"}
    assert "pipe" not in str(data)


def test_a_root_that_is_missing_or_a_file_is_a_configuration_error(place: Path) -> None:
    for wrong in (place / "nowhere", place / "secret.csv", place / "secret.csv" / "below"):
        with pytest.raises(ConfigurationError) as caught:
            Roots([wrong])
        assert str(wrong) in caught.value.message
        assert caught.value.hint


def test_a_root_given_twice_or_through_a_link_counts_once(place: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(place / "data")
    assert [root.path for root in Roots([place / "data", link, place / "data" / "."])] == [place / "data"]


def test_a_root_that_is_a_link_serves_the_folder_it_leads_to(place: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(place / "data")
    workspace = workspace_of(link)
    assert "real" in names_of(workspace)
    assert workspace.roots.check(link / "real.csv") == place / "data" / "real.csv"


def test_the_innermost_root_owns_a_path_and_a_prefix_sibling_belongs_to_none(place: Path) -> None:
    roots = Roots([place / "data", place / "data" / "sub"])
    owner = roots.containing(str(place / "data" / "sub" / "deep.csv"))
    assert owner is not None
    assert owner.path == place / "data" / "sub"
    assert roots.containing(str(place / "data2" / "secret.csv")) is None
    assert roots.containing(str(place / "data ")) is None


def test_roots_of_one_name_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path, "one/data/x.csv", "two/data/x.csv")
    workspace = workspace_of(tmp_path / "one" / "data", tmp_path / "two" / "data")
    assert [root.name for root in workspace.roots] == ["data", "data_2"]
    assert names_of(workspace) == ["data_2_x", "data_x"]
    assert {source.file for source in workspace.catalogue().sources} == {"data/x.csv", "data_2/x.csv"}


@pytest.mark.slow
async def test_a_root_deleted_while_it_is_served_makes_an_empty_list_and_clear_errors(
    tmp_path: Path, cache: Path
) -> None:
    root = tmp_path / "root"
    put(root, "sales.csv")
    async with connect(root, cache=cache) as client:
        assert data_of(await client.call_tool("query_tables", {"sql": "FROM sales"}))["rows"] == [[1]]
        shutil.rmtree(root)
        for _ in range(2):
            data = data_of(await client.call_tool("list_sources", {"kind": "table"}))
            assert data["sources"] == []
            assert any("root" in notice for notice in data["notices"])
            assert str(tmp_path) not in str(data)
        for name in ("sales", "./sales.csv"):
            error = error_of(await client.call_tool("describe_table", {"table": name}))
            assert error["code"] == "not_found"
        assert error_of(await client.call_tool("query_tables", {"sql": "FROM sales"}))["code"] == "sql_error"
        assert data_of(await client.call_tool("query_tables", {"sql": "SELECT 42"}))["rows"] == [[42]]


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_japanese_name_is_found_in_either_unicode_form(tmp_path: Path, on_disk: Any, asked: Any) -> None:
    put(tmp_path, unicodedata.normalize(on_disk, "ガイドブック/プラン.csv"))
    put(tmp_path, unicodedata.normalize(on_disk, "ガイドブック/バス.pdf"))
    workspace = workspace_of(tmp_path)
    catalogue = workspace.catalogue()
    assert [source.name for source in catalogue.sources] == ["プラン", "バス.pdf"]
    for kind, spellings in {
        "table": ("プラン", "ガイドブック/プラン.csv", "table://プラン"),
        "document": ("バス.pdf", "ガイドブック/バス.pdf", "document://バス.pdf"),
    }.items():
        for spelling in spellings:
            found = workspace.resolve(catalogue, kind, unicodedata.normalize(asked, spelling))  # type: ignore[arg-type]
            assert found.path.read_text(encoding="utf-8") == ROWS
            assert unicodedata.is_normalized("NFC", found.name + found.file)


@pytest.mark.slow
async def test_a_table_named_in_nfd_on_disk_answers_to_its_listed_name_in_sql(tmp_path: Path, cache: Path) -> None:
    put(tmp_path, unicodedata.normalize("NFD", "ガイド.csv"), text="数\n5\n")
    async with connect(tmp_path, cache=cache) as client:
        listed = data_of(await client.call_tool("list_sources", {"pattern": unicodedata.normalize("NFD", "ガ*")}))
        [name] = [source["name"] for source in listed["sources"]]
        assert name == unicodedata.normalize("NFC", "ガイド")
        assert data_of(await client.call_tool("query_tables", {"sql": f"SELECT 数 FROM {name}"}))["rows"] == [[5]]


def test_of_two_files_of_one_name_neither_keeps_it_and_asking_for_it_suggests_both(tmp_path: Path) -> None:
    put(tmp_path, "north/data.csv", "south/data.csv", "north/notes.pdf", "south/notes.pdf")
    workspace = workspace_of(tmp_path)
    catalogue = workspace.catalogue()
    assert names_of(workspace) == ["north_data", "south_data"]
    assert names_of(workspace, "document") == ["north/notes.pdf", "south/notes.pdf"]
    for kind, bare, both in (
        ("table", "data", {"north_data", "south_data"}),
        ("document", "notes.pdf", {"north/notes.pdf", "south/notes.pdf"}),
    ):
        with pytest.raises(NotFoundError) as caught:
            workspace.resolve(catalogue, kind, bare)  # type: ignore[arg-type]
        assert both <= set(re.split(r"[ ,?]+", caught.value.hint))


def test_a_name_stays_with_its_file_when_an_unrelated_file_comes_or_goes(tmp_path: Path) -> None:
    put(tmp_path, "north/data.csv", "south/data.csv")
    workspace = workspace_of(tmp_path)
    before = {source.name: source.path for source in workspace.catalogue().sources}
    put(tmp_path, "aaa.csv", "east/other.csv", "zzz/data.csv")
    after = {source.name: source.path for source in workspace.catalogue().sources}
    assert before.items() <= after.items()
    assert after["zzz_data"] == tmp_path / "zzz" / "data.csv"


def test_one_stem_in_two_formats_is_told_apart_by_the_format(tmp_path: Path) -> None:
    put(tmp_path, "sales.csv", "sales.json", "sales.csv.gz")
    workspace = workspace_of(tmp_path)
    names = {source.file: source.name for source in workspace.catalogue().sources}
    assert len({lookup_key(name) for name in names.values()}) == 3
    assert "sales" not in names.values()
    assert names["sales.json"].endswith("json")


def test_names_that_differ_in_case_alone_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path, "a/Sales.csv", "b/SALES.csv")
    assert names_of(workspace_of(tmp_path)) == ["a_Sales", "b_SALES"]


def test_awkward_file_names_all_make_names_that_work_unquoted(
    tmp_path: Path, engine: duckdb.DuckDBPyConnection
) -> None:
    put(tmp_path, *AWKWARD_NAMES)
    names = names_of(workspace_of(tmp_path))
    assert len(names) == len(AWKWARD_NAMES)
    for name in names:
        assert_usable_unquoted(engine, name)


@pytest.mark.slow
def test_a_file_named_like_any_word_of_sql_makes_a_name_that_works_unquoted(engine: duckdb.DuckDBPyConnection) -> None:
    words = {word for (word,) in engine.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()}
    assert len(words) > 400
    for word in sorted(words):
        for spelling in (word, word.upper()):
            [name] = table_names([("root", f"{spelling}.csv", "")])
            assert_usable_unquoted(engine, name)


def assert_usable_unquoted(engine: duckdb.DuckDBPyConnection, name: str) -> None:
    engine.execute('CREATE OR REPLACE VIEW "{}" AS SELECT 7 AS a'.format(name.replace('"', '""')))
    assert engine.execute(f"SELECT {name}.a FROM {name}").fetchall() == [(7,)]
    assert engine.execute(f"SELECT here.a FROM (SELECT 7 AS a) AS here JOIN {name} USING (a)").fetchall() == [(7,)]


def test_hidden_files_and_folders_are_served_only_when_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "seen.csv", ".hidden.csv", ".git/objects.csv", "sub/.cache/x.csv")
    assert names_of(workspace_of(tmp_path)) == ["seen"]
    files = {source.file for source in workspace_of(tmp_path, hidden=True).catalogue().sources}
    assert files == {"seen.csv", ".hidden.csv", ".git/objects.csv", "sub/.cache/x.csv"}


def test_folders_of_tools_and_leftovers_of_editors_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "node_modules/pkg/x.json", "a/__pycache__/y.json", "lib/site-packages/z.csv", "~$open.csv", "ok.csv")
    assert names_of(workspace_of(tmp_path)) == ["ok"]


def test_an_ignore_file_works_in_its_folder_and_below_and_deeper_ones_overrule_it(tmp_path: Path) -> None:
    put(tmp_path, ".contextignore", text="# drafts\n*.json\ndraft_*\n/top_only.csv\nbuilt/\n")
    put(tmp_path, "keep.csv", "a.json", "draft_1.csv", "top_only.csv", "built/x.csv", "sub/built/y.csv")
    put(tmp_path, "sub/.contextignore", text="!wanted.json\n!draft_2.csv\nlocal.csv\n")
    put(tmp_path, "sub/wanted.json", "sub/other.json", "sub/draft_2.csv", "sub/top_only.csv")
    put(tmp_path, "sub/local.csv", "sub/deeper/local.csv", "other/local.csv", "other/wanted.json")
    files = {source.file for source in workspace_of(tmp_path).catalogue().sources}
    assert files == {"keep.csv", "sub/wanted.json", "sub/draft_2.csv", "sub/top_only.csv", "other/local.csv"}


def test_an_ignored_file_can_not_be_asked_for_by_path(tmp_path: Path) -> None:
    put(tmp_path, ".contextignore", text="private.csv\n")
    put(tmp_path, "private.csv", "public.csv")
    workspace = workspace_of(tmp_path)
    for spelling in ("private", "private.csv", "./private.csv", str(tmp_path / "private.csv")):
        with pytest.raises(NotFoundError):
            workspace.resolve(workspace.catalogue(), "table", spelling)


def test_a_folder_whose_ignore_file_can_not_be_understood_is_not_served(tmp_path: Path) -> None:
    put(tmp_path, "root/x.csv", "root/sub/y.csv")
    put(tmp_path, "outside", text="*.csv\n")
    ignore = tmp_path / "root" / "sub" / ".contextignore"
    ignore.symlink_to(tmp_path / "outside")
    catalogues = [workspace_of(tmp_path / "root").catalogue()]
    for content in (bytes(range(256)), "*.csv\n".encode("utf-16"), b"!\n"):
        ignore.unlink()
        ignore.write_bytes(content)
        catalogues.append(workspace_of(tmp_path / "root").catalogue())
    for catalogue in catalogues:
        assert [source.name for source in catalogue.sources] == ["x"]
        assert any(".contextignore" in notice for notice in catalogue.notices)


def test_an_ignore_file_works_with_a_byte_order_mark_a_link_inside_and_any_unicode_form(tmp_path: Path) -> None:
    put(tmp_path, "データ.csv", unicodedata.normalize("NFD", "ガイド.csv"), "keep.csv")
    (tmp_path / "rules").write_text("データ.csv\nガイド.csv\n", encoding="utf-8-sig")
    (tmp_path / ".contextignore").symlink_to("rules")
    assert names_of(workspace_of(tmp_path)) == ["keep"]


def test_a_name_never_comes_to_mean_another_file_while_the_server_lives(tmp_path: Path) -> None:
    put(tmp_path, "x.csv")
    workspace = workspace_of(tmp_path)
    files = [{source.name: source.file for source in workspace.catalogue().sources}]
    put(tmp_path, "sub/x.csv")
    files.append({source.name: source.file for source in workspace.catalogue().sources})
    (tmp_path / "x.csv").unlink()
    files.append({source.name: source.file for source in workspace.catalogue().sources})
    assert files[0] == {"x": "x.csv"}
    assert set(files[1].values()) == {"x.csv", "sub/x.csv"}
    assert list(files[2].values()) == ["sub/x.csv"]
    assert "x" not in files[2]
    with pytest.raises(NotFoundError, match="x") as caught:
        workspace.resolve(workspace.catalogue(), "table", "x")
    assert next(iter(files[2])) in caught.value.hint


def test_files_of_other_kinds_are_counted_and_named_when_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "book.pages", "notes.doc", "more.doc", "t.csv")
    workspace = workspace_of(tmp_path)
    catalogue = workspace.catalogue()
    assert any("2 .doc" in notice and "1 .pages" in notice for notice in catalogue.notices)
    with pytest.raises(NotFoundError, match=r"\.pages files are not served"):
        workspace.resolve(catalogue, "document", "book.pages")
    with pytest.raises(NotFoundError, match="is a table, not a document"):
        workspace.resolve(catalogue, "document", "t")


def test_an_edit_that_keeps_size_and_date_is_still_another_version(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", text="a\n1\n")
    workspace = workspace_of(tmp_path)
    [before] = workspace.catalogue().sources
    status = (tmp_path / "x.csv").stat()
    (tmp_path / "x.csv").write_text("a\n2\n", encoding="utf-8")
    os.utime(tmp_path / "x.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    [after] = workspace.catalogue().sources
    assert (after.size, after.modified_ns, after.state[-1]) == (before.size, before.modified_ns, before.state[-1])
    assert after.fingerprint != before.fingerprint


def test_ignore_patterns_of_the_settings_apply_to_every_root(tmp_path: Path) -> None:
    put(tmp_path, "one/x.csv", "one/raw/r.csv", "two/y.csv", "two/deep/raw/s.csv", "two/z.json")
    workspace = workspace_of(tmp_path / "one", tmp_path / "two", ignore=("raw/", "*.json"))
    assert names_of(workspace) == ["x", "y"]


def test_a_file_above_the_size_cap_is_left_out_and_noticed(tmp_path: Path) -> None:
    put(tmp_path, "small.csv")
    put(tmp_path, "big.csv", text="a\n" + "1\n" * 100)
    catalogue = workspace_of(tmp_path, max_file_bytes=100).catalogue()
    assert [source.name for source in catalogue.sources] == ["small"]
    assert any("big.csv" in notice and "max_file_bytes" in notice for notice in catalogue.notices)


def test_files_above_the_count_cap_are_left_out_and_noticed_once(tmp_path: Path) -> None:
    put(tmp_path, *(f"{folder}/{i}.csv" for folder in "abc" for i in range(4)))
    catalogue = workspace_of(tmp_path, max_files=5).catalogue()
    assert {source.file for source in catalogue.sources} == {"a/0.csv", "a/1.csv", "a/2.csv", "a/3.csv", "b/0.csv"}
    assert [notice for notice in catalogue.notices if "workspace.max_files" in notice] == [
        "only 5 files are looked at, there are more: raise workspace.max_files"
    ]
    assert workspace_of(tmp_path, max_files=12).catalogue().notices == ()


def test_only_known_endings_are_sources_in_any_case_of_letters(tmp_path: Path) -> None:
    put(tmp_path, "a.CSV", "b.Csv.GZ", "c.PDF", "d.GGUF", "e.zip", "f.csv.bak", "csv", "g.gz", "h.exe", ".csv")
    found = {source.file: (source.kind, source.format) for source in workspace_of(tmp_path).catalogue().sources}
    assert found == {
        "a.CSV": ("table", "csv"),
        "b.Csv.GZ": ("table", "csv"),
        "c.PDF": ("document", "pdf"),
        "d.GGUF": ("model", "gguf"),
    }


def test_a_fingerprint_changes_with_the_file_and_only_with_it(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", "y.csv")
    workspace = workspace_of(tmp_path)
    first = {source.name: source.fingerprint for source in workspace.catalogue().sources}
    assert len(set(first.values())) == 2
    replacement = tmp_path / "new"
    replacement.write_text("a\n2\n", encoding="utf-8")
    status = (tmp_path / "x.csv").stat()
    os.utime(replacement, ns=(status.st_atime_ns, status.st_mtime_ns))
    replacement.replace(tmp_path / "x.csv")  # same size, same time: the inode alone tells
    second = {source.name: source.fingerprint for source in workspace.catalogue().sources}
    assert second["x"] != first["x"]
    assert second["y"] == first["y"]


_FOLDER_PARTS = ("..", ".", "", "~", "%2e%2e", "sub", "data", "data2", "data ", "data'", "folder_out", "folder_in")
_FILE_PARTS = ("real.csv", "deep.csv", "secret.csv", "file_out.csv", "twice_out.csv", "loop.csv", "pipe.csv", "a\0b")
_PARTS = st.sampled_from(_FOLDER_PARTS) | st.sampled_from(_FILE_PARTS)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, database=None)
@given(parts=st.lists(_PARTS, max_size=8), absolute=st.booleans())
def test_the_guard_never_lets_a_path_out_however_it_is_spelled(
    place: Path, parts: list[str], *, absolute: bool
) -> None:
    roots = Roots([place / "data"])
    text = "/".join(parts)
    try:
        allowed = roots.check(f"{place}/data/{text}" if absolute else text)
    except ContextError:
        return
    assert allowed == allowed.resolve(strict=True)
    assert allowed.is_relative_to(place / "data")
    assert allowed.is_file()
    assert "TOPSECRET" not in allowed.read_text(encoding="utf-8")


@settings(max_examples=100, deadline=None, database=None)
@given(parts=st.lists(_PARTS, max_size=6))
def test_resolving_a_name_returns_a_listed_source_or_a_clear_error(place: Path, parts: list[str]) -> None:
    workspace = workspace_of(place / "data")
    catalogue = workspace.catalogue()
    try:
        source = workspace.resolve(catalogue, "table", "/".join(parts))
    except (NotFoundError, AccessDeniedError, UnreadableSourceError) as error:
        told = str(error)
    else:
        assert source in catalogue.sources
        return
    assert str(place) not in told


_FILE_NAMES = st.text(
    st.sampled_from("abAB01_-. 'éÉßガ売ガ\u3099①\u200b\n\"%$") | st.characters(exclude_characters="/\0", codec="utf-8"),
    min_size=1,
    max_size=8,
).filter(lambda name: name not in {".", ".."})
_PATHS = st.builds(
    lambda folders, stem, ending: "/".join([*folders, stem + ending]),
    st.lists(_FILE_NAMES | st.sampled_from(["a", "b"]), max_size=2),
    _FILE_NAMES | st.sampled_from(["data", "select", "data_csv", "a_data", "root_data", "2"]),
    st.sampled_from([".csv", ".json", ".csv.gz", ".parquet"]),
)
_PARTS = st.sampled_from(["", "", "", "data", "a_b"])
_FILES = st.lists(st.tuples(st.sampled_from(["root", "root_2", "data"]), _PATHS, _PARTS), max_size=12, unique=True)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, database=None)
@given(files=_FILES)
def test_names_are_unique_without_regard_to_case_and_the_same_every_time(files: list[Spot]) -> None:
    whole = [(root, path, "") for root, path, part in files if not part]
    for make, spots in ((table_names, files), (file_names, whole)):
        names = make(spots)
        assert len(names) == len(spots)
        assert len({lookup_key(name) for name in names}) == len(spots)
        assert make(list(spots)) == names


_PLAIN_PATHS = st.builds(
    lambda folders, stem: "/".join([*folders, f"{stem}.csv"]),
    st.lists(st.sampled_from(["a", "b", "ガ", "A", "a_b"]), max_size=3),
    st.sampled_from(["data", "DATA", "a_data", "b_data", "2", "select", "ガ"]),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, database=None)
@given(paths=st.lists(_PLAIN_PATHS, min_size=1, max_size=10, unique=True), data=st.data())
def test_a_name_two_files_claim_goes_to_neither_and_the_order_of_files_decides_nothing(
    paths: list[str], data: st.DataObject
) -> None:
    files: list[Spot] = [("root", path, "") for path in paths]
    bare = {file: lookup_key(table_names([file])[0]) for file in files}
    claims = list(bare.values())
    named = dict(zip(files, table_names(files), strict=True))
    for file, name in named.items():
        if claims.count(bare[file]) > 1:
            assert lookup_key(name) != bare[file]
    if not any(re.search(r"_\d+$", name) for name in named.values()):
        shuffled = data.draw(st.permutations(files))
        assert dict(zip(shuffled, table_names(shuffled), strict=True)) == named


@pytest.mark.slow
@settings(max_examples=100, deadline=None, database=None)
@given(files=_FILES)
def test_every_table_name_works_unquoted_as_an_identifier(engine: duckdb.DuckDBPyConnection, files: list[Spot]) -> None:
    for name in table_names(files):
        assert_usable_unquoted(engine, name)
