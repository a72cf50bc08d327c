"""Model tables: what models made of rows (`map_rows`), kept in the cache, known by name, told when out of date."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread

from mcp_context_resources.errors import InvalidInputError, StorageError
from mcp_context_resources.tables.model_tables.journal import Journal
from mcp_context_resources.tables.model_tables.manifest import Manifest, origin_files, read
from mcp_context_resources.tables.model_tables.spec import KIND, MapWork
from mcp_context_resources.workspace.names import lookup_key, sql_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mcp_context_resources.cache import Cache
    from mcp_context_resources.tables.engine import RowFiles
    from mcp_context_resources.tables.model_tables.manifest import OriginFile
    from mcp_context_resources.tables.model_tables.spec import MapColumn, MapMade, RowsWanted, TakenRows
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source

PREFIX: Final = "map_"
"""What the names of mapped tables begin with."""

_MOST_LISTED: Final = 200
_READ_ON_NS: Final = 120 * 10**9
_MOST_EARLIER: Final = 16
_BYTES_A_SECOND: Final = 2_000_000
_MAX_NAME_CHARS: Final = 100
_LIKE_A_DOCUMENTS: Final = re.compile(r".*_p\d+_t\d+", re.IGNORECASE | re.DOTALL)


class ModelTables:
    """The mapped tables of one workspace, in the cache.

    `scope` tells workspaces apart: what was made of one's files is never seen from another. `files` reads and writes
    the rows; where the engine has no such part there are no model tables.
    """

    def __init__(self, cache: Cache, folder: Path, scope: str, files: RowFiles | None) -> None:
        self._cache = cache
        self._folder = folder / KIND
        self._scope = hashlib.sha256(scope.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._files = files
        self._read: dict[tuple[str, int], Manifest | None] = {}
        self._listed: tuple[Manifest, ...] = ()
        self._known: dict[str, Manifest] = {}
        self._joined: tuple[Catalogue, tuple[Manifest, ...], Catalogue] | None = None

    @property
    def files(self) -> RowFiles:
        """What reads and writes the rows; raises `InvalidInputError` where the engine has no such part."""
        if self._files is None:
            raise InvalidInputError("The SQL engine in use keeps no tables of map_rows.", "Use run_model instead.")
        return self._files

    async def added_to(self, catalogue: Catalogue) -> Catalogue:
        """Return a catalogue with the mapped tables there are among its tables; files of the same name come first."""
        if self._files is not None:
            self._listed = await anyio.to_thread.run_sync(self._look)
        if not self._listed:
            return catalogue
        if self._joined is None or self._joined[0] is not catalogue or self._joined[1] != self._listed:
            own = [m.source(self._folder) for m in self._listed if catalogue.find("table", m.name) is None]
            tables = sorted((*catalogue.of("table"), *own), key=lambda source: (lookup_key(source.name), source.name))
            others = (source for source in catalogue.sources if source.kind != "table")
            joined = replace(catalogue, sources=(*tables, *others))
            self._joined = catalogue, self._listed, joined
        return self._joined[2]

    def of(self, source: Source) -> Manifest | None:
        """Return what is known of a mapped table, one replaced meanwhile too; None for any other source."""
        return self._known.get(source.path.name) if self.is_mapped(source) else None

    def is_mapped(self, source: Source) -> bool:
        """Tell whether a source is a mapped table of this workspace, or was one until it was replaced."""
        if source.location is None or source.origin is None:
            return False
        return source.location.parent == self._folder and source.location.name.startswith(f"{self._scope}-")

    async def are_there(self, sources: Sequence[Source]) -> bool:
        """Tell whether no mapped table among the sources was removed from the cache since it was listed."""
        paths = [source.path for source in sources if self.is_mapped(source)]
        return await anyio.to_thread.run_sync(lambda: all(path.is_file() for path in paths))

    async def notes(self, sources: Sequence[Source], catalogue: Catalogue) -> list[str]:
        """Say what of mapped tables among the sources is unfinished or out of date, and mark them as used."""
        notes: list[str] = []
        for manifest in filter(None, map(self.of, sources)):
            self._cache.get(manifest.file)
            self._cache.get(self._manifest_name(manifest.name))
            notes += await anyio.to_thread.run_sync(manifest.doubts, catalogue)
        return notes

    def embedded_by(self, sources: Sequence[Source]) -> list[str]:
        """Name the models whose vectors are in mapped tables among the sources."""
        return list(dict.fromkeys(name for m in filter(None, map(self.of, sources)) for name in m.embedded_by))

    def journal(self, work: str) -> Journal:
        """Return the journal of work that is described in full by this text."""
        return Journal(self._folder / f"{self._scope}-{_hash(work)}.jsonl")

    def rows_file(self) -> str:
        """Make up the file name for rows that are to be mapped."""
        return f"{self._scope}-{secrets.token_hex(16)}.parquet"

    def forget_rows(self, file: str) -> None:
        """Remove rows that were kept."""
        (self._folder / file).unlink(missing_ok=True)

    async def keep_rows(self, columns: dict[str, list[Any]], wanted: RowsWanted, deadline: float) -> TakenRows:
        """Keep rows that are no statement's; raises `InvalidInputError` and the workers' errors."""
        return await self.files.keep_rows(columns, wanted, deadline=deadline)

    def free_name(self, catalogue: Catalogue, wanted: str) -> str:
        """Return the name a mapped table gets that someone wants to call `wanted`.

        Raises `InvalidInputError` for one that is too long or that means something else already.
        """
        name = sql_identifier(wanted)
        name = name if lookup_key(name).startswith(PREFIX) else f"{PREFIX}{name}"
        if len(wanted) > _MAX_NAME_CHARS:
            raise InvalidInputError(f"The name has more than {_MAX_NAME_CHARS} characters.", "Give a shorter one.")
        found = catalogue.find("table", name)
        if _LIKE_A_DOCUMENTS.fullmatch(name) or (found is not None and not self.is_mapped(found)):
            raise InvalidInputError(f"{name!r} is the name of another table.", "Give another one.")
        return name

    async def write(
        self,
        manifest: Manifest,
        rows_file: str,
        journal: Journal,
        keys: Sequence[str | None],
        columns: Sequence[MapColumn],
        problems: Mapping[str, str],
        *,
        deadline: float,
        on_progress: Progress | None = None,
    ) -> MapMade:
        """Write a mapped table, in place of an earlier one of its name; `manifest` lacks only its file and times.

        How many rows are unfinished is what the journal has by then: it may have been removed from the cache.
        `deadline` is for rows without vectors; long findings get more, by their size.

        Raises `StorageError` and the workers' errors.
        """
        found = sum(key is not None and key not in problems for key in keys) - manifest.unfinished
        needed = [self._folder / rows_file, *([journal.path] if found > 0 else [])]
        if not all(path.is_file() for path in needed):
            raise _no_room(manifest.name)
        target = self.rows_file()
        deadline += await anyio.to_thread.run_sync(_more_seconds, journal.path, keys)
        work = MapWork(rows_file, journal.path.name, target, tuple(keys), tuple(columns), dict(problems))
        made = await self.files.write_map(work, deadline=deadline, on_progress=on_progress)
        whole = replace(manifest, unfinished=made.unfinished)
        await anyio.to_thread.run_sync(self._publish, whole, target, made)
        return made

    def _publish(self, manifest: Manifest, target: str, made: MapMade) -> None:
        name = self._manifest_name(manifest.name)
        before = read(self._folder / name)
        now = time.time_ns()
        replaced = () if before is None else (*before.earlier, (before.file, now))
        old = [file for file, at in replaced[:-_MOST_EARLIER] if now - at < _READ_ON_NS]
        old += [file for file, at in replaced if now - at >= _READ_ON_NS]
        earlier = tuple((file, at) for file, at in replaced if file not in old)
        whole = replace(manifest, file=target, size=made.size, made_ns=now, earlier=earlier)
        with self._cache.create(name) as file:
            file.write(whole.encode())
        if self._cache.get(target) is None or self._cache.get(name) is None:
            raise _no_room(manifest.name)
        for gone in old:
            if gone.startswith(f"{self._scope}-"):
                self.forget_rows(gone)

    def origin_files(self, sources: Sequence[Source]) -> tuple[OriginFile, ...]:
        """Return the files that sources lie in; see `manifest.origin_files`."""
        return origin_files(sources, self._listed)

    def _look(self) -> tuple[Manifest, ...]:
        found: list[tuple[int, Manifest]] = []
        seen: dict[tuple[str, int], Manifest | None] = {}
        for path in self._folder.glob(f"{self._scope}-*.json"):
            try:
                key = path.name, path.stat().st_mtime_ns
            except OSError:
                continue
            seen[key] = manifest = self._read[key] if key in self._read else read(path)
            if manifest is not None and (self._folder / manifest.file).is_file():
                found.append((key[1], manifest))
        self._read = seen
        newest = sorted(found, key=lambda pair: pair[0], reverse=True)[:_MOST_LISTED]
        # A statement may have been given what was listed a moment ago.
        known = self._known | {manifest.file: manifest for _, manifest in reversed(newest)}
        self._known = dict(list(known.items())[-2 * _MOST_LISTED :])
        return tuple(sorted((manifest for _, manifest in newest), key=lambda manifest: lookup_key(manifest.name)))

    def _manifest_name(self, name: str) -> str:
        return f"{self._scope}-{_hash(lookup_key(name))}.json"


def _more_seconds(journal: Path, keys: Sequence[str | None]) -> float:
    """Return how many seconds findings of that size take to be written; rows with the same text have the same one."""
    try:
        size = journal.stat().st_size
    except OSError:
        return 0.0
    given = [key for key in keys if key is not None]
    return size * len(given) / max(1, len(set(given))) / _BYTES_A_SECOND


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _no_room(name: str) -> StorageError:
    return StorageError(f"The cache has no room for {name}.", "Raise storage.max_cache_bytes, or map fewer rows.")
