"""What is in files, told by digest: a model stays the same one when its file is copied, linked or installed again."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Final

from mcp_context_resources.workspace.source import file_state

if TYPE_CHECKING:
    from pathlib import Path

_MOST_KEPT: Final = 1_000


class Digests:
    """Digests of files, each kept until its file changes. Any thread may call it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, tuple[int, ...]], str] = {}
        self._reading = threading.Lock()

    def of(self, path: str | Path) -> str:
        """Return the SHA-256 of what is in a file, "" where it can't be read. Blocking, about a second for a gigabyte.

        Times and inode can't tell this: an installer that links files into environments changes both (`st_ctime`).
        """
        with self._reading:
            key = str(path), file_state(path)
            if (found := self._kept.get(key)) is None:
                try:
                    found = sha256_of(path)
                except OSError:
                    found = ""
                if len(self._kept) >= _MOST_KEPT:
                    self._kept = {}
                self._kept[key] = found
            return found


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of what is in a file, in hexadecimal. Raises `OSError`."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
