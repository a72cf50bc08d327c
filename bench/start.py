"""Cold start: from spawning the process to the answered `tools/list`, and what that answer costs a client's context.

The client is a few lines of JSON written to a pipe, so that no client library's own start is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.measure import OURS, BenchError, Table, interleaved, paired, within
from bench.serving import BARE_SDK, EXAMPLE_DATA, HELLO_SERVER, environment, our_arguments

if TYPE_CHECKING:
    from bench.measure import Contender, Options, Sample

_PROTOCOL: Final = "2025-06-18"
_GIVE_UP_SECONDS: Final = 120.0
_TOOLS_BYTES: Final = 12_000
_INSTRUCTIONS_CHARS: Final = 2_000


class _Server:
    """A server process on a pipe, spoken to in single lines."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment(),
        )
        self._watchdog = threading.Timer(_GIVE_UP_SECONDS, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def send(self, method: str, params: dict[str, Any] | None = None, number: int | None = None) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        if number is not None:
            message["id"] = number
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self, number: int) -> tuple[dict[str, Any], int]:
        """Wait for the answer to a request; return its result and the bytes of its line."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if message.get("id") == number:
                if "result" not in message:
                    raise BenchError(f"The server refused request {number}: {message.get('error')}")
                return message["result"], len(line)
        raise BenchError(f"The server ended, or was ended after {_GIVE_UP_SECONDS:.0f} s, before it answered.")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._watchdog.cancel()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _start(arguments: list[str], folder: Path) -> dict[str, float]:
    """Start a server, list its tools, end it; return seconds and sizes."""
    started = time.perf_counter()
    server = _Server(arguments, folder)
    try:
        client = {"name": "bench", "version": "1"}
        server.send("initialize", {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": client}, 1)
        initialized, _ = server.answer(1)
        handshake = time.perf_counter() - started
        server.send("notifications/initialized")
        server.send("tools/list", {}, 2)
        _, size = server.answer(2)
        listed = time.perf_counter() - started
    finally:
        server.close()
    instructions = initialized.get("instructions") or ""
    return {"initialize": handshake, "tools/list": listed, "bytes": size, "instructions": len(instructions)}


def _contender(arguments: list[str], folder: Path) -> Contender:
    async def start() -> Sample:
        return _start(arguments, folder)

    return start


async def run(options: Options) -> Table:
    """Measure our start against a bare SDK server's, and our sizes against their limits."""
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        samples = await interleaved(
            {
                OURS: _contender(our_arguments(EXAMPLE_DATA, scratch=scratch), scratch),
                BARE_SDK: _contender([str(HELLO_SERVER)], scratch),
            },
            runs=options.runs,
        )
    last = samples[OURS][-1]
    return Table(
        "start",
        "cold start over stdio, spawn to answer; sizes against their limits",
        (
            paired("spawn to initialize answered", samples, BARE_SDK, key="initialize"),
            paired("spawn to tools/list answered", samples, BARE_SDK, key="tools/list"),
            within("tools/list, one line on the wire", last["bytes"], _TOOLS_BYTES, "B"),
            within("instructions", last["instructions"], _INSTRUCTIONS_CHARS, "characters"),
        ),
        (f"Handshake of {_PROTOCOL}; the client is raw JSON lines. The file system's cache is warm.",),
    )
