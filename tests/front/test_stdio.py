"""The server as a host runs it: a process, two pipes, and nothing but protocol on standard output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anyio
import psutil
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from tests.support.serving import EXAMPLE_DATA, data_of

if TYPE_CHECKING:
    from pathlib import Path

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


class RawServer:
    """A server process spoken to line by line."""

    def __init__(self, folder: Path, cache: Path, working_folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mcp_server", "serve", str(folder), "--set", f"storage.cache_dir={cache}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=working_folder,
        )
        self.lines: list[bytes] = []
        self.ask(INITIALIZE)
        self.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def tell(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        self.tell(message)
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self.lines.append(line)
            answer: dict[str, Any] = json.loads(line)
            if answer.get("id") == message["id"]:
                return answer
        raise AssertionError(f"no answer; stderr: {self.process.stderr.read().decode() if self.process.stderr else ''}")

    def call(self, number: int, tool: str, **arguments: object) -> dict[str, Any]:
        params = {"name": tool, "arguments": arguments}
        answer = self.ask({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
        result: dict[str, Any] = answer["result"]
        return result

    def end(self) -> bytes:
        """Close the pipes as a host does and return what was left on standard output."""
        rest, _ = self.process.communicate(timeout=30)
        return rest


@pytest.mark.slow
def test_nothing_but_protocol_is_ever_on_standard_output(tmp_path: Path, cache: Path) -> None:
    server = RawServer(EXAMPLE_DATA, cache, tmp_path)
    server.call(1, "list_sources")
    server.call(2, "query_tables", sql="SELECT count(*) FROM trips")
    assert server.call(3, "query_tables", sql="SELEC")["isError"]
    server.call(4, "read_document", document="運行案内.pdf")
    server.call(5, "run_model", task="generate", prompt="Say hello.", max_tokens=4)
    rest = server.end()
    for line in [*server.lines, *rest.splitlines()]:
        assert json.loads(line)["jsonrpc"] == "2.0"
    assert server.process.returncode == 0


@pytest.mark.slow
def test_the_server_leaves_when_its_client_does_and_takes_its_workers_along(tmp_path: Path, cache: Path) -> None:
    server = RawServer(EXAMPLE_DATA, cache, tmp_path)
    server.call(1, "query_tables", sql="SELECT 1")
    family = psutil.Process(server.process.pid).children(recursive=True)
    assert family
    server.end()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_server_leaves_no_worker_behind(tmp_path: Path, cache: Path) -> None:
    server = RawServer(EXAMPLE_DATA, cache, tmp_path)
    server.call(1, "query_tables", sql="SELECT 1")
    family = psutil.Process(server.process.pid).children(recursive=True)
    os.kill(server.process.pid, signal.SIGKILL)
    server.end()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


@pytest.mark.slow
def test_a_folder_that_does_not_exist_is_told_on_stderr_before_anything_is_served(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcp_server", "serve", str(tmp_path / "nowhere")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nowhere does not exist" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("transport", [[], ["--http", "127.0.0.1:0"]])
def test_a_cache_folder_that_cannot_be_is_told_in_one_sentence(transport: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    command = [sys.executable, "-m", "mcp_server", "serve", str(tmp_path), *transport]
    command += ["--set", f"storage.cache_dir={tmp_path / 'file'}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        told = process.stderr.read().decode()  # the client is still there
    assert process.returncode == 1
    assert "storage.cache_dir" in told
    assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_real_client_works_in_both_protocol_eras(mode: str, tmp_path: Path, cache: Path) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mcp_server", "serve", str(EXAMPLE_DATA), "--set", f"storage.cache_dir={cache}"],
        cwd=tmp_path,
    )
    async with Client(parameters, mode=mode) as client:
        data = data_of(await client.call_tool("query_tables", {"sql": "SELECT count(*) FROM 停留所"}))
    assert data["rows"] == [[24]]


@pytest.mark.slow
@pytest.mark.anyio
async def test_two_servers_side_by_side_share_a_cache(tmp_path: Path) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mcp_server", "serve", str(EXAMPLE_DATA), "--set", f"storage.cache_dir={tmp_path / 'cache'}"],
    )
    counts: list[object] = []

    async def ask() -> None:
        async with Client(parameters) as client:
            data = data_of(await client.call_tool("query_tables", {"sql": "SELECT count(*) FROM 停留所"}))
            counts.append(data["rows"])

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        group.start_soon(ask)
    assert counts == [[[24]], [[24]]]
