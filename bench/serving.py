"""How benches start servers and call their tools: real processes, real stdio, nothing of the user's settings."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.client.client import Client

REPOSITORY: Final = Path(__file__).parent.parent
EXAMPLE_DATA: Final = REPOSITORY / "examples" / "data"
HELLO_SERVER: Final = Path(__file__).parent / "hello_server.py"
BARE_SDK: Final = "bare mcp SDK server"


def our_arguments(*folders: Path, scratch: Path, settings: tuple[str, ...] = ()) -> list[str]:
    """Return the arguments that make Python serve `folders`, with its cache and an empty settings file in `scratch`."""
    config = scratch / "empty.toml"
    config.touch()
    arguments = ["-m", "mcp_server", "serve", *(str(folder) for folder in folders)]
    arguments += ["--config", str(config), "--log-level", "warning"]
    for assignment in (f"storage.cache_dir={scratch / 'cache'}", *settings):
        arguments += ["--set", assignment]
    return arguments


def environment() -> dict[str, str]:
    """Return this process's environment without settings of the server; its modules are compiled once, as installed."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FRESH_CONTEXT_") and name != "PYTHONDONTWRITEBYTECODE"
    }


@asynccontextmanager
async def connected(arguments: list[str], scratch: Path) -> AsyncIterator[Client]:
    """Connect a client over stdio to a Python process of these arguments, working in `scratch`."""
    from mcp.client.client import Client
    from mcp.client.stdio import StdioServerParameters

    parameters = StdioServerParameters(command=sys.executable, args=arguments, env=environment(), cwd=scratch)
    async with Client(parameters) as client:
        yield client


async def call(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool and return its structured content.

    Raises `BenchError` when the result is an error.
    """
    result = await client.call_tool(tool, arguments)
    if result.is_error or result.structured_content is None:
        text = " ".join(block.text for block in result.content if block.type == "text")
        raise BenchError(f"{tool} failed: {text[:300]}")
    content: dict[str, Any] = result.structured_content
    return content
