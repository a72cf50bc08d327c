"""What decides, besides a file and the settings, which rows are read out of it."""

from __future__ import annotations

from typing import Final

from mcp_context_resources.installed import versions

_VERSION: Final = 1
"""To be raised with every change of the rows that are read, of their order, or of what can be read."""

_READERS: Final = ("charset-normalizer", "duckdb", "lxml", "pyarrow", "pyreadstat", "python-calamine")


def reading_version() -> str:
    """Name the readers of tables as they are installed: an extra that is added reads what was unreadable."""
    return f"{_VERSION} {versions(_READERS)}"
