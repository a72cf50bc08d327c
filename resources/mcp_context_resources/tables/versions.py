"""Whether files are still the versions that were to be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_context_resources.errors import SourceChangedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.spec import TableSpec


def check_unchanged(tables: Sequence[TableSpec]) -> None:
    """Make sure that no file read directly changed since it was listed: its rows might be of two versions.

    Raises `SourceChangedError`.
    """
    for table in tables:
        for file in table.members or (table,):
            if file.state and not file.copy and _state_of(file.path) != file.state:
                raise SourceChangedError(f"{Path(file.path).name!r} changed while it was read.", "Call again.")


def _state_of(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
