"""Source: one thing in the workspace that can be served."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mcp_context_resources.provenance import Kind, SourceRef, now_text, source_uri, utc_text

if TYPE_CHECKING:
    from pathlib import Path


def file_state(path: str | Path) -> tuple[int, ...]:
    """Return what `Source.state` is of the file that is there now; empty where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


@dataclass(frozen=True, slots=True)
class Source:
    """A file and the name it is served under.

    `path` is real and absolute, `file` is the path as shown: relative to its root, with slashes, in NFC. `format`
    is the file's format (`csv`, `parquet`, `pdf`, `gguf`…). Of a file with several tables in it, `part` names one. A
    folder that is one table has its files as `members`, `partitioned` by folder names or not; its size and times are
    theirs together. `beside` tells the state of files that belong to this one (a database's log). What was made of
    another file has that one as `origin`, with its size and times, and lies in the cache itself.
    """

    kind: Kind
    name: str
    path: Path
    file: str
    format: str
    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    part: str = ""
    members: tuple[Source, ...] = ()
    partitioned: bool = False
    beside: str = ""
    origin: Path | None = None

    @property
    def fingerprint(self) -> str:
        """Identify this version of the file, read as its format.

        The time of the last change of its inode can't be set back, so it tells edits that keep size and date.
        """
        seed = f"{self.path}\0{self.format}\0{self.modified_ns}\0{self.changed_ns}\0{self.size}\0{self.inode}"
        if self.part or self.beside:
            seed += f"\0{self.beside}\0{self.part}"
        if self.members:
            seed += "".join(f"\0{member.fingerprint}" for member in self.members)
        return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def state(self) -> tuple[int, ...]:
        """Times of modification and change in nanoseconds, size and inode: of one version these are the same."""
        return self.modified_ns, self.changed_ns, self.size, self.inode

    @property
    def modified(self) -> str:
        """When the file last changed, UTC."""
        return utc_text(datetime.fromtimestamp(self.modified_ns / 1e9, UTC))

    @property
    def uri(self) -> str:
        """The resource URI."""
        return source_uri(self.kind, self.name)

    def ref(self) -> SourceRef:
        """Refer to this version of the source as read now."""
        return SourceRef(
            uri=self.uri,
            name=self.name,
            file=self.file,
            modified=self.modified,
            fingerprint=self.fingerprint,
            read_at=now_text(),
        )
