"""Whatever a client does, or whatever is done to it or to the server: nothing hangs, and no process is left."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx2
import psutil
import pytest

from mcp_server.front_door.answers import CAPABILITIES_KEY, VERSION_KEY
from tests.support.files import pdf
from tests.support.http_serving import MODERN, headers_for, request_of, servers
from tests.support.serving import EXAMPLE_DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MARK = "ROBUSTNESS_TEST"
"""An environment variable by which the processes of a test are known, whoever their parent is by then."""

ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = 7"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ENVELOPE: dict[str, Any] = {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}}

# Starts a server, says what it was given, and then only lives, until it is killed.
CLIENT = """
import json, subprocess, sys
lines, command = json.loads(sys.argv[1]), sys.argv[2:]
server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(server.pid, flush=True)
for line in lines:
    server.stdin.write(json.dumps(line).encode() + b"\\n")
    server.stdin.flush()
for line in server.stdout:
    pass
"""

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "tables": ("query_tables", {"sql": ENDLESS}),
    "documents": ("read_document", {"document": "a.pdf", "view": "find", "find": "(a+)+$", "regex": True}),
    "index": ("search", {"query": "harbour"}),
    "model": ("run_model", {"task": "generate", "prompt": "Tell a very long story.", "max_tokens": 2_000}),
}
BUSY_SECONDS = {"tables": 2.0, "documents": 1.5, "index": 1.5, "model": 2.0}
"""Processor time that only a worker at work on the call has used."""


def call(number: object, tool: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments, **more}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def command(*folders: Path, cache: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "mcp_server", "serve", *map(str, folders)),
        *("--set", f"storage.cache_dir={cache}", "--set", "tables.deadline_seconds=300"),
        *("--set", "tables.max_deadline_seconds=300", "--set", "documents.deadline_seconds=300"),
    ]


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """Mark all processes that the test starts, and those that they start."""
    value = uuid.uuid4().hex
    monkeypatch.setenv(MARK, value)
    return value


def marked(mark: str) -> list[psutil.Process]:
    """Return all processes of a test that live; itself is not among them, it was marked too late."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def nothing_is_left(mark: str) -> bool:
    psutil.wait_procs(marked(mark), timeout=20)
    return not marked(mark)


def until(true: Callable[[], object], process: subprocess.Popen[Any]) -> None:
    """Wait for something to be true while a process runs."""
    for _ in range(6_000):
        if true():
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
            raise AssertionError("the process ended")
    raise AssertionError("it never came true")


def works(server: int, seconds: float) -> bool:
    """Tell whether a worker of a server has used so much processor time."""
    with suppress(psutil.Error):
        return any(sum(one.cpu_times()[:2]) > seconds for one in psutil.Process(server).children(recursive=True))
    return False


@contextmanager
def client_of(lines: list[dict[str, Any]], server: list[str], folder: Path) -> Iterator[tuple[Any, int]]:
    """Run a client process that starts a server and sends it these lines; gives the process and the server's number."""
    started = [sys.executable, "-c", CLIENT, json.dumps(lines), *server]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder) as client:
        assert client.stdout is not None
        try:
            yield client, int(client.stdout.readline())
        finally:
            client.kill()


def served(folder: Path, kind: str) -> Path:
    """Make what a call of a kind needs to be busy for long."""
    folder.mkdir()
    if kind == "documents":
        (folder / "a.pdf").write_bytes(pdf("a" * 60 + "b"))
    elif kind == "index":
        for number in range(800):
            text = "\n\n".join(f"# Part {part}\n\nThe harbour of {number} {part} is open. " * 8 for part in range(8))
            (folder / f"{number}.md").write_text(text, encoding="utf-8")
    else:
        (folder / "numbers.csv").write_text("n\n1\n2\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["client", "server"])
@pytest.mark.parametrize("kind", CALLS)
def test_nothing_is_left_when_one_side_is_killed_in_the_middle_of_a_call(
    kind: str, victim: str, tmp_path: Path, mark: str
) -> None:
    arguments = command(served(tmp_path / "data", kind), cache=tmp_path / "cache")
    with client_of([INITIALIZE, call(1, *CALLS[kind])], arguments, tmp_path) as (client, server):
        until(lambda: works(server, BUSY_SECONDS[kind]), client)
        psutil.Process(client.pid if victim == "client" else server).kill()
        client.wait(timeout=30)
    assert nothing_is_left(mark)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["client", "server"])
@pytest.mark.parametrize("moment", ["spawned", "first worker"])
def test_nothing_is_left_when_one_side_is_killed_while_the_server_starts(
    moment: str, victim: str, tmp_path: Path, cache: Path, mark: str
) -> None:
    lines = [INITIALIZE, call(1, "query_tables", {"sql": "SELECT 1"})]
    with client_of(lines, command(EXAMPLE_DATA, cache=cache), tmp_path) as (client, server):
        if moment == "first worker":
            until(lambda: psutil.Process(server).children(recursive=True), client)
        psutil.Process(client.pid if victim == "client" else server).kill()
        client.wait(timeout=30)
    assert nothing_is_left(mark)


