"""Roots and the path guard: what lies inside the folders a user chose, and what only seems to.

Every path is judged by where it really leads (links followed), compared folder by folder, never by prefix text.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_context_resources.errors import AccessDeniedError, ConfigurationError, NotFoundError, UnreadableSourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Root:
    """One served folder: its real, absolute path and the name it is shown by."""

    path: Path
    name: str


def normal(text: str) -> str:
    """Bring a name or path into the one form that is compared: Unicode NFC (macOS hands out NFD)."""
    return unicodedata.normalize("NFC", text)


class Roots:
    """The served folders, and the only judge of whether a path may be read.

    Raises `ConfigurationError` for a folder that doesn't exist, isn't a folder or can't be listed.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        paths: list[Path] = []
        for folder in folders:
            real = _real_folder(folder)
            if real not in paths:
                paths.append(real)
        self._roots = tuple(Root(path, _name(path, paths)) for path in paths)

    def __iter__(self) -> Iterator[Root]:
        return iter(self._roots)

    def __len__(self) -> int:
        return len(self._roots)

    def is_root(self, path: str) -> bool:
        """Tell whether an already real path is one of the roots."""
        return any(os.path.normcase(path) == os.path.normcase(str(root.path)) for root in self._roots)

    def identity(self) -> tuple[tuple[int, int] | None, ...]:
        """Tell which folders the roots are at this moment: one deleted and made again is another folder."""
        found: list[tuple[int, int] | None] = []
        for root in self._roots:
            try:
                status = os.stat(root.path)
                found.append((status.st_dev, status.st_ino))
            except OSError:
                found.append(None)
        return tuple(found)

    def containing(self, real_path: str) -> Root | None:
        """Return the innermost root that holds an already real path, or None."""
        inside = [root for root in self._roots if _within(real_path, str(root.path))]
        return max(inside, key=lambda root: len(str(root.path)), default=None)

    def check(self, path: str | Path) -> Path:
        """Return the real path of a regular file inside the roots.

        Raises `AccessDeniedError` when it leads outside, `NotFoundError` when there is nothing, and
        `UnreadableSourceError` when it is not a regular file (a folder, device, pipe or socket).
        """
        text = os.fspath(path)
        if "\0" in text:
            raise AccessDeniedError("The path holds a NUL byte.", "Use a name from list_sources.")
        real = os.path.realpath(text)
        if self.containing(real) is None:
            raise AccessDeniedError(
                f"{Path(text).name!r} is outside the folders this server may read.",
                "Use a name from list_sources, or start the server with the folder that holds the file.",
            )
        try:
            status = os.stat(real, follow_symlinks=False)
        except OSError as error:
            raise NotFoundError(
                f"There is no file {Path(text).name!r} any more.", "Call list_sources again."
            ) from error
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableSourceError(f"{Path(text).name!r} is not a regular file.", "Name a file from list_sources.")
        return Path(real)


def _real_folder(folder: Path) -> Path:
    try:
        real = folder.expanduser().resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(f"The folder {folder} does not exist.", "Check the path and start again.") from error
    if not real.is_dir():
        raise ConfigurationError(f"{folder} is not a folder.", "Give the folder that holds the file.")
    if not os.access(real, os.R_OK | os.X_OK):
        raise ConfigurationError(f"The folder {folder} can't be read.", "Check its permissions.")
    return real


def _name(path: Path, paths: list[Path]) -> str:
    same = [other for other in paths if other.name == path.name]
    base = normal(path.name) or "root"
    position = same.index(path) + 1
    return base if position == 1 else f"{base}_{position}"


def _within(path: str, folder: str) -> bool:
    path, folder = os.path.normcase(path), os.path.normcase(folder)
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:  # another Windows drive
        return False
