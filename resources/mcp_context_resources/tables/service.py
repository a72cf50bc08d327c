"""Tables as the server sees them: statements in, pages of rows out; every engine call in a worker process."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import anyio

from mcp_context_resources.cache import Cache
from mcp_context_resources.errors import (
    ContextError,
    InvalidInputError,
    SourceChangedError,
    SqlError,
)
from mcp_context_resources.tables.access import Access
from mcp_context_resources.tables.columnar_cache import COPIES_AT_ONCE, COPY, Copies
from mcp_context_resources.tables.discovery import Discovery
from mcp_context_resources.tables.missing_table import suggest_tables
from mcp_context_resources.tables.model_tables.service import MappedTables
from mcp_context_resources.tables.model_tables.spec import KIND
from mcp_context_resources.tables.preparation import Preparation
from mcp_context_resources.tables.row_counts import RowCounts
from mcp_context_resources.tables.saved_results import Results
from mcp_context_resources.tables.spec import EngineLimits, Export, Fetch
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.cores import available_cores
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcp_context_resources.provenance import SourceRef
    from mcp_context_resources.tables.embedded_texts import QueryEmbedder
    from mcp_context_resources.tables.model_tables.spec import RowsWanted, TakenRows
    from mcp_context_resources.tables.page_cursor import PageCursor
    from mcp_context_resources.tables.preparation import Values
    from mcp_context_resources.tables.saved_results import ResultFormat, SavedResult
    from mcp_context_resources.tables.settings import TableSettings
    from mcp_context_resources.tables.spec import Exported, Fetched, ParsedStatement, Profile, Statement, TableSpec
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.derived import DerivedTables
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace

_PARTNERS_LOOKED_AT: Final = 40
_HOME: Final = "mcp_context_resources.tables.duckdb_engine"
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
_ENGINE: Final = (
    _QUERY.module,
    f"{_HOME}.gate",
    "pytz",
    "charset_normalizer",
)
_COPIER: Final = (COPY.module, "pytz", "charset_normalizer")


@dataclass(frozen=True, slots=True)
class QueryPage:
    """Rows of a result from a place on, and what is needed to go on after any of them.

    `saved` is the file that holds the whole result, with its number of rows, where one was wanted.
    """

    fetched: Fetched
    sources: list[SourceRef]
    _place: PageCursor
    saved: tuple[SavedResult, int] | None = None

    @property
    def offset(self) -> int:
        """How many rows of the result come before this page."""
        return self._place.skip

    def cursor_after(self, rows: int) -> str:
        """Return the cursor that continues behind the first `rows` rows of this page."""
        return replace(self._place, skip=self.offset + rows, digest=self.fetched.digests[rows - 1]).encode()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a caller wants of a result."""

    max_rows: int
    max_chars: int
    max_cell_chars: int
    cursor: str | None
    save: ResultFormat | None


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table's profile and where it came from."""

    source: Source
    ref: SourceRef
    profile: Profile