@contextmanager
def piped(cache: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on pipes."""
    arguments = [*command(EXAMPLE_DATA, cache=cache), "--log-level", "error"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder) as server:
        watchdog = threading.Timer(120, server.kill)
        watchdog.start()
        try:
            yield server
        finally:
            watchdog.cancel()
            server.kill()


def written(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def test_what_is_asked_right_before_the_end_is_answered_once_or_not_at_all(
    tmp_path: Path, cache: Path, mark: str
) -> None:
    calls = [call(number, "query_tables", {"sql": "SELECT 1"}, **ENVELOPE) for number in range(200)]
    with piped(cache, tmp_path) as server:
        said, _ = server.communicate(written(*calls), timeout=60)
    assert server.returncode == 0
    numbers = [json.loads(line)["id"] for line in said.splitlines()]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(200))
    assert nothing_is_left(mark)


@pytest.mark.slow
def test_a_client_that_reads_only_later_gets_every_answer_and_the_server_holds_few(tmp_path: Path, cache: Path) -> None:
    count = 4_000
    asked = [{"jsonrpc": "2.0", "id": n, "method": "tools/list", "params": ENVELOPE} for n in range(count)]
    with piped(cache, tmp_path) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(written(call("up", "query_tables", {"sql": "SELECT 1"}, **ENVELOPE)))
        server.stdin.flush()
        assert json.loads(server.stdout.readline())["id"] == "up"
        process = psutil.Process(server.pid)
        before = process.memory_info().rss
        sending = threading.Thread(target=server.stdin.write, args=[written(*asked)])
        sending.start()
        until(lambda: process.cpu_percent(0.5) < 5, server)
        held = process.memory_info().rss - before
        answers = [json.loads(server.stdout.readline()) for _ in range(count)]
        sending.join()
    assert sorted(answer["id"] for answer in answers) == list(range(count))
    assert all("result" in answer for answer in answers)
    assert held < 64 << 20


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_thousand_calls_at_once_over_http_are_all_answered(cache: Path) -> None:
    statuses: list[int] = []
    headers = headers_for(MODERN, "tools/call", name="query_tables")
    limits = httpx2.Limits(max_connections=300)
    with servers(cache) as start:
        server = await anyio.to_thread.run_sync(start, EXAMPLE_DATA)
        async with httpx2.AsyncClient(timeout=120, limits=limits) as http, anyio.create_task_group() as group:

            async def ask(number: int) -> None:
                arguments = {"sql": "SELECT 1"} if number % 10 == 0 else {}
                body = request_of(MODERN, "tools/call", name="query_tables", arguments=arguments)
                answer = await http.post(server.url, json=body, headers=headers)
                assert answer.json()["result"]["isError"] is bool(number % 10)
                statuses.append(answer.status_code)

            for number in range(1_000):
                group.start_soon(ask, number)
    assert statuses == [200] * 1_000


@pytest.mark.slow
@pytest.mark.anyio
async def test_what_is_asked_of_a_server_that_stops_is_refused_at_once(cache: Path, mark: str) -> None:
    headers = headers_for(MODERN, "tools/call", name="query_tables")
    endless = request_of(MODERN, "tools/call", name="query_tables", arguments={"sql": ENDLESS})
    first, later = [], []
    with servers(cache) as start:
        server = await anyio.to_thread.run_sync(lambda: start(EXAMPLE_DATA, shutdown_seconds=3))

        async def ask() -> None:
            async with httpx2.AsyncClient(timeout=60) as http:
                first.append((await http.post(server.url, json=endless, headers=headers)).status_code)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.to_thread.run_sync(until, lambda: works(server.process.pid, 1.0), server.process)
            server.process.terminate()
            async with httpx2.AsyncClient(timeout=60) as http:
                while server.process.poll() is None:
                    with suppress(httpx2.TransportError):
                        later.append((await http.get(f"{server.origin}/healthz")).status_code)
                    await anyio.lowlevel.checkpoint()
        assert server.wait() == 0
    assert first == [503]
    assert set(later) <= {200, 503}
    assert nothing_is_left(mark)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.anyio
async def test_nothing_is_left_of_a_killed_http_server(cache: Path, mark: str) -> None:
    headers = headers_for(MODERN, "tools/call", name="query_tables")
    body = request_of(MODERN, "tools/call", name="query_tables", arguments={"sql": ENDLESS})
    with servers(cache) as start:
        server = await anyio.to_thread.run_sync(start, EXAMPLE_DATA)

        async def ask() -> None:
            async with httpx2.AsyncClient(timeout=60) as http:
                with suppress(httpx2.TransportError):
                    await http.post(server.url, json=body, headers=headers)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.to_thread.run_sync(until, lambda: works(server.process.pid, 2.0), server.process)
            server.process.kill()
    assert nothing_is_left(mark)
