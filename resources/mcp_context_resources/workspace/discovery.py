"""Walking the roots: which files there are that could be served."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pathspec import GitIgnoreSpec

from mcp_context_resources.workspace.roots import Root, Roots, normal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp_context_resources.workspace.settings import WorkspaceSettings

IGNORE_FILE: Final = ".contextignore"
"""A file of this name leaves out what its lines match (`.gitignore` syntax) in its folder and below."""

ALWAYS_IGNORED: Final = ("node_modules/", "__pycache__/", "site-packages/", "~$*", "*.tmp", "Thumbs.db", "desktop.ini")
_MAX_DEPTH: Final = 64
_MAX_IGNORE_BYTES: Final = 1 << 20


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


@dataclass(slots=True)
class Scan:
    """What a walk found, what it left out and why, and files of kinds that are not served (`others`).

    `folders` are those that it looked into. `limit` says that there is more, where there is.
    """

    files: list[FoundFile] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    seen: int = 0
    limit: str = ""
    folders: list[str] = field(default_factory=list, compare=False)


def scan(roots: Roots, settings: WorkspaceSettings, extensions: frozenset[str]) -> Scan:
    """Walk all roots in a stable order and return the files whose name ends in one of `extensions`.

    Links are judged by where they lead: a file link that stays inside is served, one that leaves is not; folder links
    are never walked (what they point to inside is found in its own place). Unreadable folders are noted, not fatal.
    """
    result = Scan()
    for root in roots:
        spec = ignore_spec([*ALWAYS_IGNORED, *settings.ignore])
        walk = _Walk(root, roots, settings, extensions, result)
        walk.folder(str(root.path), "", [("", spec)], 0)
    return result


@dataclass(slots=True)
class _Walk:
    root: Root
    roots: Roots
    settings: WorkspaceSettings
    extensions: frozenset[str]
    result: Scan

    def folder(self, path: str, relative: str, specs: list[tuple[str, GitIgnoreSpec]], depth: int) -> None:
        try:
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.result.notices.append(f"{self.root.name}/{relative}: {error.strerror or 'unreadable'}")
            return
        self.result.folders.append(path)
        try:
            own = _own_ignore_file(path, self.roots)
        except (OSError, ValueError) as error:
            where = normal(f"{relative}/{IGNORE_FILE}".lstrip("/"))
            self.result.notices.append(f"the folder of {where}, because that file {error}")
            return
        if own is not None:
            specs = [*specs, (relative, own)]
        for entry in entries:
            if self.result.seen >= self.settings.max_files:
                most = f"{self.settings.max_files:,}"
                self.result.limit = f"only {most} files are looked at, there are more: raise workspace.max_files"
                return
            self.entry(entry, relative, specs, depth)

    def entry(self, entry: os.DirEntry[str], parent: str, specs: list[tuple[str, GitIgnoreSpec]], depth: int) -> None:
        if entry.name.startswith(".") and not self.settings.hidden:
            return
        if not _is_text(entry.name):
            shown = entry.name.encode(errors="backslashreplace").decode()
            self.result.notices.append(f"{normal(parent)}/{shown}: its name is not valid text".lstrip("/"))
            return
        relative = f"{parent}/{entry.name}" if parent else entry.name
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
            if _ignored(normal(relative + "/" if is_folder else relative), specs):
                return
            if is_folder:
                # A root inside a root is walked once, as itself.
                if depth < _MAX_DEPTH and not self.roots.is_root(entry.path):
                    self.folder(entry.path, relative, specs, depth + 1)
                return
            self.file(entry, relative)
        except OSError as error:
            self.result.notices.append(f"{normal(relative)}: {error.strerror or 'unreadable'}")

    def file(self, entry: os.DirEntry[str], relative: str) -> None:
        self.result.seen += 1
        if not entry.name.lower().endswith(tuple(self.extensions)):
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
        self.result.files.append(
            FoundFile(
                root=self.root,
                path=Path(path),
                relative=normal(relative),
                size=status.st_size,
                modified_ns=status.st_mtime_ns,
                changed_ns=status.st_ctime_ns,
                inode=status.st_ino,
                is_link=entry.is_symlink(),
            )
        )


def _is_text(name: str) -> bool:
    """Tell whether a file name can be written down; Linux allows any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _own_ignore_file(folder: str, roots: Roots) -> GitIgnoreSpec | None:
    """Read the ignore file of a folder; None where there is none.

    Raises `ValueError` for one that can't be understood: then nothing in the folder may be served.
    """
    named = Path(folder) / IGNORE_FILE
    if not named.exists() and not named.is_symlink():
        return None
    path = os.path.realpath(named)
    if roots.containing(path) is None or not Path(path).is_file():
        raise ValueError("is a link that leads outside the served folders or nowhere")
    try:
        with open(path, encoding="utf-8-sig") as lines:
            text = lines.read(_MAX_IGNORE_BYTES)
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8") from error
    return ignore_spec(text.splitlines())


def ignore_spec(patterns: Iterable[str]) -> GitIgnoreSpec:
    """Compile patterns in `.gitignore` syntax, in NFC; raises `ValueError` for one that means nothing."""
    try:
        return GitIgnoreSpec.from_lines(normal(pattern) for pattern in patterns)
    except Exception as error:  # pathspec has errors of its own
        raise ValueError(f"holds a pattern that means nothing ({error})") from error


def _ignored(relative: str, specs: list[tuple[str, GitIgnoreSpec]]) -> bool:
    """Later (deeper) files overrule earlier ones, as in git."""
    verdict = False
    for folder, spec in specs:
        below = relative[len(normal(folder)) + 1 :] if folder else relative
        if below and (match := spec.check_file(below).include) is not None:
            verdict = match
    return verdict
