"""Expiry: indexes of folders that nobody searches any more are removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Final

_UNUSED_SECONDS: Final = 60 * 86_400
# One that was used so lately may be open in another server.
_LATELY_SECONDS: Final = 2 * 86_400


def remove_unused(indexes: Path, keep: Path, max_bytes: int) -> None:
    """Remove the folders in `indexes` that were not used for 60 days, and the longest unused beyond `max_bytes` in all.

    `keep` and what was used within two days stay. Blocking; what can't be removed is left. A removed index is built
    again when its folder is searched.
    """
    now = time.time()
    found = sorted((used, size, folder) for folder in _folders(indexes) for used, size in [_use_of(folder)])
    total = sum(size for _, size, _ in found)
    for used, size, folder in found:
        unused = now - used
        if folder != keep and (unused > _UNUSED_SECONDS or (total > max_bytes and unused > _LATELY_SECONDS)):
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


def _folders(indexes: Path) -> list[Path]:
    try:
        return [folder for folder in indexes.iterdir() if folder.is_dir() and not folder.is_symlink()]
    except OSError:
        return []


def _use_of(folder: Path) -> tuple[float, int]:
    """Tell when a folder was used last, in seconds since 1970, and how many bytes it has."""
    used, size = 0.0, 0
    for place, _, names in os.walk(folder):
        for name in ("", *names):
            with contextlib.suppress(OSError):
                status = Path(place, name).stat()
                used = max(used, status.st_mtime, status.st_atime if name else 0.0)
                size += status.st_size if name else 0
    return used, size
