"""The cache folder: content-addressed files that any number of servers may share and anyone may delete."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cache:
    """Files of one kind below the cache folder, named by what they were made from."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def get(self, name: str) -> Path | None:
        """Return the file of that name and mark it as used, or None."""
        path = self._folder / name
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Write a new file; it appears under its name only when the block ends well, and whole."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            Path(temporary).replace(self._folder / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._evict(keep=name)

    def _evict(self, keep: str) -> None:
        files: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        excess = sum(size for _, size, _ in files) - self._max_bytes
        for _, size, path in sorted(files):
            if excess <= 0:
                return
            if path.name == keep or path.name.startswith(".new-"):
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                excess -= size
