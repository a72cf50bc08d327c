"""Who serves beside us: a bare server on the SDK, and Google's Toolbox, a binary written in Go."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.measure import OURS, BenchError
from bench.rival_environment import installed
from bench.serving import BARE_SDK, EXAMPLE_DATA, HELLO_SERVER, our_arguments
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLBOX: Final = "Google's Toolbox"
_TOOLBOX_PACKAGE: Final = "toolbox-server==1.15.0"
_TOOLBOX_BINARY: Final = (
    "from pathlib import Path; import toolbox_server as t; print(Path(t.__file__).parent / 'bin' / 'toolbox')"
)
_TOOLBOX_TOOLS: Final = """\
sources:
  numbers: {{kind: sqlite, database: '{database}'}}
tools:
  one: {{kind: sqlite-sql, source: numbers, description: Answer one., statement: SELECT 1}}
"""
_BUSY: Final = "while True: pass"


@dataclass(frozen=True, slots=True)
class Starter:
    """How a server is started, the first call to make of it, and whether it speaks the protocol of 2026."""

    command: tuple[str, ...]
    tool: str
    arguments: dict[str, Any]
    modern: bool = True


def starters(scratch: Path) -> tuple[dict[str, Starter], tuple[str, ...]]:
    """Return all that can be started here by name, and notes about those that can't."""
    ours = Starter((sys.executable, *our_arguments(EXAMPLE_DATA, scratch=scratch)), "query_tables", {"sql": "SELECT 1"})
    bare = Starter((sys.executable, str(HELLO_SERVER)), "hello", {"name": "you"})
    try:
        toolbox = _toolbox(scratch)
    except BenchError as error:
        return {OURS: ours, BARE_SDK: bare}, (f"Without {TOOLBOX}: {error}",)
    note = f"{TOOLBOX} is {_TOOLBOX_PACKAGE} over SQLite with one tool; it speaks no protocol of 2026."
    return {OURS: ours, BARE_SDK: bare, TOOLBOX: toolbox}, (note,)


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core busy with something else."""
    others = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(available_cores())]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _toolbox(scratch: Path) -> Starter:
    python = installed("toolbox", [_TOOLBOX_PACKAGE])
    found = subprocess.run([python, "-c", _TOOLBOX_BINARY], capture_output=True, text=True, check=False)
    binary = Path(found.stdout.strip())
    if found.returncode or not binary.is_file():
        raise BenchError("its package holds no binary for this machine.")
    binary.chmod(0o755)
    database, tools = scratch / "numbers.db", scratch / "tools.yaml"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS numbers (n INTEGER)")
    tools.write_text(_TOOLBOX_TOOLS.format(database=database), encoding="utf-8")
    return Starter((str(binary), "--stdio", "--config", str(tools)), "one", {}, modern=False)
