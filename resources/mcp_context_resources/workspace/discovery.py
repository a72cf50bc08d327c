"""Discovery: the roots walked for the files that could be served."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from mcp_context_resources.workspace.ignore_rules import ALWAYS_IGNORED, IGNORE_FILE, is_ignored, own_rules, rules_of
from mcp_context_resources.workspace.roots import Root, Roots, normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp_context_resources.workspace.ignore_rules import IgnoreRules
    from mcp_context_resources.workspace.settings import WorkspaceSettings


_MAX_DEPTH: Final = 64


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file inside a root; `relative` uses slashes and NFC.

    `beside` tells the state of files that belong to it: a database's newest rows may be in its log alone.
    """

    root: Root
    path: Path
    relative: str
    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    is_link: bool = False
    beside: str = ""

    @property
    def state(self) -> tuple[int, int, int, int, bool]:
        """What tells one version of the file from another."""
        return self.size, self.modified_ns, self.changed_ns, self.inode, self.is_link


@dataclass(slots=True)
class Scan:
    """What a walk found, what it left out and why, and files of kinds that are not served (`others`).

    `folders` are those that it looked into. `limit` says that there is more, where there is. `by_path`
    has the files by the paths they were found at.
    """

    files: list[FoundFile] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    seen: int = 0
    limit: str = ""
    folders: list[str] = field(default_factory=list, compare=False)
    by_path: dict[str, FoundFile] = field(default_factory=dict, compare=False)


def scan(
    roots: Roots,
    settings: WorkspaceSettings,
    extensions: frozenset[str],
    before: Mapping[str, FoundFile] = MappingProxyType({}),
) -> Scan:
    """Walk all roots in a stable order and return the files whose name ends in one of `extensions`.

    Links are judged by where they lead: a file link that stays inside is served, one that leaves is not; folder links
    are never walked (what they point to inside is found in its own place). Unreadable folders are noted, not fatal.
    What `before`, the `by_path` of an earlier walk, holds of files that are as they were is taken over: every file is
    looked at all the same.
    """
    result = Scan()
    for root in roots:
        rules = rules_of((*ALWAYS_IGNORED, *settings.ignore))
        walk = _Walk(root, roots, settings, tuple(extensions), before, result)
        walk.folder(str(root.path), "", [("", rules)], 0)
    return result


@dataclass(slots=True)
class _Walk:
    root: Root
    roots: Roots
    settings: WorkspaceSettings
    extensions: tuple[str, ...]
    before: Mapping[str, FoundFile]
    result: Scan

    def folder(self, path: str, relative: str, rules: list[tuple[str, IgnoreRules]], depth: int) -> None:
        try:
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.result.notices.append(f"{self.root.name}/{relative}: {error.strerror or 'unreadable'}")
            return
        self.result.folders.append(path)
        try:
            own = own_rules(path, self.roots)
        except (OSError, ValueError) as error:
            where = normal(f"{relative}/{IGNORE_FILE}".lstrip("/"))
            self.result.notices.append(f"the folder of {where}, because that file {error}")
            return
        if own is not None:
            rules = [*rules, (normal(relative), own)]
        for entry in entries:
            if self.result.seen >= self.settings.max_files:
                most = f"{self.settings.max_files:,}"
                self.result.limit = f"only {most} files are looked at, there are more: raise workspace.max_files"
                return
            self.entry(entry, relative, rules, depth)

    def entry(self, entry: os.DirEntry[str], parent: str, rules: list[tuple[str, IgnoreRules]], depth: int) -> None:
        if entry.name.startswith(".") and not self.settings.hidden:
            return
        if not _is_text(entry.name):
            shown = entry.name.encode(errors="backslashreplace").decode()
            self.result.notices.append(f"{normal(parent)}/{shown}: its name is not valid text".lstrip("/"))
            return
        relative = f"{parent}/{entry.name}" if parent else entry.name
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_ignored(normal(relative + "/" if is_folder else relative), rules):
                return
            if is_folder:
                # A root inside a root is walked once, as itself.
                if depth < _MAX_DEPTH and not self.roots.is_root(entry.path):
                    self.folder(entry.path, relative, rules, depth + 1)
                return
            self.file(entry, relative)
        except OSError as error:
            self.result.notices.append(f"{normal(relative)}: {error.strerror or 'unreadable'}")

    def file(self, entry: os.DirEntry[str], relative: str) -> None:
        self.result.seen += 1
        if not entry.name.lower().endswith(self.extensions):
            self.result.others.append(normal(relative))
            return
        path = entry.path
        if entry.is_symlink():
            path = os.path.realpath(path)
            if self.roots.containing(path) is None:
                self.result.notices.append(f"{normal(relative)}: a link that leads outside the served folders")
                return
        status = os.stat(path, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return
        if status.st_size > self.settings.max_file_bytes:
            self.result.notices.append(f"{normal(relative)}: larger than workspace.max_file_bytes")
            return
        self._take(entry.path, relative, path, status, is_link=entry.is_symlink())

    def _take(self, found_at: str, relative: str, path: str, status: os.stat_result, *, is_link: bool) -> None:
        state = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, is_link
        known = self.before.get(found_at)
        if known is None or known.root is not self.root or known.state != state or str(known.path) != path:
            known = FoundFile(self.root, Path(path), normal(relative), *state)
        self.result.by_path[found_at] = known
        self.result.files.append(known)


def _is_text(name: str) -> bool:
    """Tell whether a file name can be written down; Linux allows any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
