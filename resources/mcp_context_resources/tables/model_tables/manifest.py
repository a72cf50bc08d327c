"""Manifest: what is known of a model table beside its rows: its name, what was done with which files, and when."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.cut_text import first_names
from mcp_context_resources.provenance import Kind, utc_text
from mcp_context_resources.workspace.source import FileVersion, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mcp_context_resources.workspace.catalogue import Catalogue

_MAX_BYTES: Final = 4 << 20
_MAX_FILES: Final = 2_000
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class OriginFile:
    """A file that rows came from, in the version that was read; `kind` and `version` are those of its whole source."""

    path: str
    name: str
    modified_ns: int
    size: int
    kind: Kind = "table"
    version: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A mapped table: its name, the file of the cache it lies in, and what a reader should know.

    `made_ns` is when it was made; of its `rows`, `unfinished` are still to be worked on. `embedded_by` are models whose
    vectors it holds. `earlier` are the files that it lay in before, each with the time it was replaced: a statement
    under way may still read them.
    """

    name: str
    file: str
    size: int
    made_ns: int
    task: str
    model: str
    rows: int
    unfinished: int
    sources: tuple[str, ...]
    files: tuple[OriginFile, ...]
    embedded_by: tuple[str, ...] = ()
    earlier: tuple[tuple[str, int], ...] = ()

    def encode(self) -> bytes:
        """Write the manifest as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode("utf-8", "surrogatepass")

    def source(self, folder: Path) -> Source:
        """Return the table as a source; `folder` is where its file lies."""
        path = folder / self.file
        first = first_names(self.sources, _NAMED)
        return Source(
            kind="table",
            name=self.name,
            location=path,
            file=f"map_rows of {first}" if first else "map_rows",
            format="parquet",
            version=FileVersion(self.made_ns, self.made_ns, self.size, inode=0),
            origin=Path(self.files[0].path) if self.files else path,
        )

    def about(self) -> str:
        """Say in a sentence how the table came to be."""
        made = utc_text(datetime.fromtimestamp(self.made_ns / 1e9, UTC))
        return (
            f"{self.name} holds what {self.model} made of its rows (map_rows, {self.task}, {made}): check what matters."
        )

    def doubts(self, catalogue: Catalogue) -> list[str]:
        """Say what of it is unfinished or out of date. Blocking: looks at the files it came from."""
        notes = []
        if self.unfinished:
            notes.append(
                f"{self.unfinished:,} of {self.rows:,} rows of {self.name} are not done yet: repeat the map_rows call."
            )
        if changed := list(dict.fromkeys(file.name for file in self.files if not _is_unchanged(file, catalogue))):
            notes.append(
                f"{self.name} was made before {first_names(changed, _NAMED)} changed or went: repeat the map_rows call,"
                " only new texts are worked on."
            )
        return notes


def decode(data: bytes) -> Manifest | None:
    """Read a manifest; None for what is none."""
    try:
        values: dict[str, Any] = json.loads(data.decode("utf-8", "surrogatepass"))
        values["files"] = tuple(OriginFile(**file) for file in values["files"])
        values["sources"] = tuple(values["sources"])
        values["embedded_by"] = tuple(values["embedded_by"])
        values["earlier"] = tuple((str(file), int(at)) for file, at in values.get("earlier", ()))
        manifest = Manifest(**values)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    names = [manifest.file, *(file for file, _ in manifest.earlier)]
    return manifest if all(Path(name).name == name for name in names) else None


def read(path: Path) -> Manifest | None:
    """Read the manifest in a file; None where there is none."""
    try:
        with path.open("rb") as file:
            return decode(file.read(_MAX_BYTES))
    except OSError:
        return None


def origin_files(sources: Iterable[Source], known: Sequence[Manifest]) -> tuple[OriginFile, ...]:
    """Return the files that sources lie in; those of mapped tables are what they were made of."""
    mapped = {manifest.name: manifest for manifest in known}
    files: dict[str, OriginFile] = {}
    for source in sources:
        if source.kind == "table" and source.name in mapped:
            files.update((file.path, file) for file in mapped[source.name].files)
            continue
        for one in source.members or (source,):
            path = str(one.origin or one.location or one.uri)
            files[path] = OriginFile(path, source.name, one.modified_ns, one.size, source.kind, source.fingerprint)
    return tuple(files.values())[:_MAX_FILES]


def _is_unchanged(file: OriginFile, catalogue: Catalogue) -> bool:
    source = catalogue.find(file.kind, file.name)
    if source is not None and file.version:  # a folder may have got another file, or lost one
        return source.fingerprint == file.version
    try:
        status = os.stat(file.path)
    except OSError:
        return False
    return (status.st_mtime_ns, status.st_size) == (file.modified_ns, file.size)
