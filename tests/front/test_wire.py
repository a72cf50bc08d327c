"""What a client sees of the protocol: schemas, errors, bounds."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp.shared.exceptions import MCPError

from mcp_context_tools.catalogue import TOOLS
from mcp_server.server import INSTRUCTIONS, create_server
from mcp_server.settings import Settings
from tests.support.serving import EXAMPLE_DATA, connect, error_of, settings_for

if TYPE_CHECKING:
    from mcp.client.client import Client

pytestmark = pytest.mark.anyio

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"


@pytest.fixture(scope="module")
async def client(cache: Path) -> Any:
    async with connect(EXAMPLE_DATA, cache=cache) as connected:
        yield connected


@pytest.mark.parametrize("name", [tool.name for tool in TOOLS])
async def test_the_definition_of_each_tool_is_the_one_agreed_on(
    client: Client, name: str, request: pytest.FixtureRequest
) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    definition = tools[name].model_dump(by_alias=True, exclude_none=True, mode="json")
    text = json.dumps(definition, ensure_ascii=False, indent=2) + "\n"
    golden = SNAPSHOTS / f"{name}.json"
    if request.config.getoption("--update-snapshots"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), "run pytest --update-snapshots if the change is meant"


def test_there_is_a_snapshot_for_each_tool_and_no_other() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == {tool.name for tool in TOOLS}


async def test_the_tools_cost_a_conversation_little(client: Client) -> None:
    listed = (await client.list_tools()).model_dump_json(by_alias=True, exclude_none=True)
    assert len(listed.encode()) < 12_000
    assert len(INSTRUCTIONS) < 2_000


async def test_schemas_are_strict_and_every_parameter_is_described(client: Client) -> None:
    for tool in (await client.list_tools()).tools:
        assert tool.input_schema["additionalProperties"] is False
        assert '"title": "' not in json.dumps(tool.input_schema)
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}.{name}"
        assert len(tool.input_schema.get("required", [])) <= 1


async def test_an_unknown_tool_is_a_protocol_error(client: Client) -> None:
    with pytest.raises(MCPError) as caught:
        await client.call_tool("drop_tables", {})
    assert caught.value.code == -32602
    assert "query_tables" in str(caught.value)


async def test_a_cursor_on_the_list_of_tools_is_a_protocol_error(client: Client) -> None:
    with pytest.raises(MCPError) as caught:
        await client.list_tools(cursor="bogus")
    assert caught.value.code == -32602


async def test_wrong_arguments_name_the_parameter_that_was_meant(client: Client) -> None:
    error = error_of(await client.call_tool("query_tables", {"sql": "SELECT 1", "maxrows": 3}))
    assert "did you mean 'max_rows'" in error["message"]
    error = error_of(await client.call_tool("query_tables", {}))
    assert "'sql' is required" in error["message"]
    error = error_of(await client.call_tool("read_document", {"document": "x", "offset": -1}))
    assert "'offset'" in error["message"]


async def test_only_the_tools_asked_for_are_served(cache: Path) -> None:
    async with connect(EXAMPLE_DATA, cache=cache, server={"tools": ("query_tables",)}) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["query_tables"]
        with pytest.raises(MCPError):
            await client.call_tool("list_sources", {})


async def test_a_fault_of_ours_is_an_error_result_without_its_details(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("mcp_context_resources.workspace.workspace.Workspace.catalogue", fail)
    error = error_of(await client.call_tool("list_sources", {}))
    assert "secret" not in json.dumps(error)


@pytest.mark.slow
def test_making_a_server_starts_nothing_and_imports_no_engine(cache: Path) -> None:
    engines = {"duckdb", "pandas", "pypdf", "pypdfium2", "llama_cpp"}
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from mcp_server.server import create_server\n"
        "from mcp_server.settings import Settings\n"
        f"create_server(Settings.model_validate({{'workspace': {{'roots': [{str(EXAMPLE_DATA)!r}]}}}}))\n"
        f"print(sorted({engines!r} & set(sys.modules)))\n"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert ast.literal_eval(done.stdout) == []


def test_a_server_needs_a_folder() -> None:
    with pytest.raises(Exception, match="No folder"):
        create_server(Settings())


def test_an_unknown_tool_name_in_the_settings_is_refused(cache: Path) -> None:
    with pytest.raises(Exception, match="no tool 'query'"):
        create_server(settings_for(EXAMPLE_DATA, cache=cache, server={"tools": ("query",)}))
