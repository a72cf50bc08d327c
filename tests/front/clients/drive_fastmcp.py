"""Drive a server with fastmcp's client, in an environment that has it: `python drive_fastmcp.py COMMAND...`.

Prints what was seen as one JSON object; `test_other_clients.py` judges it.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

from fastmcp import Client  # type: ignore[import-not-found]
from fastmcp.client.transports import StdioTransport  # type: ignore[import-not-found]


async def drive(command: list[str]) -> dict[str, Any]:
    """List, call, read and get what there is, and return it."""
    transport = StdioTransport(command=command[0], args=command[1:], cwd=str(Path.cwd()))
    async with Client(transport) as client:
        tools = await client.list_tools()
        rows = await client.call_tool("query_tables", {"sql": "SELECT count(*) AS n FROM 停留所"})
        page = await client.call_tool("read_document", {"document": "運行案内.pdf", "pages": "1"})
        found = await client.call_tool("search", {"query": "lost property"})
        wrong = await client.call_tool("query_tables", {"sql": "SELEC"}, raise_on_error=False)
        resources = await client.list_resources()
        schema = await client.read_resource("table://trips/schema")
        prompts = await client.list_prompts()
        prompt = await client.get_prompt("ask_my_files", {"question": "Where is lost property kept?"})
    return {
        "client": f"fastmcp {importlib.metadata.version('fastmcp')}, mcp {importlib.metadata.version('mcp')}",
        "tools": [tool.name for tool in tools],
        "rows": rows.structured_content["rows"],
        "document": page.content[0].text,
        "search": found.content[0].text,
        "error": [wrong.is_error, wrong.content[0].text],
        "resources": [str(resource.uri) for resource in resources],
        "schema": schema[0].text,
        "prompts": [one.name for one in prompts],
        "prompt": " ".join(message.model_dump_json() for message in prompt.messages),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(drive(sys.argv[1:]))))
