"""Drive a server with langchain-mcp-adapters, in an environment that has them: `python drive_langchain.py COMMAND...`.

Prints what was seen as one JSON object; `test_other_clients.py` judges it.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

from langchain_mcp_adapters.client import MultiServerMCPClient  # type: ignore[import-not-found]
from langchain_mcp_adapters.prompts import load_mcp_prompt  # type: ignore[import-not-found]
from langchain_mcp_adapters.resources import load_mcp_resources  # type: ignore[import-not-found]
from langchain_mcp_adapters.tools import load_mcp_tools  # type: ignore[import-not-found]


async def drive(command: list[str]) -> dict[str, Any]:
    """Load tools, resources and prompts as an agent does, use them, and return what they give."""
    connection = {"transport": "stdio", "command": command[0], "args": command[1:], "cwd": str(Path.cwd())}
    async with MultiServerMCPClient({"files": connection}).session("files") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}

        async def call(name: str, **arguments: Any) -> Any:
            request = {"type": "tool_call", "id": "1", "name": name, "args": arguments}
            return await tools[name].ainvoke(request)

        rows = await call("query_tables", sql="SELECT count(*) AS n FROM 停留所")
        page = await call("read_document", document="運行案内.pdf", pages="1")
        found = await call("search", query="lost property")
        wrong = await call("query_tables", sql="SELEC")
        listed = await session.list_resources()
        (schema,) = await load_mcp_resources(session, uris=["table://trips/schema"])
        prompts = await session.list_prompts()
        prompt = await load_mcp_prompt(session, "ask_my_files", arguments={"question": "Where is lost property kept?"})
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("langchain-mcp-adapters", "mcp")]
    return {
        "client": ", ".join(versions),
        "tools": list(tools),
        "rows": _data(rows)["rows"],
        "document": _text(page),
        "search": _text(found),
        "error": [wrong.status == "error", _text(wrong)],
        "resources": [str(resource.uri) for resource in listed.resources],
        "schema": schema.as_string(),
        "prompts": [one.name for one in prompts.prompts],
        "prompt": " ".join(str(message.content) for message in prompt),
    }


def _text(message: Any) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(block["text"] for block in message.content if block.get("type") == "text")


def _data(message: Any) -> Any:
    return message.artifact["structured_content"]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(drive(sys.argv[1:]))))
