"""Catalogue of the tools, in the order in which they are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_tools.describe_table import DESCRIBE_TABLE
from mcp_context_tools.get_context import GET_CONTEXT
from mcp_context_tools.list_sources import LIST_SOURCES
from mcp_context_tools.map_rows import MAP_ROWS
from mcp_context_tools.plot_query import PLOT_QUERY
from mcp_context_tools.query_tables import QUERY_TABLES
from mcp_context_tools.read_document import READ_DOCUMENT
from mcp_context_tools.run_model import RUN_MODEL
from mcp_context_tools.search import SEARCH

if TYPE_CHECKING:
    from mcp_context_tools.tool import Tool

TOOLS: Final[tuple[Tool[Any], ...]] = (
    LIST_SOURCES,
    DESCRIBE_TABLE,
    QUERY_TABLES,
    PLOT_QUERY,
    READ_DOCUMENT,
    SEARCH,
    GET_CONTEXT,
    RUN_MODEL,
    MAP_ROWS,
)
