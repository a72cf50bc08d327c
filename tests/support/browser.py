"""A real browser for tests: the system's Chromium without a window, driven over its pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from anyio.abc import TaskGroup

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--force-color-profile=srgb",
    # A frame in a sandbox stays in the page's process, where one conversation reaches both.
    "--disable-features=IsolateSandboxedIframes,Translate",
)
# The pipe's ends must be descriptors 3 and 4, which Python can't say for a child by itself.
_EXEC: Final = 'exec "$@" 3<&"$IN" 4>&"$OUT"'
_ANSWER_SECONDS: Final = 30


def chromium() -> str | None:
    """Return where a browser is installed, None where there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
    """The conversation with a browser; pages are opened with `page`."""

    def __init__(self, reads: int, writes: int, group: TaskGroup) -> None:
        self._reads, self._writes, self._group = reads, writes, group
        self._next = 0
        self._writing = anyio.Lock()
        self._answers: dict[int, tuple[anyio.Event, dict[str, Any]]] = {}
        self._heard: dict[str, Callable[[str, dict[str, Any]], Coroutine[Any, Any, None]]] = {}

    async def send(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Call a method and return its result."""
        self._next += 1
        number, answered, answer = self._next, anyio.Event(), dict[str, Any]()
        self._answers[number] = answered, answer
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        data = memoryview(json.dumps(message).encode() + b"\0")
        async with self._writing:  # only one can wait for room in a pipe
            while data:
                await anyio.wait_writable(self._writes)
                data = data[os.write(self._writes, data) :]
        with anyio.fail_after(_ANSWER_SECONDS):
            await answered.wait()
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    async def listen(self) -> None:
        """Take in what the browser says, until it closes the pipe."""
        rest = b""
        while True:
            await anyio.wait_readable(self._reads)
            if not (data := os.read(self._reads, 1 << 20)):
                return
            *messages, rest = (rest + data).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    answered, answer = self._answers.pop(message["id"])
                    answer.update(message)
                    answered.set()
                elif (heard := self._heard.get(message.get("sessionId", ""))) is not None:
                    self._group.start_soon(heard, message["method"], message["params"])

    @asynccontextmanager
    async def page(self, heard: Callable[[str, dict[str, Any]], Coroutine[Any, Any, None]]) -> AsyncIterator[str]:
        """Open an empty page and give the session that `send` wants; `heard` is told of its events."""
        target = (await self.send("Target.createTarget", url="about:blank"))["targetId"]
        session: str = (await self.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        self._heard[session] = heard
        try:
            yield session
        finally:
            del self._heard[session]
            with anyio.CancelScope(shield=True):
                await self.send("Target.closeTarget", targetId=target)


@asynccontextmanager
async def open_browser(program: str, profile: Path) -> AsyncIterator[Browser]:
    """Start a browser with its own profile and end it with the block."""
    (child_reads, writes), (reads, child_writes) = os.pipe(), os.pipe()
    os.set_blocking(writes, False)
    process = subprocess.Popen(
        ["/bin/bash", "-c", _EXEC, "bash", program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        env={**os.environ, "IN": str(child_reads), "OUT": str(child_writes)},
        pass_fds=(child_reads, child_writes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(child_reads)
    os.close(child_writes)
    try:
        async with anyio.create_task_group() as group:
            browser = Browser(reads, writes, group)
            group.start_soon(browser.listen)
            yield browser
            group.cancel_scope.cancel()
    finally:
        os.close(writes)  # which ends it
        os.close(reads)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
