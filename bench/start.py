"""Cold start: from spawning the process to its first answers, idle and on busy cores, and what they cost a context.

The client is a few lines of JSON written to a pipe, so that no client library's own start is counted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.measure import OURS, BenchError, Row, Table, interleaved, paired, within
from bench.serving import BARE_SDK, environment
from bench.start_rivals import TOOLBOX, Starter, busy_cores, starters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measure import Contender, Options, Sample

_PROTOCOL: Final = "2025-06-18"
_CLIENT: Final = {"name": "bench", "version": "1"}
_ENVELOPE: Final = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": _CLIENT,
    }
}
_FIGURES: Final = ("initialize", "server/discover", "tools/list", "first tool result")
_AIM_SECONDS: Final = 0.15
_GIVE_UP_SECONDS: Final = 120.0
_TOOLS_BYTES: Final = 12_000
_INSTRUCTIONS_CHARS: Final = 2_000


class _Server:
    """A server process on a pipe, spoken to in single lines."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command,
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


def _start(starter: Starter, folder: Path) -> dict[str, float]:
    """Start a server, list its tools, call one, end it; start it again for the protocol of 2026. Seconds and sizes."""
    started = time.perf_counter()
    server = _Server(starter.command, folder)
    try:
        server.send("initialize", {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": _CLIENT}, 1)
        initialized, _ = server.answer(1)
        handshake = time.perf_counter() - started
        server.send("notifications/initialized")
        server.send("tools/list", {}, 2)
        _, size = server.answer(2)
        listed = time.perf_counter() - started
        server.send("tools/call", {"name": starter.tool, "arguments": starter.arguments}, 3)
        result, _ = server.answer(3)
        called = time.perf_counter() - started
    finally:
        server.close()
    if result.get("isError"):
        raise BenchError(f"{starter.tool} failed: {result}")
    instructions = initialized.get("instructions") or ""
    sample = {"initialize": handshake, "tools/list": listed, "first tool result": called}
    if starter.modern:
        sample["server/discover"] = _discovered(starter, folder)
    return {**sample, "bytes": size, "instructions": len(instructions)}


def _discovered(starter: Starter, folder: Path) -> float:
    started = time.perf_counter()
    server = _Server(starter.command, folder)
    try:
        server.send("server/discover", _ENVELOPE, 1)
        server.answer(1)
        return time.perf_counter() - started
    finally:
        server.close()


def _contender(starter: Starter, folder: Path) -> Contender:
    async def start() -> Sample:
        return _start(starter, folder)

    return start


def _rows(samples: dict[str, list[Sample]], state: str) -> list[Row]:
    return [
        paired(f"{state}: spawn to {key}", samples, rival, key=key)
        for key in _FIGURES
        for rival in (BARE_SDK, TOOLBOX)
        if rival in samples and key in samples[rival][0]
    ]


async def run(options: Options) -> Table:
    """Measure our start against a bare SDK server's and Google's Toolbox, and our sizes against their limits."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        servers, notes = starters(scratch)
        contenders = {name: _contender(starter, scratch) for name, starter in servers.items()}
        for state, load in (("idle", nullcontext()), ("cores busy", busy_cores())):
            with load:
                samples = await interleaved(contenders, runs=options.runs)
            rows += _rows(samples, state)
            median = statistics.median(sample["tools/list"] for sample in samples[OURS])
            rows.append(within(f"{state}: spawn to tools/list", median, _AIM_SECONDS, "s"))
    last = samples[OURS][-1]
    rows += [
        within("tools/list, one line on the wire", last["bytes"], _TOOLS_BYTES, "B"),
        within("instructions", last["instructions"], _INSTRUCTIONS_CHARS, "characters"),
    ]
    return Table(
        "start",
        "cold start over stdio, spawn to answer, idle and with every core busy; sizes against their limits",
        tuple(rows),
        (
            f"Handshake of {_PROTOCOL}; the client is raw JSON lines. The file system's cache is warm.",
            "A first tool result is SELECT 1 of ours and of Toolbox, a greeting of the bare server.",
            *notes,
        ),
    )
