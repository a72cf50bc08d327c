"""The front door for tests: a real client on a real server object, engines in their real worker processes."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp.client.client import Client

from mcp_server.server import create_server
from mcp_server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp_types import CallToolResult

EXAMPLE_DATA = Path(__file__).parents[2] / "examples" / "data"


def settings_for(*roots: Path, cache: Path, **sections: dict[str, Any]) -> Settings:
    """Make settings that serve `roots` with the cache in `cache`; `sections` override the defaults."""
    values: dict[str, Any] = {name: dict(section) for name, section in sections.items()}
    values.setdefault("workspace", {})["roots"] = roots
    values.setdefault("storage", {})["cache_dir"] = cache
    return Settings.model_validate(values)


@asynccontextmanager
async def connect(*roots: Path, cache: Path, **sections: dict[str, Any]) -> AsyncIterator[Client]:
    """Connect an in-memory client to a server over `roots`."""
    async with Client(create_server(settings_for(*roots, cache=cache, **sections))) as client:
        yield client


def text_of(result: CallToolResult) -> str:
    """Return the text channel of a result."""
    return "\n".join(block.text for block in result.content if block.type == "text")


def data_of(result: CallToolResult) -> dict[str, Any]:
    """Return the structured channel of a result that is not an error."""
    assert not result.is_error, text_of(result)
    data: dict[str, Any] | None = result.structured_content
    assert data is not None
    return data


def error_of(result: CallToolResult) -> dict[str, str]:
    """Return code, message and hint of a result that is an error, and check that both channels tell them."""
    assert result.is_error, text_of(result)
    assert result.structured_content is not None
    error: dict[str, str] = result.structured_content["error"]
    assert error["message"] in text_of(result)
    assert error["hint"] in text_of(result)
    return error


def wire_chars(result: CallToolResult) -> int:
    """Count the characters of a result as they go over the wire, both channels and their escapes."""
    text = json.dumps(text_of(result), ensure_ascii=False)
    return len(text) + len(json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":")))
