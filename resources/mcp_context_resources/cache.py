"""The cache folder: content-addressed files that any number of servers may share and anyone may delete."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from mcp_context_resources.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNFINISHED: Final = ".new-"
# A file being written is touched all the time; one untouched for so long was left by a server that was killed.
_ABANDONED_SECONDS: Final = 3_600


class Cache:
    """Files of one kind in a folder of the cache folder, named by what they were made from.

    `max_bytes` is the limit for the files of all kinds together.
    """

    def __init__(self, root: Path, kind: str, max_bytes: int) -> None:
        self._root = root
        self._folder = root / kind
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
        with self.place(name) as path, path.open("wb") as file:
            yield file

    @contextlib.contextmanager
    def place(self, name: str) -> Iterator[Path]:
        """Give a path to write a new file to; it appears under its name only when the block ends well, and whole.

        Raises `StorageError`.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=_UNFINISHED, suffix=Path(name).suffix, dir=self._folder)
        except OSError as error:
            raise StorageError(
                f"The cache folder can't be written: {error.strerror or 'unknown reason'}.",
                "Free disk space, or choose another folder with storage.cache_dir.",
            ) from error
        os.close(handle)
        try:
            yield Path(temporary)
            Path(temporary).replace(self._folder / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._evict(keep=self._folder / name)

    def _evict(self, keep: Path) -> None:
        """Remove what was least recently used until all kinds together fit, and what killed servers left."""
        files: list[tuple[float, int, Path]] = []
        abandoned = time.time() - _ABANDONED_SECONDS
        for path in self._root.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                if path.name.startswith(_UNFINISHED):
                    if status.st_mtime < abandoned:
                        path.unlink()
                elif path.is_file():
                    files.append((status.st_mtime, status.st_size, path))
        excess = sum(size for _, size, _ in files) - self._max_bytes
        for _, size, path in sorted(files):
            if excess <= 0:
                return
            if path == keep:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                excess -= size
