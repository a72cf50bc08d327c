"""Names and roots as people have them: undecodable, nested, replaced, overlong; each file keeps its name."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mcp_context_resources.workspace.names import table_names
from tests.support.serving import connect, data_of, error_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def call(root: Path, cache: Path, tool: str, **arguments: Any) -> Any:
    async with connect(root, cache=cache) as client:
        return await client.call_tool(tool, arguments)


def csv(folder: Path, name: str, text: str = "a\n1\n2\n") -> None:
    (folder / name).write_text(text, encoding="utf-8")


async def test_an_undecodable_file_name_does_not_end_the_session(tmp_path: Path, cache: Path) -> None:
    csv(tmp_path, os.fsdecode(b"\xff\xfe.csv"))
    result = await call(tmp_path, cache, "list_sources")
    assert result.model_dump_json()


@pytest.mark.slow
async def test_a_root_replaced_while_served_is_read_or_refused_without_its_path(tmp_path: Path, cache: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    csv(root, "t.csv")
    async with connect(root, cache=cache) as client:
        data_of(await client.call_tool("query_tables", {"sql": "FROM t"}))
        shutil.rmtree(root)
        root.mkdir()
        csv(root, "t.csv", "a\n9\n")
        result = await client.call_tool("query_tables", {"sql": "FROM t"})
        assert str(tmp_path) not in str(result)
        assert data_of(result)["rows"] == [[9]]


async def test_an_overlong_path_is_not_found(tmp_path: Path, cache: Path) -> None:
    result = await call(tmp_path, cache, "describe_table", table="./" + "a" * 300 + ".csv")
    assert error_of(result)["code"] == "not_found"


@pytest.mark.parametrize("word", ["at", "unpack"])
def test_every_reserved_word_is_avoided(word: str) -> None:
    assert table_names([("root", f"{word}.csv", "")]) != [word]


async def test_a_path_names_the_file_itself_and_not_a_link_to_it(tmp_path: Path, cache: Path) -> None:
    csv(tmp_path, "real.csv")
    (tmp_path / "alias.csv").symlink_to("real.csv")
    data = data_of(await call(tmp_path, cache, "describe_table", table="./real.csv"))
    assert data["table"] == "real"


async def test_a_root_inside_a_root_lists_no_file_twice(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "sub").mkdir()
    csv(tmp_path / "sub", "deep.csv")
    async with connect(tmp_path, tmp_path / "sub", cache=cache) as client:
        data = data_of(await client.call_tool("list_sources", {"kind": "table"}))
        assert len(data["sources"]) == 1


def test_a_folder_of_marks_alone_does_not_win_the_bare_name() -> None:
    assert "x" not in table_names([("root", "x.csv", ""), ("root", "!/x.csv", "")])


def test_a_hidden_file_keeps_its_stem() -> None:
    assert table_names([("root", ".hidden.csv", "")]) == ["hidden"]


async def test_a_numbered_name_stays_with_its_file(tmp_path: Path, cache: Path) -> None:
    csv(tmp_path, "a-b.csv")
    csv(tmp_path, "a_b.csv")
    async with connect(tmp_path, cache=cache) as client:

        async def names() -> dict[str, str]:
            data = data_of(await client.call_tool("list_sources", {"kind": "table"}))
            return {source["name"]: source["file"] for source in data["sources"]}

        before = await names()
        csv(tmp_path, "a b.csv")
        after = await names()
        assert all(after.get(name, file) == file for name, file in before.items())
