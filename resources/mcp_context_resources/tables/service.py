"""Tables as the server sees them: statements in, pages of rows out; every engine call in a worker process."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import anyio

from mcp_context_resources.cache import Cache
from mcp_context_resources.errors import (
    InvalidInputError,
    SourceChangedError,
    SqlError,
)
from mcp_context_resources.tables import gate, jobs
from mcp_context_resources.tables.access import Access
from mcp_context_resources.tables.copies import COPIES_AT_ONCE, Copies
from mcp_context_resources.tables.discovery import Discovery
from mcp_context_resources.tables.page_cursor import PageCursor
from mcp_context_resources.tables.results import Results
from mcp_context_resources.tables.row_counts import RowCounts
from mcp_context_resources.tables.spec import EngineLimits, Export, Fetch, Statement
from mcp_context_resources.tables.sql_errors import suggest_tables
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.cores import available_cores
from mcp_context_resources.workers.pool import WorkerPool
from mcp_context_resources.workspace.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mcp_context_resources.provenance import SourceRef
    from mcp_context_resources.tables.results import ResultFormat, SavedResult
    from mcp_context_resources.tables.settings import TableSettings
    from mcp_context_resources.tables.spec import Fetched, ParsedStatement, Profile
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.derived import DerivedTables
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace

_EVERY_TABLE_AT_MOST: Final = 500
_KEPT_STATEMENTS: Final = 64
_PARTNERS_LOOKED_AT: Final = 40
_ENGINE: Final = (
    "mcp_context_resources.tables.engine",
    "mcp_context_resources.tables.gate",
    "pytz",
    "charset_normalizer",
)
_COPIER: Final = ("mcp_context_resources.tables.copying", "pytz", "charset_normalizer")


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
    """The SQL engine over a workspace's tables."""

    def __init__(
        self,
        workspace: Workspace,
        settings: TableSettings,
        cache_dir: Path,
        max_cache_bytes: int,
        derived: DerivedTables | None = None,
    ) -> None:
        self.settings = settings
        self._derived = derived
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
        self._parsed: dict[str, ParsedStatement] = {}
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

    async def aclose(self) -> None:
        """Stop the engine's processes."""
        await self._copies.aclose()
        async with anyio.create_task_group() as group:
            group.start_soon(self._pool.aclose)
            group.start_soon(self._copy_pool.aclose)

    async def catalogue(self) -> Catalogue:
        """Return every source there is now, tables inside files and folders that are tables among them."""
        return await self._discovery.catalogue()

    async def query(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None,
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
        statement = await self._parse(sql)
        bound = gate.bind(statement.sql, statement.parameters, parameters)
        wanted = _Wanted(max_rows, max_chars, max_cell_chars, cursor, save)
        try:
            return await self._query(statement, bound, wanted, ends, on_progress)
        except SourceChangedError:  # the next version may be there to stay
            return await self._query(statement, bound, wanted, ends, on_progress)

    async def _query(
        self, statement: ParsedStatement, bound: str, wanted: _Wanted, ends: float, on_progress: Progress | None
    ) -> QueryPage:
        catalogue = await self.catalogue() if statement.tables or statement.every_table else Catalogue(())
        named = await self._tables_of(statement, catalogue, on_progress)
        tables = list(dict.fromkeys(named.values()))
        request = hashlib.sha256(f"{statement.explain}{bound.strip().rstrip('; ')}".encode()).hexdigest()[:16]
        versions = hashlib.sha256("".join(sorted(t.fingerprint for t in tables)).encode()).hexdigest()[:16]
        place = PageCursor.open(wanted.cursor, request, versions)
        direct = place.direct == 1
        refs = [table.ref() for table in tables]
        missing: list[str] = []
        if statement.every_table:
            specs, missing = await self._access.all_of(named, ends, on_progress, direct=direct)
        else:
            specs = [
                await self._access.one(source, name, ends, on_progress, direct=direct) for name, source in named.items()
            ]
        if wanted.cursor is None:
            copies = any(file.copy for spec in specs for file in (spec, *spec.members))
            place = replace(place, direct=int(not copies))
        work = Statement(bound, statement.every_table, statement.explain, statement.pivots)
        fetch = Fetch(place.skip, place.digest, wanted.max_rows, wanted.max_chars, wanted.max_cell_chars)
        saved = None
        try:
            left = max(1.0, ends - time.monotonic())
            if wanted.save is None:
                fetched = await self._pool.run(
                    jobs.query, work, specs, fetch, self._limits, deadline=left, on_progress=on_progress
                )
            else:
                file = Export(self.results.new_name(wanted.save), wanted.save, self.settings.max_result_bytes)
                fetched, exported = await self._pool.run(
                    jobs.export, work, specs, fetch, file, self._limits, deadline=left, on_progress=on_progress
                )
                saved = self.results.saved(file.name), exported.rows
        except SqlError as error:
            raise suggest_tables(error, lambda name: catalogue.near("table", name)) from error
        fetched.notes += missing
        if statement.every_table and (beyond := len(catalogue.of("table")) - _EVERY_TABLE_AT_MOST) > 0:
            fetched.notes.append(f"Left out: {beyond:,} tables beyond the first {_EVERY_TABLE_AT_MOST}.")
        self._access.copy_later(specs)
        return QueryPage(fetched, refs, place, saved)

    async def describe(
        self, name: str, *, example_rows: int, max_cell_chars: int, on_progress: Progress | None = None
    ) -> TableDescription:
        """Profile one table.

        Raises `NotFoundError`, `UnreadableSourceError` and the workers' errors.
        """
        ends = time.monotonic() + self.settings.deadline_seconds
        catalogue = await self.catalogue()
        source = await self._derived_table(catalogue, name, on_progress)
        source = source or self._workspace.resolve(catalogue, "table", name)
        ref = source.ref()
        spec = await self._access.one(source, source.name, ends, on_progress)
        others = (
            self._access.at_once(other, other.name)
            for other in sorted(catalogue.of("table"), key=lambda other: other.size)
            if not _overlap(source, other)
        )
        near = [other for other in others if other is not None][:_PARTNERS_LOOKED_AT]
        profile = await self._pool.run(
            jobs.profile,
            spec,
            near,
            example_rows,
            max_cell_chars,
            self._limits,
            deadline=max(1.0, ends - time.monotonic()),
            on_progress=on_progress,
        )
        self._access.copy_later([spec])
        return TableDescription(source, ref, profile)

    async def _parse(self, sql: str) -> ParsedStatement:
        if not sql.strip():
            raise InvalidInputError("The statement is empty.", "Write a SELECT; list_sources names the tables.")
        if len(sql) > gate.MAX_SQL_CHARS:
            raise InvalidInputError(f"The statement is longer than {gate.MAX_SQL_CHARS:,} characters.", "Shorten it.")
        parsed = self._parsed.get(sql)
        if parsed is None:
            parsed = await self._pool.run(gate.parse, sql, deadline=self.settings.deadline_seconds)
            # Paging repeats a statement; what it means depends on its text alone.
            self._parsed[sql] = parsed
            if len(self._parsed) > _KEPT_STATEMENTS:
                self._parsed.pop(next(iter(self._parsed)))
        return parsed

    def _deadline(self, seconds: float | None) -> float:
        if seconds is None:
            return self.settings.deadline_seconds
        most = max(self.settings.max_deadline_seconds, self.settings.deadline_seconds)
        if seconds > most:
            raise InvalidInputError(
                f"timeout_seconds is {seconds:g}; at most {most:g} is allowed.", "Raise tables.max_deadline_seconds."
            )
        return seconds

    async def _derived_table(self, catalogue: Catalogue, name: str, on_progress: Progress | None) -> Source | None:
        """Return a table that is made of another source; a file of that name comes first."""
        bare = name.removeprefix("table://")
        if self._derived is None or catalogue.find("table", bare) is not None:
            return None
        return await self._derived.table(catalogue, bare, on_progress)

    async def _tables_of(
        self, statement: ParsedStatement, catalogue: Catalogue, on_progress: Progress | None
    ) -> dict[str, Source]:
        """Return the tables a statement reads, by the names it calls them (any Unicode form, any case)."""
        named: dict[str, Source] = {}
        if statement.every_table:
            named = {source.name: source for source in catalogue.of("table")[:_EVERY_TABLE_AT_MOST]}
        for name in statement.tables:
            source = catalogue.find("table", name) or await self._derived_table(catalogue, name, on_progress)
            if source is None:
                continue
            # The engine compares names by ASCII case alone, so another spelling needs a view of its own.
            known = next((other for other in named if _ascii_lower(other) == _ascii_lower(name)), None)
            named[known or name] = source
        for source in named.values():
            self._workspace.check(source)
        return named


def _overlap(one: Source, other: Source) -> bool:
    """Tell whether two tables hold the same rows: a file, and a folder with it."""
    files = {(file.path, file.part) for file in one.members or (one,)}
    return any((file.path, file.part) in files for file in other.members or (other,))


def _present(folder: Path) -> tuple[int, int]:
    """Make the folder if someone deleted it, and tell which one it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    return status.st_dev, status.st_ino


def _ascii_lower(name: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in name)
