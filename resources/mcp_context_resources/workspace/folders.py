"""Folders that are one table: of files of one shape, or partitioned by folder names (`year=2026/month=11`)."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.workspace.discovery import FoundFile

FOLDER_FORMATS: Final = frozenset({"csv", "json", "parquet"})
"""Formats of which a folder of files can be one table."""

_PARTITION: Final = re.compile(r"[^=/]+=[^/]*")
_FEWEST_FILES: Final = 2


@dataclass(frozen=True, slots=True)
class TableFolder:
    """A folder whose files are one table. `relative` is the folder's path in its root, "" for the root itself."""

    root: str
    relative: str
    format: str
    partitioned: bool
    files: tuple[FoundFile, ...]


def set_apart_partitioned(
    files: Sequence[tuple[FoundFile, str]],
) -> tuple[list[TableFolder], list[tuple[FoundFile, str]]]:
    """Find folders partitioned in the way of Hive: below them, every file of a format lies under the same keys.

    Returns them, and the files that are in none of them.
    """
    groups: dict[tuple[str, str, str], list[tuple[FoundFile, tuple[str, ...]]]] = defaultdict(list)
    for file, form in files:
        base, keys = _partition_keys(file.relative)
        if keys and form in FOLDER_FORMATS and not file.is_link:
            groups[file.root.name, base, form].append((file, keys))
    folders = [
        TableFolder(root, base, form, partitioned=True, files=tuple(file for file, _ in group))
        for (root, base, form), group in groups.items()
        if len({keys for _, keys in group}) == 1
    ]
    within = {file.path for folder in folders for file in folder.files}
    return folders, [(file, form) for file, form in files if file.path not in within]


def uniform_folders(files: Sequence[tuple[FoundFile, str]], shapes: Mapping[str, str]) -> list[TableFolder]:
    """Find folders with two files or more of a format in them, all of one shape; `shapes` are by path."""
    return [
        TableFolder(root, relative, form, partitioned=False, files=tuple(group))
        for (root, relative, form), group in _by_folder(files).items()
        if len(found := {shapes.get(str(file.path), "") for file in group}) == 1 and "" not in found
    ]


def shared_folder_files(files: Sequence[tuple[FoundFile, str]]) -> list[tuple[FoundFile, str]]:
    """Return the files whose shape decides whether their folder is a table."""
    return [(file, form) for (_, _, form), group in _by_folder(files).items() for file in group]


def _by_folder(files: Sequence[tuple[FoundFile, str]]) -> dict[tuple[str, str, str], list[FoundFile]]:
    groups: dict[tuple[str, str, str], list[FoundFile]] = defaultdict(list)
    for file, form in files:
        if form in FOLDER_FORMATS and not file.is_link:  # what it leads to may be in the folder, too
            groups[file.root.name, file.relative.rpartition("/")[0], form].append(file)
    return {key: group for key, group in groups.items() if len(group) >= _FEWEST_FILES}


def _partition_keys(relative: str) -> tuple[str, tuple[str, ...]]:
    """Return the folder above the first partition and the partitions' keys."""
    folders = relative.split("/")[:-1]
    first = next((place for place, folder in enumerate(folders) if _PARTITION.fullmatch(folder)), len(folders))
    partitions = folders[first:]
    if not all(_PARTITION.fullmatch(folder) for folder in partitions):
        return "", ()
    return "/".join(folders[:first]), tuple(folder.partition("=")[0] for folder in partitions)
