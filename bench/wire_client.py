"""A client that is nothing but JSON lines on a pipe: it counts bytes, and no client library's own time is measured."""

from __future__ import annotations

import itertools
import json
import math
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any, Final

import anyio
import psutil

from bench.measure import BenchError
from bench.serving import environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from anyio.abc import Process

_PROTOCOL: Final = "2025-06-18"
_GIVE_UP_SECONDS: Final = 120.0
_CLOSING_SECONDS: Final = 3.0
_CHUNK_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its message, the bytes of its line, and the seconds it took."""

    message: dict[str, Any]
    size: int
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether this is an error, of the protocol or of a tool."""
        return "result" not in self.message or bool(self.message["result"].get("isError"))

    @property
    def text(self) -> str:
        """The text a model would read, or the error of the protocol."""
        if "result" not in self.message:
            return str(self.message.get("error"))
        blocks = self.message["result"].get("content", [])
        return "\n".join(block["text"] for block in blocks if block["type"] == "text")


@dataclass(slots=True)
class _Waiting:
    """A request that was sent, and its answer once that is there; none when the server ended."""

    sent: float
    done: anyio.Event
    answer: Answer | None = None


class WireClient:
    """A connection of the legacy era (2025-06-18), in which there is `ping`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}
        self._ended = False

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def processes(self) -> list[psutil.Process]:
        """Return the server's process and all below it."""
        server = psutil.Process(self.pid)
        return [server, *server.children(recursive=True)]

    async def begin(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a request and return its number, for `answer` and for cancelling it."""
        number = next(self._numbers)
        self._waiting[number] = _Waiting(time.perf_counter(), anyio.Event())
        await self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params or {})})
        return number

    def sent_at(self, number: int) -> float:
        """Return when a request was sent that nobody has waited for yet, by `time.perf_counter`."""
        return self._waiting[number].sent

    def forget(self, number: int) -> None:
        """Wait no more for a request, because it was cancelled; an answer that comes all the same is dropped."""
        self._waiting.pop(number, None)

    async def answer(self, number: int, *, within: float = _GIVE_UP_SECONDS) -> Answer:
        """Wait for the answer to a request; it may have come already.

        Raises `BenchError` when the server ended, and when nothing came within these seconds.
        """
        waiting = self._waiting[number]
        if self._ended and waiting.answer is None:
            raise BenchError("The server ended before it answered.")
        with anyio.move_on_after(within):
            await waiting.done.wait()
        del self._waiting[number]
        if waiting.answer is None:
            raise BenchError(
                "The server ended before it answered." if self._ended else f"No answer within {within:g} s."
            )
        return waiting.answer

    async def request(
        self, method: str, params: Mapping[str, Any] | None = None, *, within: float = _GIVE_UP_SECONDS
    ) -> Answer:
        """Send a request and wait for its answer."""
        return await self.answer(await self.begin(method, params), within=within)

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Send a notification."""
        await self._send({"jsonrpc": "2.0", "method": method, "params": dict(params or {})})

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Call a tool.

        Raises `BenchError` when the result is an error.
        """
        answer = await self.request("tools/call", {"name": tool, "arguments": dict(arguments)})
        if answer.failed:
            raise BenchError(f"{tool} failed: {answer.text[:300]}")
        return answer

    async def initialize(self) -> None:
        """Shake hands."""
        client = {"name": "bench", "version": "1"}
        params = {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": client}
        if (answer := await self.request("initialize", params)).failed:
            raise BenchError(f"The server refused the handshake: {answer.text[:300]}")
        await self.notify("notifications/initialized")

    async def read(self) -> None:
        """Hand every answer to who waits for it, until the server ends."""
        assert self._process.stdout is not None
        parts: list[bytes] = []
        with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            while True:
                first, *others = (await self._process.stdout.receive(_CHUNK_BYTES)).split(b"\n")
                parts.append(first)
                for part in others:
                    self._take(b"".join(parts))
                    parts = [part]
        self._ended = True
        for waiting in self._waiting.values():
            waiting.done.set()

    def _take(self, line: bytes) -> None:
        now = time.perf_counter()
        with suppress(ValueError):
            message = json.loads(line)
            if "method" not in message and (waiting := self._waiting.get(message.get("id", math.nan))):
                waiting.answer = Answer(message, len(line) + 1, now - waiting.sent)
                waiting.done.set()

    async def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            await self._process.stdin.send(line)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise BenchError("The server ended.") from error


@asynccontextmanager
async def wired(
    command: Sequence[str], folder: Path, *, variables: Mapping[str, str] | None = None
) -> AsyncIterator[WireClient]:
    """Start a server that works in `folder`, shake hands, and end it and its children afterwards."""
    process = await anyio.open_process(
        command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd=folder, env={**environment(), **(variables or {})}
    )
    client = WireClient(process)
    async with anyio.create_task_group() as group:
        group.start_soon(client.read)
        try:
            await client.initialize()
            yield client
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
            group.cancel_scope.cancel()


async def _end(process: Process) -> None:
    """Close the pipe, and kill what is still there some seconds later."""
    tree: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        server = psutil.Process(process.pid)
        tree = [*server.children(recursive=True), server]
    assert process.stdin is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.aclose()
    with anyio.move_on_after(_CLOSING_SECONDS):
        await process.wait()
    for one in tree:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    await process.wait()
