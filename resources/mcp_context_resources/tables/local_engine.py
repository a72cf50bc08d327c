"""Local engine: DuckDB in worker processes of this machine, over files; what is slow to read has columnar copies."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import anyio
from typing_extensions import override

from mcp_context_resources.cache import Cache
from mcp_context_resources.tables.access import Access
from mcp_context_resources.tables.columnar_cache import COPIES_AT_ONCE, COPY, ColumnarCache
from mcp_context_resources.tables.discovery import Discovery
from mcp_context_resources.tables.duckdb_dialect import DUCKDB
from mcp_context_resources.tables.engine import RowFiles, TableEngine
from mcp_context_resources.tables.reader import TableReaders
from mcp_context_resources.tables.row_counts import RowCounts
from mcp_context_resources.tables.spec import EngineLimits, Export, Exported, Fetch, Fetched
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.cores import available_cores
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mcp_context_resources.tables.dialect import Dialect
    from mcp_context_resources.tables.model_tables.spec import MapMade, MapWork, RowsWanted, TakenRows
    from mcp_context_resources.tables.settings import TableSettings
    from mcp_context_resources.tables.spec import ParsedStatement, Profile, RowCount, Statement, TableSpec
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace

_HOME: Final = "mcp_context_resources.tables.duckdb_engine"
_PARSE: Final[WorkerFunction[ParsedStatement, str]] = WorkerFunction(f"{_HOME}.gate:parse")
_QUERY: Final[WorkerFunction[Fetched, Statement, Sequence[TableSpec], Fetch, EngineLimits]] = WorkerFunction(
    f"{_HOME}.statements:query"
)
_EXPORT: Final[
    WorkerFunction[tuple[Fetched, Exported], Statement, Sequence[TableSpec], Fetch, Export, EngineLimits]
] = WorkerFunction(f"{_HOME}.exports:export")
_PROFILE: Final[WorkerFunction[Profile, TableSpec, Sequence[TableSpec], int, int, EngineLimits]] = WorkerFunction(
    f"{_HOME}.profiles:profile"
)
_TAKE_ROWS: Final[WorkerFunction[TakenRows, Statement, Sequence[TableSpec], RowsWanted, EngineLimits]] = WorkerFunction(
    f"{_HOME}.model_table_rows:take_rows"
)
_KEEP_ROWS: Final[WorkerFunction[TakenRows, dict[str, list[Any]], RowsWanted, EngineLimits]] = WorkerFunction(
    f"{_HOME}.model_table_rows:keep_rows"
)
WRITE_MAP: Final[WorkerFunction[MapMade, MapWork, EngineLimits]] = WorkerFunction(
    f"{_HOME}.model_table_writer:write_map"
)
"""Writes the result of `map_rows`."""

_PRELOADED: Final = (_QUERY.module, _PARSE.module, "pytz", "charset_normalizer")
_PRELOADED_TO_COPY: Final = (COPY.module, "pytz", "charset_normalizer")
_PARTNERS_LOOKED_AT: Final = 40


class LocalEngine(TableEngine, RowFiles):
    """DuckDB over a workspace's files (see `TableEngine`), and over rows in files of the cache (see `RowFiles`)."""

    def __init__(self, workspace: Workspace, settings: TableSettings, cache_dir: Path, max_cache_bytes: int) -> None:
        self._limits = _limits(settings, cache_dir, max_cache_bytes)
        self._readers = readers = TableReaders(settings.plugins)
        self._pool, self._copy_pool = _pools(workspace, readers, settings, cache_dir)
        self._discovery = Discovery(workspace, self._pool, readers, settings, self._limits)
        self._copies = ColumnarCache(
            self._copy_pool,
            Cache(cache_dir, "tables", max_cache_bytes),
            replace(self._limits, threads=max(1, self._limits.threads // 2), deadline_seconds=settings.copy_seconds),
            deadline=settings.copy_seconds,
            patience=settings.deadline_seconds,
            least_bytes=settings.copy_bytes,
        )
        self._access = Access(self._discovery, self._copies, readers, settings.encoding)
        self._row_counts = RowCounts(self._pool, self._limits, self._discovery, self._access)

    @property
    def dialect(self) -> Dialect:
        """DuckDB's."""
        return DUCKDB

    @property
    def row_files(self) -> LocalEngine:
        """This engine: its workers may write to the cache."""
        return self

    @property
    def reading_version(self) -> str:
        """The readers as they are installed: an extra that is added reads what was unreadable."""
        return self._readers.version

    @override
    def warm_up(self) -> None:
        self._pool.warm_up()

    @override
    async def aclose(self) -> None:
        await self._copies.aclose()
        async with anyio.create_task_group() as group:
            group.start_soon(self._pool.aclose)
            group.start_soon(self._copy_pool.aclose)

    async def catalogue(self) -> Catalogue:
        """Return every source there is now; tables inside files and folders that are tables, too."""
        return await self._discovery.catalogue()

    @override
    async def admit(self, sql: str, *, deadline: float) -> ParsedStatement:
        return await self._pool.run(_PARSE, sql, deadline=deadline)

    async def query(
        self,
        statement: Statement,
        tables: Mapping[str, Source],
        fetch: Fetch,
        *,
        ends: float,
        direct: bool = False,
        on_progress: Progress | None = None,
    ) -> Fetched:
        """See `TableEngine`. Pages that began with `direct` reads go on so: a copy may have rows in another order."""
        specs, missing = await self._specs(statement, tables, ends, on_progress, direct=direct)
        fetched = await self._pool.run(
            _QUERY, statement, specs, fetch, self._limits, deadline=_left(ends), on_progress=on_progress
        )
        return self._read(fetched, specs, missing)

    @override
    async def export(
        self,
        statement: Statement,
        tables: Mapping[str, Source],
        fetch: Fetch,
        wanted: Export,
        *,
        ends: float,
        direct: bool = False,
        on_progress: Progress | None = None,
    ) -> tuple[Fetched, Exported]:
        specs, missing = await self._specs(statement, tables, ends, on_progress, direct=direct)
        fetched, exported = await self._pool.run(
            _EXPORT, statement, specs, fetch, wanted, self._limits, deadline=_left(ends), on_progress=on_progress
        )
        return self._read(fetched, specs, missing), exported

    async def profile(
        self,
        table: Source,
        others: Sequence[Source],
        *,
        example_rows: int,
        max_cell_chars: int,
        ends: float,
        on_progress: Progress | None = None,
    ) -> Profile:
        """See `TableEngine`. Of the other tables those that can be read at once are looked at, up to forty."""
        spec = await self._access.one(table, table.name, ends, on_progress)
        ready = (self._access.at_once(other, other.name) for other in others)
        near = [other for other in ready if other is not None][:_PARTNERS_LOOKED_AT]
        profile = await self._pool.run(
            _PROFILE,
            spec,
            near,
            example_rows,
            max_cell_chars,
            self._limits,
            deadline=_left(ends),
            on_progress=on_progress,
        )
        self._access.copy_later([spec])
        return profile

    @override
    async def count_rows(self, tables: Sequence[Source]) -> list[RowCount]:
        return await self._row_counts.of(tables)

    @override
    async def take_rows(
        self,
        statement: Statement,
        tables: Mapping[str, Source],
        wanted: RowsWanted,
        *,
        ends: float,
        on_progress: Progress | None = None,
    ) -> TakenRows:
        specs, _ = await self._specs(statement, tables, ends, on_progress)
        return await self._pool.run(
            _TAKE_ROWS, statement, specs, wanted, self._limits, deadline=_left(ends), on_progress=on_progress
        )

    @override
    async def keep_rows(self, columns: dict[str, list[Any]], wanted: RowsWanted, *, deadline: float) -> TakenRows:
        return await self._pool.run(_KEEP_ROWS, columns, wanted, self._limits, deadline=deadline)

    @override
    async def write_map(self, work: MapWork, *, deadline: float, on_progress: Progress | None = None) -> MapMade:
        return await self._pool.run(WRITE_MAP, work, self._limits, deadline=deadline, on_progress=on_progress)

    async def _specs(
        self,
        statement: Statement,
        tables: Mapping[str, Source],
        ends: float,
        on_progress: Progress | None,
        *,
        direct: bool = False,
    ) -> tuple[list[TableSpec], list[str]]:
        """Return how the tables of a statement are read, and which of all tables can't be."""
        if statement.every_table:
            return await self._access.all_of(tables, ends, on_progress, direct=direct)
        one = self._access.one
        return [await one(table, name, ends, on_progress, direct=direct) for name, table in tables.items()], []

    def _read(self, fetched: Fetched, specs: Sequence[TableSpec], missing: Sequence[str]) -> Fetched:
        """Say how rows were read, and start copies for the next time."""
        fetched.direct = not any(file.copy for spec in specs for file in (spec, *spec.members))
        fetched.left_out += missing
        self._access.copy_later(specs)
        return fetched


def _limits(settings: TableSettings, cache_dir: Path, max_cache_bytes: int) -> EngineLimits:
    return EngineLimits(
        memory_mb=settings.memory_mb,
        threads=settings.threads or available_cores(),
        max_spill_mb=settings.max_spill_mb,
        cache_dir=str(cache_dir),
        max_cache_bytes=max_cache_bytes,
        deadline_seconds=max(settings.deadline_seconds, settings.max_deadline_seconds),
    )


def _pools(
    workspace: Workspace, readers: TableReaders, settings: TableSettings, cache_dir: Path
) -> tuple[WorkerPool, WorkerPool]:
    """Make the processes for statements and those for copies: they read the roots and plugins, and write the cache."""
    confinement = Confinement(
        readable=(*(str(root.path) for root in workspace.roots), *readers.plugin_folders),
        writable=(str(cache_dir),),
        memory_bytes=settings.worker_memory_mb << 20,
    )

    def identity() -> object:
        return workspace.roots.identity(), _present(cache_dir)

    statements = WorkerPool(
        "table", size=settings.workers, confinement=confinement, preload=_PRELOADED, identity=identity
    )
    copies = WorkerPool(
        "table copy",
        size=COPIES_AT_ONCE,
        confinement=confinement,
        preload=_PRELOADED_TO_COPY,
        queue_seconds=settings.copy_seconds,
        identity=identity,
    )
    return statements, copies


def _left(ends: float) -> float:
    return max(1.0, ends - time.monotonic())


def _present(folder: Path) -> tuple[int, int]:
    """Make the folder if someone deleted it, and tell which one it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    return status.st_dev, status.st_ino
