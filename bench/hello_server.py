"""The rival of every server figure: the least a server on the official SDK can be, one tool and nothing else."""

from __future__ import annotations

from mcp.server import MCPServer

server = MCPServer("hello")


@server.tool()
def hello(name: str) -> str:
    """Greet someone."""
    return f"Hello, {name}."


if __name__ == "__main__":
    server.run()
