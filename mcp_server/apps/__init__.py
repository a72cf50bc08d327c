"""Interactive views for hosts that show MCP Apps (extension `io.modelcontextprotocol/ui`)."""
