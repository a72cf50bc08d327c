"""Indexes that nobody uses any more leave the cache."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from mcp_context_resources.index.expired_indexes import remove_unused

if TYPE_CHECKING:
    from pathlib import Path

_DAY = 86_400


def _index(indexes: Path, name: str, *, days: float, size: int = 100) -> Path:
    folder = indexes / name / "words"
    folder.mkdir(parents=True)
    file = folder / "data"
    file.write_bytes(b"x" * size)
    used = time.time() - days * _DAY
    for path in (file, folder, folder.parent):
        os.utime(path, (used, used))
    return folder.parent


def test_an_index_unused_for_two_months_goes_and_others_stay(tmp_path: Path) -> None:
    old, new, own = (_index(tmp_path, *args, days=days) for *args, days in (("old", 61), ("new", 59), ("own", 99)))
    remove_unused(tmp_path, own, 1 << 30)
    assert (old.exists(), new.exists(), own.exists()) == (False, True, True)


def test_beyond_the_size_allowed_the_longest_unused_goes_but_none_in_use(tmp_path: Path) -> None:
    older = _index(tmp_path, "older", days=30)
    newer = _index(tmp_path, "newer", days=10)
    today = _index(tmp_path, "today", days=0.1, size=10_000)
    remove_unused(tmp_path, tmp_path / "own", 10_150)
    assert (older.exists(), newer.exists(), today.exists()) == (False, True, True)
    remove_unused(tmp_path, tmp_path / "own", 10)
    assert (newer.exists(), today.exists()) == (False, True)


def test_where_there_is_no_index_nothing_happens(tmp_path: Path) -> None:
    remove_unused(tmp_path / "none", tmp_path / "none" / "own", 0)
    assert not (tmp_path / "none").exists()
