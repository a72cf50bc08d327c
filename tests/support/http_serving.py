"""Servers over HTTP for tests: the real one in a process of its own, and an application in this one.

Run as a program it serves: `python -m tests.support.http_serving SETTINGS HTTP_SETTINGS`, both as JSON.
"""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import psutil
import uvicorn
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_server.http.connection import connection_class
from mcp_server.http.serving import serve_http
from mcp_server.http.settings import HttpSettings
from mcp_server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.types import ASGIApp

TOKEN = "a-token-of-the-tests-0123456789"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
_ROOT = Path(__file__).parents[2]


class HttpServer:
    """The server as a process on a free port, its log read line by line."""

    def __init__(self, *folders: Path, cache: Path, **http: Any) -> None:
        settings = {"workspace": {"roots": [str(folder) for folder in folders]}, "storage": {"cache_dir": str(cache)}}
        chosen = {"address": "127.0.0.1:0", **http}
        if not {"anonymous", "token_file", "issuer"} & http.keys():
            chosen.setdefault("tokens", [TOKEN])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.http_serving", json.dumps(settings), json.dumps(chosen)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        self.log: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            found = re.search(r" at (https?://\S+)", self.wait_for("serving "))
            assert found is not None, self.log
        except BaseException:
            self.kill()
            raise
        self.url = found[1]
        self.origin = self.url.removesuffix("/mcp")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put("")

    def wait_for(self, text: str) -> str:
        """Return the next line of the log with `text` in it."""
        while line := self._lines.get(timeout=60):
            self.log.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} was not logged: {self.log}")

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes there are now."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def wait(self) -> int:
        """Wait until the process has ended, and return its exit status."""
        status = self.process.wait(timeout=60)
        self._reader.join(timeout=60)
        while not self._lines.empty():
            self.log.append(self._lines.get())
        assert self.process.stdout is not None
        assert self.process.stdout.read() == "", "standard output is not for logs"
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return status

    def kill(self) -> None:
        """End the process if it still runs: a test that failed leaves none behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=60)
        self._reader.join(timeout=60)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def stop(self) -> int:
        """Ask the process to stop, and return its exit status."""
        self.process.terminate()
        return self.wait()


@contextmanager
def servers(cache: Path) -> Iterator[Callable[..., HttpServer]]:
    """Give what starts servers, and end those that still run."""
    started: list[HttpServer] = []

    def start(*folders: Path, **settings: Any) -> HttpServer:
        started.append(HttpServer(*folders, **{"cache": cache, **settings}))
        return started[-1]

    try:
        yield start
    finally:
        for server in started:
            server.kill()


@asynccontextmanager
async def client_of(url: str, mode: str = "auto", token: str = TOKEN) -> AsyncIterator[Client]:
    """Connect the SDK's client."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@asynccontextmanager
async def listening(app: ASGIApp, http: HttpSettings) -> AsyncIterator[str]:
    """Serve an application on a free port from this process, with the limits of the settings on connections."""
    config = uvicorn.Config(
        app, http=connection_class(http), ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    with HttpSettings(address="127.0.0.1:0").listen.bind() as listener:
        port = listener.getsockname()[1]
        async with anyio.create_task_group() as group:
            group.start_soon(server._serve, [listener])
            while not server.started:
                await anyio.lowlevel.checkpoint()
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                server.should_exit = True


def headers_for(era: str, method: str, token: str = TOKEN, name: str = "") -> dict[str, str]:
    """Return the headers of a request of an era."""
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    headers["MCP-Protocol-Version"] = era
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if era == MODERN:
        headers |= {"Mcp-Method": method} | ({"Mcp-Name": name} if name else {})
    return headers


def request_of(era: str, method: str, **params: Any) -> dict[str, Any]:
    """Return the body of a request of an era."""
    if era == MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


if __name__ == "__main__":
    given = [json.loads(argument) for argument in sys.argv[1:3]]
    sys.exit(serve_http(Settings.model_validate(given[0]), HttpSettings.model_validate(given[1])))
