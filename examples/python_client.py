"""Ask Fresh Context from Python: `uv run python examples/python_client.py [DIR] [SQL]`."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

DATA = Path(__file__).parent / "data"
SQL = "SELECT line, sum(boardings) AS boardings FROM trips GROUP BY ALL ORDER BY boardings DESC"


async def main(folder: Path, sql: str) -> None:
    """Start the server on `folder`, list what is there, and run one statement."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_server", "serve", str(folder), "--log-level", "warning"]
    )
    async with Client(server) as client:
        for tool, arguments in (("list_sources", {}), ("query_tables", {"sql": sql})):
            result = await client.call_tool(tool, arguments)
            print("\n".join(block.text for block in result.content if block.type == "text"), end="\n\n")


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]) if len(sys.argv) > 1 else DATA, sys.argv[2] if len(sys.argv) > 2 else SQL)
