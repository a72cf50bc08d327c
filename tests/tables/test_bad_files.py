"""Files that are not what their name says, damaged ones, and odd but honest ones."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from mcp_context_resources.models.registry import runtime_installed
from tests.support.files import encrypted_pdf, gz, pdf
from tests.support.serving import connect, data_of, error_of, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import Client

pytestmark = pytest.mark.anyio

JAPANESE = "名前,ふりがな,数\n桜,さくら,3\n表,ひょう,5\n"
JAPANESE_ROWS = [["桜", "さくら", 3], ["表", "ひょう", 5]]

BROKEN_TABLES: dict[str, bytes] = {
    "all_bytes.csv": bytes(range(256)) * 20,
    "png.csv": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(400),
    "nul.csv": b"a,b\n1,\x00\n",
    "nothing.csv": b"",
    "nothing.tsv": b"",
    "nothing.json": b"",
    "nothing.parquet": b"",
    "words.parquet": b"This is a letter and no Parquet file at all.\n",
    "magic.parquet": b"PAR1",
    "hollow.parquet": b"PAR1" + bytes(100) + b"PAR1",
    "cut.json": b'{"a": 1, "b": [',
    "words.json": b"dear reader\n",
    "cut.jsonl": b'{"a": 1}\n{"a": \n{"a": 3}\n',
    "plain.csv.gz": b"a,b\n1,2\n",
    "cut.csv.gz": gzip.compress(b"a,b\n" + b"1,2\n" * 5_000, mtime=0)[:-30],
    "late_columns.csv": b"a,b\n" + b"1,2\n" * 3_000 + b"1,2,3,4\n" + b"1,2\n" * 10,
}

GOOD_TABLES: dict[str, tuple[bytes, list[str], list[list[Any]]]] = {
    "utf16.csv": (JAPANESE.encode("utf-16"), ["名前", "ふりがな", "数"], JAPANESE_ROWS),
    "utf16be.csv": (b"\xfe\xff" + JAPANESE.encode("utf-16-be"), ["名前", "ふりがな", "数"], JAPANESE_ROWS),
    "euc.csv": (JAPANESE.encode("euc_jp"), ["名前", "ふりがな", "数"], JAPANESE_ROWS),
    "sjis.csv": (JAPANESE.encode("cp932"), ["名前", "ふりがな", "数"], JAPANESE_ROWS),
    "bom.csv": (JAPANESE.encode("utf-8-sig"), ["名前", "ふりがな", "数"], JAPANESE_ROWS),
    "zipped.csv.gz": (gzip.compress(JAPANESE.encode(), mtime=0), ["名前", "ふりがな", "数"], JAPANESE_ROWS),
    "zipped_sjis.csv.gz": (gzip.compress(JAPANESE.encode("cp932"), mtime=0), ["名前", "ふりがな", "数"], JAPANESE_ROWS),
    "tabs.tsv": (b"a\tb\n1\tx,y\n2\tz\n", ["a", "b"], [[1, "x,y"], [2, "z"]]),
    "semicolons.csv": (b"a;b\n1,5;x\n2,5;y\n", ["a", "b"], [["1,5", "x"], ["2,5", "y"]]),
    "windows.csv": (b"a,b\r\n1,2\r\n3,4\r\n", ["a", "b"], [[1, 2], [3, 4]]),
    "quoted.csv": (b'a,b\n"x, ""y""\nz",2\n', ["a", "b"], [['x, "y"\nz', 2]]),
    "header_only.csv": (b"name,price\n", ["name", "price"], []),
    "one_cell.csv": (b"a\n1\n", ["a"], [[1]]),
    "no_last_newline.csv": (b"a,b\n1,2", ["a", "b"], [[1, 2]]),
    "lines.jsonl": (b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n', ["a", "b"], [[1, "x"], [2, "y"]]),
    "array.json": (b'[{"a": 1}, {"a": 2}]', ["a"], [[1], [2]]),
    "zipped.jsonl.gz": (gzip.compress(b'{"a": 1}\n', mtime=0), ["a"], [[1]]),
}

BROKEN_DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "cut_early.pdf": (pdf("one", "two")[:200], "unreadable_source"),
    "words.pdf": (b"Dear reader, this is a letter and no PDF.\n", "unreadable_source"),
    "header_only.pdf": (b"%PDF-1.7\n", "unreadable_source"),
    "binary.pdf": (bytes(range(256)) * 20, "unreadable_source"),
    "nothing.pdf": (b"", "unreadable_source"),
    "locked.pdf": (encrypted_pdf("HIDDEN", user_password="user", owner_password="owner"), "password_required"),
}

BROKEN_MODELS: dict[str, bytes] = {
    "words.gguf": b"This is a letter and no model.\n",
    "nothing.gguf": b"",
    "magic.gguf": b"GGUF",
    "cut.gguf": b"GGUF\x03\x00\x00\x00" + bytes(40),
    "absurd.gguf": b"GGUF\x03\x00\x00\x00" + b"\xff" * 100,
}


def no_place(told: object, folder: Path) -> bool:
    return str(folder) not in str(told) and str(folder.parent) not in str(told)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    for name, content in BROKEN_TABLES.items():
        (folder / name).write_bytes(content)
    for name, (content, _) in BROKEN_DOCUMENTS.items():
        (folder / name).write_bytes(content)
    for name, content in BROKEN_MODELS.items():
        (folder / name).write_bytes(content)
    for name, (table, _, _) in GOOD_TABLES.items():
        (folder / f"good_{name}").write_bytes(table)
    (folder / "fine.pdf").write_bytes(pdf("Hello", "", "World"))
    return folder


@pytest.fixture(scope="module")
async def client(folder: Path, cache: Path) -> AsyncIterator[Client]:
    async with connect(folder, cache=cache) as connected:
        yield connected


@pytest.fixture(scope="module")
async def listed(client: Client) -> dict[str, dict[str, Any]]:
    """List all sources by file."""
    return {source["file"]: source for source in data_of(await client.call_tool("list_sources", {}))["sources"]}


@pytest.mark.slow
@pytest.mark.parametrize("file", BROKEN_TABLES)
async def test_a_broken_table_is_a_clear_error_in_every_tool_and_the_server_lives(
    client: Client, folder: Path, listed: dict[str, dict[str, Any]], file: str
) -> None:
    name = listed[file]["name"]
    for tool, arguments in (
        ("query_tables", {"sql": f"SELECT * FROM {name}"}),
        ("describe_table", {"table": name}),
    ):
        result = await client.call_tool(tool, arguments)
        error = error_of(result)
        assert error["code"] == "unreadable_source"
        assert file in error["message"]
        assert error["hint"]
        assert no_place(error, folder)
    assert data_of(await client.call_tool("query_tables", {"sql": "SELECT 42"}))["rows"] == [[42]]


@pytest.mark.slow
@pytest.mark.parametrize("file", GOOD_TABLES)
async def test_an_odd_but_honest_table_is_read_whole(
    client: Client, listed: dict[str, dict[str, Any]], file: str
) -> None:
    _, columns, rows = GOOD_TABLES[file]
    source = listed[f"good_{file}"]
    assert source["rows"] == len(rows)
    data = data_of(await client.call_tool("query_tables", {"sql": f"SELECT * FROM {source['name']}"}))
    assert [column["name"] for column in data["columns"]] == columns
    assert data["rows"] == rows


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "encoding"),
    [("utf16", "utf-16"), ("utf16be", "utf-16"), ("euc", "euc_jp"), ("sjis", "cp932"), ("windows", "utf-8")],
)
async def test_describe_table_names_the_encoding_it_found(client: Client, file: str, encoding: str) -> None:
    data = data_of(await client.call_tool("describe_table", {"table": f"good_{file}.csv"}))
    assert data["encoding"] == encoding


async def test_tables_of_different_encodings_join(client: Client) -> None:
    sql = "SELECT e.名前, u.数 + b.数 AS 和 FROM good_euc e JOIN good_utf16 u USING (名前) JOIN good_bom b USING (名前)"
    data = data_of(await client.call_tool("query_tables", {"sql": f"{sql} ORDER BY ALL"}))
    assert sorted(data["rows"]) == [["桜", 6], ["表", 10]]


async def test_a_statement_over_good_tables_is_not_stopped_by_broken_neighbours(client: Client) -> None:
    sql = "SELECT count(*) FROM good_windows, good_one_cell"
    assert data_of(await client.call_tool("query_tables", {"sql": sql}))["rows"] == [[2]]


@pytest.mark.parametrize("file", BROKEN_DOCUMENTS)
async def test_a_broken_document_is_a_clear_error_and_the_next_one_is_read(
    client: Client, folder: Path, file: str
) -> None:
    for pages in ("", "1"):
        error = error_of(await client.call_tool("read_document", {"document": file, "pages": pages}))
        assert error["code"] == BROKEN_DOCUMENTS[file][1]
        assert file in error["message"]
        assert error["hint"]
        assert "HIDDEN" not in str(error)
        assert no_place(error, folder)
    assert data_of(await client.call_tool("read_document", {"document": "fine.pdf"}))["total_pages"] == 3


async def test_a_document_without_pages_says_so(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "hollow.pdf").write_bytes(pdf())
    async with connect(tmp_path, cache=cache) as client:
        error = error_of(await client.call_tool("read_document", {"document": "hollow.pdf"}))
        assert error["code"] == "unreadable_source"
        assert "no pages" in error["message"]
        [source] = data_of(await client.call_tool("list_sources", {"kind": "document"}))["sources"]
        assert "no pages" in source["problem"]


async def test_a_document_locked_against_editing_alone_is_read(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "owned.pdf").write_bytes(encrypted_pdf("open words", user_password="", owner_password="owner"))
    async with connect(tmp_path, cache=cache) as client:
        data = data_of(await client.call_tool("read_document", {"document": "owned.pdf"}))
        assert [page["text"] for page in data["pages"]] == ["open words"]


async def test_a_page_without_text_is_noted_and_the_others_are_read(client: Client) -> None:
    result = await client.call_tool("read_document", {"document": "fine.pdf"})
    data = data_of(result)
    assert [page["text"] for page in data["pages"]] == ["Hello", "", "World"]
    [note] = data["notes"]
    assert "No text on page 2" in note
    assert note in text_of(result)


@pytest.mark.parametrize("pages", ["4", "4-9", "0", "x", "2-1", "-", ",", "1,,2", "1;2", "-1-2"])
async def test_pages_a_document_does_not_have_are_a_clear_error(client: Client, pages: str) -> None:
    error = error_of(await client.call_tool("read_document", {"document": "fine.pdf", "pages": pages}))
    assert error["code"] in {"not_found", "invalid_input"}
    assert error["hint"]


@pytest.mark.parametrize("file", BROKEN_MODELS)
async def test_a_file_that_is_no_model_is_reported_unavailable(client: Client, folder: Path, file: str) -> None:
    arguments = {"task": "generate", "prompt": "Say hello.", "model": file, "max_tokens": 1}
    error = error_of(await client.call_tool("run_model", arguments))
    assert error["code"] == "model_unavailable"
    assert (file in error["message"]) is runtime_installed()
    assert error["hint"]
    assert no_place(error, folder)
    assert data_of(await client.call_tool("query_tables", {"sql": "SELECT 42"}))["rows"] == [[42]]


async def test_list_sources_shows_the_problem_of_each_broken_file_and_none_for_a_good_one(
    listed: dict[str, dict[str, Any]], folder: Path
) -> None:
    for file in [*BROKEN_TABLES, *BROKEN_DOCUMENTS]:
        assert listed[file]["problem"], file
        assert file in listed[file]["problem"]
        assert "rows" not in listed[file]
        assert "pages" not in listed[file]
    for name in GOOD_TABLES:
        assert "problem" not in listed[f"good_{name}"]
    assert listed["fine.pdf"]["pages"] == 3
    assert "problem" not in listed["fine.pdf"]
    assert no_place(listed.values(), folder)


@pytest.mark.slow
async def test_a_problem_goes_away_with_its_cause(tmp_path: Path, cache: Path) -> None:
    table, document = tmp_path / "table.csv", tmp_path / "document.pdf"
    table.write_bytes(b"\x00\x01")
    document.write_bytes(b"nothing")
    async with connect(tmp_path, cache=cache) as client:
        sources = data_of(await client.call_tool("list_sources", {}))["sources"]
        assert all("problem" in source for source in sources if source["kind"] != "model")
        table.write_bytes(b"a\n1\n")
        document.write_bytes(pdf("mended"))
        sources = data_of(await client.call_tool("list_sources", {}))["sources"]
        assert not any("problem" in source for source in sources)
        data = data_of(await client.call_tool("read_document", {"document": "document.pdf"}))
        assert data["pages"][0]["text"] == "mended"


@pytest.mark.slow
async def test_a_file_that_breaks_while_it_is_served_is_an_error_and_not_old_rows(tmp_path: Path, cache: Path) -> None:
    table = tmp_path / "stock.csv"
    gz(tmp_path / "packed.csv.gz", b"a\n1\n")
    table.write_bytes("品,数\nペン,1\n".encode("cp932"))
    async with connect(tmp_path, cache=cache) as client:
        sql = {"sql": "SELECT 数, a FROM stock, packed"}
        assert data_of(await client.call_tool("query_tables", sql))["rows"] == [[1, 1]]
        table.write_bytes(b"\x00broken")
        assert error_of(await client.call_tool("query_tables", sql))["code"] == "unreadable_source"
        table.write_bytes("品,数\nペン,2\n".encode("cp932"))
        assert data_of(await client.call_tool("query_tables", sql))["rows"] == [[2, 1]]
        (tmp_path / "packed.csv.gz").write_bytes(b"a\n1\n")
        assert error_of(await client.call_tool("query_tables", sql))["code"] == "unreadable_source"