class Tables:
    """The SQL engine over a workspace's tables.

    `derived` are tables made out of other sources, `embedder` makes the vectors of `embed('…')` in SQL, and `secret`
    tells servers apart that may read different things in the same folders: a mapped table of one is not the other's.
    """

    def __init__(
        self,
        workspace: Workspace,
        settings: TableSettings,
        cache_dir: Path,
        max_cache_bytes: int,
        derived: DerivedTables | None = None,
        embedder: QueryEmbedder | None = None,
        secret: str = "",
    ) -> None:
        self.settings = settings
        self.results = Results(cache_dir / "results", settings.max_result_read_bytes)
        self._workspace = workspace
        self._limits = EngineLimits(
            memory_mb=settings.memory_mb,
            threads=settings.threads or available_cores(),
            max_spill_mb=settings.max_spill_mb,
            cache_dir=str(cache_dir),
            max_cache_bytes=max_cache_bytes,
            deadline_seconds=max(settings.deadline_seconds, settings.max_deadline_seconds),
        )
        confinement = Confinement(
            readable=tuple(str(root.path) for root in workspace.roots),
            writable=(str(cache_dir),),
            memory_bytes=settings.worker_memory_mb << 20,
        )

        def identity() -> object:
            return workspace.roots.identity(), _present(cache_dir)

        self._pool = WorkerPool(
            "table", size=settings.workers, confinement=confinement, preload=_ENGINE, identity=identity
        )
        self._discovery = Discovery(workspace, self._pool, settings, self._limits)
        copy_limits = replace(
            self._limits, threads=max(1, self._limits.threads // 2), deadline_seconds=settings.copy_seconds
        )
        self._copy_pool = WorkerPool(
            "table copy",
            size=COPIES_AT_ONCE,
            confinement=confinement,
            preload=_COPIER,
            queue_seconds=settings.copy_seconds,
            identity=identity,
        )
        self._copies = copies = Copies(
            self._copy_pool,
            Cache(cache_dir, "tables", max_cache_bytes),
            copy_limits,
            deadline=settings.copy_seconds,
            patience=settings.deadline_seconds,
            least_bytes=settings.copy_bytes,
        )
        self._access = Access(self._discovery, copies, settings.encoding)
        self.row_counts = RowCounts(self._pool, self._limits, self._discovery, self._access)
        scope = "\0".join((*sorted(str(root.path) for root in workspace.roots), secret))
        self.mapped = MappedTables(Cache(cache_dir, KIND, max_cache_bytes), cache_dir, scope, self._pool, self._limits)
        self._preparation = Preparation(
            workspace,
            self.catalogue,
            self._access,
            self._pool,
            derived=derived,
            mapped=self.mapped,
            embedder=embedder,
            parse_seconds=settings.deadline_seconds,
        )

    def warm_up(self) -> None:
        """Start the engine's process without waiting for it; a call is about to come."""
        self._pool.warm_up()

    async def aclose(self) -> None:
        """Stop the engine's processes."""
        await self._copies.aclose()
        async with anyio.create_task_group() as group:
            group.start_soon(self._pool.aclose)
            group.start_soon(self._copy_pool.aclose)

    async def catalogue(self) -> Catalogue:
        """Return every source there is now; tables inside files, folders that are tables and mapped tables too."""
        return await self.mapped.added_to(await self._discovery.catalogue())

    async def query(
        self,
        sql: str,
        parameters: Values,
        *,
        max_rows: int,
        max_chars: int,
        max_cell_chars: int,
        cursor: str | None = None,
        seconds: float | None = None,
        save: ResultFormat | None = None,
        on_progress: Progress | None = None,
    ) -> QueryPage:
        """Run one read-only statement over all tables and return a page of its rows.

        `seconds` replaces the usual deadline; `save` keeps the whole result in a file of that format.

        Raises `SqlError`, `SqlRefusedError`, `InvalidCursorError`, `StaleCursorError` and the workers' errors.
        """
        ends = time.monotonic() + self._deadline(seconds)
        statement = await self._preparation.parse(sql)
        wanted = _Wanted(max_rows, max_chars, max_cell_chars, cursor, save)
        try:
            return await self._query(statement, parameters, wanted, ends, on_progress)
        except SourceChangedError:  # the next version may be there to stay
            return await self._query(statement, parameters, wanted, ends, on_progress)

    async def take_rows(
        self,
        sql: str,
        parameters: Values,
        wanted: RowsWanted,
        *,
        on_progress: Progress | None = None,
    ) -> tuple[TakenRows, list[Source]]:
        """Run one read-only statement and keep its rows to be mapped; returns them and the tables they came from.

        Raises as `query`, and `InvalidInputError` for a text column that isn't there or can't be told.
        """
        ends = time.monotonic() + self.settings.deadline_seconds
        statement = await self._preparation.parse(sql)
        try:
            return await self._take(statement, parameters, wanted, ends, on_progress)
        except SourceChangedError:
            return await self._take(statement, parameters, wanted, ends, on_progress)

    async def _take(
        self,
        statement: ParsedStatement,
        parameters: Values,
        wanted: RowsWanted,
        ends: float,
        on_progress: Progress | None,
    ) -> tuple[TakenRows, list[Source]]:
        ready = await self._preparation.prepare(statement, parameters, None, ends, on_progress)
        left = max(1.0, ready.ends - time.monotonic())
        try:
            taken = await self._pool.run(
                _TAKE_ROWS, ready.work, ready.specs, wanted, self._limits, deadline=left, on_progress=on_progress
            )
        except SqlError as error:
            await self._check_mapped(ready.sources, error)
            raise suggest_tables(error, lambda name: ready.catalogue.near("table", name)) from error
        except ContextError as error:
            await self._check_mapped(ready.sources, error)
            raise
        return taken, ready.sources

    async def _check_mapped(self, sources: Sequence[Source], error: ContextError | None) -> None:
        """Raise `SourceChangedError` where a mapped table was removed since it was listed: `error` may come of that."""
        if not await self.mapped.are_there(sources):
            raise SourceChangedError("A mapped table was made anew while it was read.", "Call again.") from error

    async def _query(
        self,
        statement: ParsedStatement,
        parameters: Values,
        wanted: _Wanted,
        ends: float,
        on_progress: Progress | None,
    ) -> QueryPage:
        ready = await self._preparation.prepare(statement, parameters, wanted.cursor, ends, on_progress)
        work, specs, place = ready.work, ready.specs, ready.place
        fetch = Fetch(place.skip, place.digest, wanted.max_rows, wanted.max_chars, wanted.max_cell_chars)
        saved = None
        try:
            left = max(1.0, ready.ends - time.monotonic())
            if wanted.save is None:
                fetched = await self._pool.run(
                    _QUERY, work, specs, fetch, self._limits, deadline=left, on_progress=on_progress
                )
            else:
                file = Export(self.results.new_name(wanted.save), wanted.save, self.settings.max_result_bytes)
                fetched, exported = await self._pool.run(
                    _EXPORT, work, specs, fetch, file, self._limits, deadline=left, on_progress=on_progress
                )
                saved = self.results.saved(file.name), exported.rows
        except SqlError as error:
            await self._check_mapped(ready.sources, error)
            raise suggest_tables(error, lambda name: ready.catalogue.near("table", name)) from error
        except ContextError as error:
            await self._check_mapped(ready.sources, error)
            raise
        if work.every_table:  # which leaves out what can't be read
            await self._check_mapped(ready.sources, None)
        fetched.notes += ready.notes
        self._access.copy_later(specs)
        return QueryPage(fetched, ready.refs, place, saved)

    async def describe(
        self, name: str, *, example_rows: int, max_cell_chars: int, on_progress: Progress | None = None
    ) -> TableDescription:
        """Profile one table.

        Raises `NotFoundError`, `UnreadableSourceError` and the workers' errors.
        """
        ends = time.monotonic() + self.settings.deadline_seconds
        try:
            return await self._describe(name, example_rows, max_cell_chars, ends, on_progress)
        except SourceChangedError:
            return await self._describe(name, example_rows, max_cell_chars, ends, on_progress)

    async def _describe(
        self, name: str, example_rows: int, max_cell_chars: int, ends: float, on_progress: Progress | None
    ) -> TableDescription:
        catalogue = await self.catalogue()
        source = await self._preparation.table(catalogue, name, on_progress)
        ref = source.ref()
        spec = await self._access.one(source, source.name, ends, on_progress)
        others = (
            self._access.at_once(other, other.name)
            for other in sorted(catalogue.of("table"), key=lambda other: other.size)
            # A mapped table repeats its source's columns: of these only it itself says so.
            if not _overlap(source, other) and not self.mapped.is_mapped(other)
        )
        near = [other for other in others if other is not None][:_PARTNERS_LOOKED_AT]
        left = max(1.0, ends - time.monotonic())
        try:
            profile = await self._pool.run(
                _PROFILE,
                spec,
                near,
                example_rows,
                max_cell_chars,
                self._limits,
                deadline=left,
                on_progress=on_progress,
            )
        except ContextError as error:
            await self._check_mapped([source], error)
            raise
        self._access.copy_later([spec])
        if (manifest := self.mapped.of(source)) is not None:
            profile.notes += [manifest.about(), *await self.mapped.notes([source], catalogue)]
        return TableDescription(source, ref, profile)

    def _deadline(self, seconds: float | None) -> float:
        if seconds is None:
            return self.settings.deadline_seconds
        most = max(self.settings.max_deadline_seconds, self.settings.deadline_seconds)
        if seconds > most:
            raise InvalidInputError(
                f"timeout_seconds is {seconds:g}; at most {most:g} is allowed.", "Raise tables.max_deadline_seconds."
            )
        return seconds


def _overlap(one: Source, other: Source) -> bool:
    """Tell whether two tables hold the same rows: a file, and a folder with it."""
    files = {(file.path, file.part) for file in one.members or (one,)}
    return any((file.path, file.part) in files for file in other.members or (other,))


def _present(folder: Path) -> tuple[int, int]:
    """Make the folder if someone deleted it, and tell which one it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    return status.st_dev, status.st_ino
