"""Servers of tables, ours and the rival, asked alike; the rival is installed once, in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread
import platformdirs

from bench.measure import OURS, BenchError
from bench.serving import our_arguments
from bench.wire_client import wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.wire_client import Answer, WireClient

MOTHERDUCK: Final = "mcp-server-motherduck"
_VERSION: Final = "1.1.0"
_INSTALL_SECONDS: Final = 600.0
_COMPLETE: Final = "complete"
_SCRIPTS: Final = "Scripts" if os.name == "nt" else "bin"
_SUFFIX: Final = ".exe" if os.name == "nt" else ""


class RivalMissingError(Exception):
    """The rival could not be installed; its rows are left out."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that runs and takes statements."""

    name: str
    client: WireClient
    tool: str

    async def query(self, sql: str) -> Answer:
        """Run a statement.

        Raises `BenchError` when the answer is an error.
        """
        return await self.client.call(self.tool, {"sql": sql})

    async def begin(self, sql: str) -> int:
        """Send a statement and return the request's number."""
        return await self.client.begin("tools/call", {"name": self.tool, "arguments": {"sql": sql}})

    def rows(self, answer: Answer) -> list[list[Any]]:
        """Return the rows of an answer, as many as the server saw fit to send."""
        content = answer.message["result"]["structuredContent"]
        data = json.loads(content["result"]) if "result" in content else content
        rows: list[list[Any]] = data["rows"]
        return rows


@dataclass(frozen=True, slots=True)
class TableServer:
    """How a server is started, and what its query tool is called."""

    name: str
    command: tuple[str, ...]
    tool: str
    variables: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self, folder: Path) -> AsyncIterator[RunningServer]:
        """Start it in a working folder, and end it afterwards."""
        async with wired(self.command, folder, variables=self.variables) as client:
            yield RunningServer(self.name, client, self.tool)


def our_server(*folders: Path, scratch: Path, settings: tuple[str, ...] = ()) -> TableServer:
    """Return our server over `folders`, with its cache in `scratch`."""
    scratch.mkdir(exist_ok=True)
    arguments = our_arguments(*folders, scratch=scratch, settings=settings)
    return TableServer(OURS, (sys.executable, *arguments), "query_tables")


async def motherduck(home: Path, *options: str) -> TableServer:
    """Return the rival over an in-memory database, with `home` as its home folder; install it if need be.

    Raises `RivalMissingError`.
    """
    program = await anyio.to_thread.run_sync(_installed)
    home.mkdir(exist_ok=True)
    command = (str(program), "--db-path", ":memory:", "--read-write", "--home-dir", str(home), *options)
    return TableServer(MOTHERDUCK, command, "execute_query", {"HOME": str(home)})


async def available_rival(home: Path) -> tuple[TableServer | None, tuple[str, ...]]:
    """Return the rival, or None and a note that tells why it is missing."""
    try:
        return await motherduck(home), ()
    except RivalMissingError as error:
        return None, (f"Without {MOTHERDUCK}: {error}",)


def _installed() -> Path:
    """Return the rival's program, from an environment made once and kept in the user's cache folder."""
    folder = Path(platformdirs.user_cache_path("fresh-context-bench")) / f"{MOTHERDUCK}-{_VERSION}"
    program = folder / _SCRIPTS / f"{MOTHERDUCK}{_SUFFIX}"
    if (folder / _COMPLETE).exists() and program.exists():
        return program
    print(f"Installing {MOTHERDUCK} {_VERSION} into {folder} (once) ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    python = folder / _SCRIPTS / f"python{_SUFFIX}"
    try:
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(python), "-m", "pip", "install", "--quiet", f"{MOTHERDUCK}=={_VERSION}")
    except BenchError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise RivalMissingError(f"version {_VERSION} could not be installed ({error}).") from error
    (folder / _COMPLETE).touch()
    return program


def _run(*command: str) -> None:
    """Run a command.

    Raises `BenchError` with the last line it wrote when it fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(str(error)) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [f"exit {done.returncode}"]
        raise BenchError(lines[-1].strip())
