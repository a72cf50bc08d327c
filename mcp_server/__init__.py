"""Fresh Context: a local-context MCP server."""

__version__ = "0.1.0"
