"""Source: one thing that can be served, and which version of it is there."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mcp_context_resources.provenance import Kind, SourceRef, now_text, source_uri, utc_text

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file as it was: its times of modification and change in nanoseconds, its size in bytes, its inode.

    The time of the last change of its inode can't be set back, so it tells edits that keep size and date. `beside`
    tells the state of files that belong to this one (a database's log).
    """

    modified_ns: int
    changed_ns: int
    size: int
    inode: int
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state that its keeper can name, such as a lake's or a database's: of another state `id` is another one.

    `modified_ns` is when it was made and `size` is in bytes, 0 where that isn't known.
    """

    id: str
    modified_ns: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Live:
    """No version that could be told: each read is of what is there at that moment, and nothing of it is kept."""


Version = FileVersion | Snapshot | Live
"""What tells one state of a source from another."""


def file_state(path: str | Path) -> tuple[int, ...]:
    """Return what `Source.state` is of the file that is there now; empty where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or a table of a database, and the name it is served under.

    `location` is a file's path, real and absolute; None for what is no file. `file` is the path as shown: relative to
    its root, with slashes, in NFC; of a database's table it says where that is. `format` is the file's format (`csv`,
    `parquet`, `pdf`, `gguf`…) or the database's kind. Of a file with several tables in it, `part` names one. A folder
    that is one table has its files as `members`, `partitioned` by folder names or not; its size and times are theirs
    together. What was made of another file has that one as `origin`, with its size and times, and lies in the cache
    itself.
    """

    kind: Kind
    name: str
    location: Path | None
    file: str
    format: str
    version: Version
    part: str = ""
    members: tuple[Source, ...] = ()
    partitioned: bool = False
    origin: Path | None = None

    @property
    def path(self) -> Path:
        """The path of a file; raises `TypeError` for what is none: ask `location` where that may be."""
        if self.location is None:
            raise TypeError(f"{self.uri} is no file")
        return self.location

    @property
    def size(self) -> int:
        """Size in bytes; 0 where that isn't known."""
        return 0 if isinstance(self.version, Live) else self.version.size

    @property
    def modified_ns(self) -> int:
        """When it last changed, in nanoseconds since 1970; 0 where that isn't known."""
        return 0 if isinstance(self.version, Live) else self.version.modified_ns

    @property
    def modified(self) -> str:
        """When it last changed, UTC; empty where that isn't known."""
        if not self.modified_ns and not isinstance(self.version, FileVersion):
            return ""
        return utc_text(datetime.fromtimestamp(self.modified_ns / 1e9, UTC))

    @property
    def state(self) -> tuple[int, ...]:
        """A file's times of modification and change, size and inode: of one version these are the same."""
        version = self.version
        if not isinstance(version, FileVersion):
            return ()
        return version.modified_ns, version.changed_ns, version.size, version.inode

    @property
    def fingerprint(self) -> str:
        """Identify this version of the source, read as its format. All that is live is one version."""
        version = self.version
        if isinstance(version, FileVersion):
            seed = f"{self.location}\0{self.format}\0" + "\0".join(map(str, self.state))
            if self.part or version.beside:
                seed += f"\0{version.beside}\0{self.part}"
        else:
            state = f"snapshot\0{version.id}" if isinstance(version, Snapshot) else "live"
            seed = f"{self.file}\0{self.format}\0{state}\0{self.part}"
        if self.members:
            seed += "".join(f"\0{member.fingerprint}" for member in self.members)
        return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def is_live(self) -> bool:
        """Whether no version of it can be told, so that nothing read of it may be kept."""
        return isinstance(self.version, Live)

    @property
    def uri(self) -> str:
        """The resource URI."""
        return source_uri(self.kind, self.name)

    def is_unchanged(self) -> bool:
        """Tell whether its files are on disk as they were listed; so is what is no file. Blocking."""
        files = (one for one in self.members or (self,) if isinstance(one.version, FileVersion))
        return all(file_state(one.origin or one.path) == one.state for one in files)

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
