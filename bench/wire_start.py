"""Starting: from spawning the process to its first answers, from a cold disk, idle and on busy cores; sizes of lists.

The client is a few lines of JSON written to a pipe, so that no client library's own start is counted.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.measure import OURS, BenchError, Row, interleaved, paired, within
from bench.serving import BARE_SDK, environment
from bench.wire_rivals import TOOLBOX, Starter, busy_cores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
_FIRST_RESULT_AIM: Final = 1.3
_DROP_CACHES: Final = Path("/proc/sys/vm/drop_caches")
_COLD: Final = "cold disk"
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


def _contender(starter: Starter, folder: Path, *, cold: bool = False) -> Contender:
    async def start() -> Sample:
        if cold:
            _forget_files()
        return _start(starter, folder)

    return start


def _forget_files() -> None:
    """Have the system read every file from the disk again.

    Raises `OSError` where that is not allowed.
    """
    os.sync()
    _DROP_CACHES.write_text("3", encoding="ascii")


def _may_forget() -> bool:
    try:
        _forget_files()
    except OSError:
        return False
    return True


def _rows(samples: dict[str, list[Sample]], state: str) -> list[Row]:
    rows = [
        paired(
            f"{state}: spawn to {key}",
            samples,
            rival,
            key=key,
            aim=_FIRST_RESULT_AIM if key == _FIGURES[-1] and rival == BARE_SDK and state != _COLD else None,
        )
        for key in _FIGURES
        for rival in (BARE_SDK, TOOLBOX)
        if rival in samples and key in samples[rival][0]
    ]
    median = statistics.median(sample["tools/list"] for sample in samples[OURS])
    return [*rows, within(f"{state}: spawn to tools/list", median, _AIM_SECONDS, "s")]


async def start_rows(
    servers: Mapping[str, Starter], scratch: Path, options: Options
) -> tuple[list[Row], tuple[str, ...]]:
    """Measure our start beside the other servers', and our sizes against their limits; also return notes."""
    rows: list[Row] = []
    warm = {name: _contender(starter, scratch) for name, starter in servers.items()}
    samples: dict[str, list[Sample]] = {}
    for state, load in (("idle", nullcontext()), ("cores busy", busy_cores())):
        with load:
            samples = await interleaved(warm, runs=options.runs)
        rows += _rows(samples, state)
    last = samples[OURS][-1]
    note = "Not from a cold disk: only root on Linux can have the system forget the files it has read."
    if _may_forget():
        cold = {name: _contender(starter, scratch, cold=True) for name, starter in servers.items()}
        rows += _rows(await interleaved(cold, runs=options.runs, warmups=0), _COLD)
        note = "Cold disk: the system forgets all files (drop_caches) before each start."
    rows += [
        within("tools/list, one line on the wire", last["bytes"], _TOOLS_BYTES, "B"),
        within("instructions", last["instructions"], _INSTRUCTIONS_CHARS, "characters"),
    ]
    return rows, (
        f"Handshake of {_PROTOCOL}; the client is raw JSON lines. The first call is sent once tools/list is there.",
        "A first tool result is SELECT 1 of ours and of Toolbox, a greeting of the bare server.",
        note,
    )
