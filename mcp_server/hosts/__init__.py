"""Installers: what writes this server into the configuration of an MCP host, one module a host."""
