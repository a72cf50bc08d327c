"""Journal of a mapping: what was found in each text, on disk after every batch.

JSON lines that are only ever appended, so that a server that is killed loses at most the batch under way, and two that
do the same work at once share it. A line that was torn is as good as absent.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from mcp_context_resources.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from pathlib import Path

    from mcp_context_resources.tables.model_tables.spec import MapColumn


@dataclass(frozen=True, slots=True)
class Finding:
    """What a model found in one text: a JSON value for each column, and what went wrong, "" where nothing did."""

    values: Mapping[str, Any]
    problem: str = ""


class Kept:
    """Findings that lie in an open journal; `places` says where each begins."""

    def __init__(self, file: IO[bytes], places: Mapping[str, int]) -> None:
        self._file = file
        self._places = places

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def get(self, key: str) -> Finding | None:
        """Return what was found in the text of that key, None where nothing was."""
        if key not in self._places:
            return None
        self._file.seek(self._places[key])
        entry = _entry(self._file.readline())
        return None if entry is None else entry[1]


def value_of(column: MapColumn, finding: Finding) -> Any:
    """Return what a finding has for a column."""
    if column.least is not None:
        other, least = column.least
        if (finding.values.get(other) or 0.0) < least:
            return None
    return finding.values.get(column.name)


class Journal:
    """The journal in one file, which need not be there. Everything here blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Iterator[tuple[str, Finding]]:
        """Yield every finding with the key of its text; of several for one key the last is right."""
        try:
            file = self.path.open("rb")
        except OSError:
            return
        with file:
            for line in file:
                if (entry := _entry(line)) is not None:
                    yield entry

    @contextlib.contextmanager
    def kept(self, keys: Container[str]) -> Iterator[Kept]:
        """Give what the file has for some keys: looked up there, since all vectors at once may not fit into memory."""
        with contextlib.ExitStack() as stack:
            places: dict[str, int] = {}
            try:
                file: IO[bytes] = stack.enter_context(self.path.open("rb"))
            except OSError:
                file = io.BytesIO()
            place = 0
            for line in file:
                if (entry := _entry(line)) is not None and entry[0] in keys:
                    places[entry[0]] = place
                place += len(line)
            yield Kept(file, places)

    def append(self, findings: Mapping[str, Finding]) -> None:
        """Add findings, on disk for good when this returns; raises `StorageError`."""
        lines = [
            json.dumps([key, dict(finding.values), finding.problem], ensure_ascii=False, separators=(",", ":"))
            for key, finding in findings.items()
        ]
        # What another server left torn at the end must not take our first line with it.
        data = "".join(("\n", *(f"{line}\n" for line in lines))).encode("utf-8", "replace")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The texts may be anyone's letters: no other user reads what was found in them.
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
            with open(handle, "ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(
                f"The cache folder can't be written: {error.strerror or 'unknown reason'}.",
                "Free disk space, or choose another folder with storage.cache_dir.",
            ) from error

    def touch(self) -> None:
        """Mark the file as used, so that others are removed from the cache before it."""
        with contextlib.suppress(OSError):
            os.utime(self.path)


def _entry(line: bytes) -> tuple[str, Finding] | None:
    try:
        key, values, problem = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(key, str) or not isinstance(values, dict) or not isinstance(problem, str):
        return None
    return key, Finding(values, problem)
