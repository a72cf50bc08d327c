"""Snapshots of what is served: the files at a moment, and what differs between two moments, told as sources."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mcp_context_resources.workspace.names import lookup_key

if TYPE_CHECKING:
    from pathlib import Path

    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.discovery import FoundFile
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there was at a moment: the files, and what is `beside` them; and in which folders that was."""

    files: tuple[FoundFile, ...]
    beside: tuple[tuple[str, int, int], ...]
    folders: tuple[str, ...] = field(compare=False)

    def lacks(self, other: Snapshot) -> bool:
        """Tell whether there is a file in another look that isn't in this one."""
        return bool({file.path for file in other.files} - {file.path for file in self.files})


def take_snapshot(workspace: Workspace, beside: Path | None) -> Snapshot:
    """Look at the files of a workspace, and at those in a folder `beside` it that name tables (`.json`). Blocking."""
    found = workspace.look()
    # A link may lead to a folder that holds nothing else to be served.
    folders = dict.fromkeys([*found.folders, *(str(file.path.parent) for file in found.files if file.is_link)])
    return Snapshot(tuple(found.files), () if beside is None else _manifests(beside), tuple(folders))


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


@dataclass(frozen=True, slots=True)
class Changes:
    """Sources that came, went or have changed, and the catalogue they are missing from or in by now.

    `listed` says that some came or went.
    """

    sources: tuple[Source, ...]
    listed: bool
    catalogue: Catalogue

    def __bool__(self) -> bool:
        return self.listed or bool(self.sources)


def differences(before: Catalogue, after: Catalogue) -> Changes:
    """Compare two catalogues by the names of their sources and the versions of their files."""
    old, new = _by_name(before), _by_name(after)
    gone = [source for key, source in old.items() if key not in new]
    come = [source for key, source in new.items() if key not in old]
    changed = [source for key, source in new.items() if key in old and not _same(old[key], source)]
    return Changes((*gone, *come, *changed), bool(gone or come), after)


def everything(catalogue: Catalogue) -> Changes:
    """Say that any source may have changed, come or gone: nobody knows what was there before."""
    return Changes(catalogue.sources, listed=True, catalogue=catalogue)


def _by_name(catalogue: Catalogue) -> dict[tuple[str, str], Source]:
    return {(source.kind, lookup_key(source.name)): source for source in catalogue.sources}


def _same(one: Source, other: Source) -> bool:
    """Tell whether two sources are one version of the same files, as their fingerprints would but without hashing."""
    return (
        one.version == other.version
        and (one.location, one.format, one.part) == (other.location, other.format, other.part)
        and len(one.members) == len(other.members)
        and all(map(_same, one.members, other.members))
    )
