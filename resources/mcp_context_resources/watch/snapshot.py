"""Looks at the disk: what is compared to tell whether anything is new."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mcp_context_resources.workspace.discovery import FoundFile
    from mcp_context_resources.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Look:
    """What there was at a moment: the files, and what is `beside` them; and in which folders that was."""

    files: tuple[FoundFile, ...]
    beside: tuple[tuple[str, int, int], ...]
    folders: tuple[str, ...] = field(compare=False)

    def lacks(self, other: Look) -> bool:
        """Tell whether there is a file in another look that isn't in this one."""
        return bool({file.path for file in other.files} - {file.path for file in self.files})


def look(workspace: Workspace, beside: Path | None) -> Look:
    """Look at the files of a workspace, and at those in a folder `beside` it that name tables (`.json`). Blocking."""
    found = workspace.look()
    # A link may lead to a folder that holds nothing else to be served.
    folders = dict.fromkeys([*found.folders, *(str(file.path.parent) for file in found.files if file.is_link)])
    return Look(tuple(found.files), () if beside is None else _manifests(beside), tuple(folders))


def is_manifest(path: Path, beside: Path | None) -> bool:
    """Tell by its name whether a file in the folder beside the workspace names a table."""
    return path.suffix == ".json" and path.parent == beside


def _manifests(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return names, inodes and sizes: a new version is always a new file, while times change with every use."""
    try:
        with os.scandir(folder) as listing:
            entries = [entry for entry in listing if entry.name.endswith(".json") and not entry.name.startswith(".")]
            return tuple(sorted((entry.name, entry.inode(), entry.stat().st_size) for entry in entries))
    except OSError:
        return ()
