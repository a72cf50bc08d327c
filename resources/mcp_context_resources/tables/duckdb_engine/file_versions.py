"""File versions: whether files are still the versions that were to be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcp_context_resources.errors import SourceChangedError
from mcp_context_resources.workspace.source import file_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.spec import TableSpec


def check_unchanged(tables: Sequence[TableSpec]) -> None:
    """Make sure that no file read directly changed since it was listed: its rows might be of two versions.

    Raises `SourceChangedError`.
    """
    for table in tables:
        for file in table.members or (table,):
            if file.state and not file.copy and file_state(file.path) != file.state:
                raise SourceChangedError(f"{Path(file.path).name!r} changed while it was read.", "Call again.")
