"""A server over stdio as a process of its own, with its log read to the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LEGACY, MODERN = "2025-11-25", "2026-07-28"
ROOT = Path(__file__).parents[2]
_CLIENT = {"name": "tests", "version": "7"}


class LoggedServer:
    """Speaks one era; `log` is whole once the server has ended."""

    def __init__(self, process: subprocess.Popen[bytes], era: str) -> None:
        self.process = process
        self._era = era
        self._number = 0
        self._log: list[bytes] = []
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()

    def begin(self) -> None:
        """Shake hands, in the era that does."""
        if self._era == LEGACY:
            self.ask("initialize", protocolVersion=LEGACY, capabilities={}, clientInfo=_CLIENT)
            self.tell({"method": "notifications/initialized"})

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self._log.extend(self.process.stderr)

    def tell(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def send(self, method: str, **params: Any) -> int:
        """Send a request and return its number."""
        if self._era == MODERN:
            meta = {"protocolVersion": MODERN, "clientCapabilities": {}, "clientInfo": _CLIENT}
            known = {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()}
            params["_meta"] = {**known, **params.get("_meta", {})}
        self._number += 1
        self.tell({"id": self._number, "method": method, "params": params})
        return self._number

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request and return its whole answer."""
        return self.answer_to(self.send(method, **params))

    def answer_to(self, number: int) -> dict[str, Any]:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            if answer.get("id") == number:
                return answer
        raise AssertionError(f"no answer to {number}")

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.ask("tools/call", name=tool, arguments=arguments)["result"]
        return result

    def end(self) -> str:
        """Close the server's input, wait for its end and return its log."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self._reader.join(timeout=60)
        return b"".join(self._log).decode()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=60)
        self._reader.join(timeout=60)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@contextmanager
def logged(
    folder: Path, cache: Path, *flags: str, era: str = LEGACY, environ: Mapping[str, str] | None = None
) -> Iterator[LoggedServer]:
    """Start a server; it is gone after the block."""
    command = [sys.executable, "-m", "mcp_server", "serve", str(folder), "--set", f"storage.cache_dir={cache}"]
    process = subprocess.Popen(
        [*command, *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
    )
    server = LoggedServer(process, era)
    try:
        server.begin()
        yield server
    finally:
        server.close()
