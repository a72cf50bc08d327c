"""Tables as the server sees them: statements in, pages of rows out; every engine call in a worker process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread

from mcp_context_resources.cursor import decode_cursor, encode_cursor
from mcp_context_resources.errors import InvalidCursorError, InvalidInputError, SqlError, StaleCursorError
from mcp_context_resources.tables import gate, jobs
from mcp_context_resources.tables.spec import EngineLimits, Fetch, RowCount, Statement, TableSpec
from mcp_context_resources.tables.sql_errors import suggest_tables
from mcp_context_resources.workers.batch import COUNTING_SECONDS, count_each
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.cores import available_cores
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from mcp_context_resources.provenance import SourceRef
    from mcp_context_resources.tables.settings import TableSettings
    from mcp_context_resources.tables.spec import Fetched, ParsedStatement, Profile
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Catalogue, Workspace

    Progress = Callable[[float, float], Awaitable[None]]

_EVERY_TABLE_AT_MOST: Final = 500
_KEPT_STATEMENTS: Final = 64


@dataclass(frozen=True, slots=True)
class QueryPage:
    """Rows of a result from row `offset` on, and what is needed to go on after any of them."""

    fetched: Fetched
    offset: int
    sources: list[SourceRef]
    _request: str
    _versions: str

    def cursor_after(self, rows: int) -> str:
        """Return the cursor that continues behind the first `rows` rows of this page."""
        digest = self.fetched.digests[rows - 1]
        return encode_cursor(self._request, self._versions, self.offset + rows, digest)


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table's profile and where it came from."""

    source: Source
    ref: SourceRef
    profile: Profile


class Tables:
    """The SQL engine over a workspace's tables."""

    def __init__(self, workspace: Workspace, settings: TableSettings, cache_dir: Path, max_cache_bytes: int) -> None:
        self.settings = settings
        self._workspace = workspace
        self._limits = EngineLimits(
            memory_mb=settings.memory_mb,
            threads=settings.threads or available_cores(),
            max_spill_mb=settings.max_spill_mb,
            cache_dir=str(cache_dir),
            max_cache_bytes=max_cache_bytes,
            deadline_seconds=settings.deadline_seconds,
        )
        self._row_counts: dict[str, RowCount] = {}
        self._parsed: dict[str, ParsedStatement] = {}
        self._pool = WorkerPool(
            "table",
            size=settings.workers,
            confinement=Confinement(
                readable=tuple(str(root.path) for root in workspace.roots),
                writable=(str(cache_dir),),
                memory_bytes=settings.worker_memory_mb << 20,
            ),
            preload=(
                "mcp_context_resources.tables.engine",
                "mcp_context_resources.tables.gate",
                "pytz",
                "charset_normalizer",
            ),
            identity=lambda: (workspace.roots.identity(), _present(cache_dir)),
        )

    async def aclose(self) -> None:
        """Stop the engine's processes."""
        await self._pool.aclose()

    async def query(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None,
        *,
        max_rows: int,
        max_chars: int,
        max_cell_chars: int,
        cursor: str | None = None,
        on_progress: Progress | None = None,
    ) -> QueryPage:
        """Run one read-only statement over all tables and return a page of its rows.

        Raises `SqlError`, `SqlRefusedError`, `InvalidCursorError`, `StaleCursorError` and the workers' errors.
        """
        statement = await self._parse(sql)
        bound = gate.bind(sql, statement.parameters, parameters)
        catalogue = await anyio.to_thread.run_sync(self._workspace.catalogue)
        named = self._tables_of(statement, catalogue)
        tables = list(dict.fromkeys(named.values()))
        request = hashlib.sha256(bound.strip().rstrip("; \n").encode()).hexdigest()[:16]
        versions = hashlib.sha256("".join(sorted(t.fingerprint for t in tables)).encode()).hexdigest()[:16]
        skip, digest = _open_cursor(cursor, request, versions)
        refs = [table.ref() for table in tables]
        try:
            fetched = await self._pool.run(
                jobs.query,
                Statement(bound, statement.every_table),
                [self._spec(table, name) for name, table in named.items()],
                Fetch(skip, digest, max_rows, max_chars, max_cell_chars),
                self._limits,
                deadline=self.settings.deadline_seconds,
                on_progress=on_progress,
            )
        except SqlError as error:
            raise suggest_tables(error, lambda name: catalogue.near("table", name)) from error
        return QueryPage(fetched, skip, refs, request, versions)

    async def describe(self, name: str, *, example_rows: int, max_cell_chars: int) -> TableDescription:
        """Profile one table.

        Raises `NotFoundError`, `UnreadableSourceError` and the workers' errors.
        """
        catalogue = await anyio.to_thread.run_sync(self._workspace.catalogue)
        source = self._workspace.resolve(catalogue, "table", name)
        ref = source.ref()
        profile = await self._pool.run(
            jobs.profile,
            self._spec(source),
            example_rows,
            max_cell_chars,
            self._limits,
            deadline=self.settings.deadline_seconds,
        )
        return TableDescription(source, ref, profile)

    async def row_counts(self, tables: Sequence[Source]) -> list[RowCount]:
        """Count the rows of tables where that is quick, each once for a version of its file; in their order.

        A file that a worker dies of is named as a problem and costs the others nothing.
        """
        new = [table for table in tables if table.fingerprint not in self._row_counts]
        for table, count in await count_each(new, self._count_rows, lambda problem: RowCount(None, problem=problem)):
            self._row_counts[table.fingerprint] = count
        counts = [self._row_counts[table.fingerprint] for table in tables]
        # What there was no time for is tried again the next time.
        self._row_counts = {key: count for key, count in self._row_counts.items() if not count.unknown}
        return counts

    async def _count_rows(self, tables: Sequence[Source]) -> list[RowCount]:
        specs = [self._spec(table) for table in tables]
        return await self._pool.run(jobs.count_rows, specs, self._limits, deadline=COUNTING_SECONDS)

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

    def _spec(self, source: Source, name: str | None = None) -> TableSpec:
        encoding = self.settings.encoding
        return TableSpec(name or source.name, str(source.path), source.format, source.fingerprint, encoding)

    def _tables_of(self, statement: ParsedStatement, catalogue: Catalogue) -> dict[str, Source]:
        """Return the tables a statement reads, by the names it calls them (any Unicode form, any case)."""
        named: dict[str, Source] = {}
        if statement.every_table:
            named = {source.name: source for source in catalogue.of("table")[:_EVERY_TABLE_AT_MOST]}
        for name in statement.tables:
            source = catalogue.find("table", name)
            if source is None:
                continue
            # The engine compares names by ASCII case alone, so another spelling needs a view of its own.
            known = next((other for other in named if _ascii_lower(other) == _ascii_lower(name)), None)
            named[known or name] = source
        for source in named.values():
            self._workspace.roots.check(source.path)
        return named


def _present(folder: Path) -> tuple[int, int]:
    """Make the folder if someone deleted it, and tell which one it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    return status.st_dev, status.st_ino


def _ascii_lower(name: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in name)


def _open_cursor(cursor: str | None, request: str, versions: str) -> tuple[int, str]:
    if cursor is None:
        return 0, ""
    made_for, made_of, skip, digest = decode_cursor(cursor, str, str, int, str)
    if skip < 1:
        raise InvalidCursorError("The cursor was not made by this server.", "Start again without a cursor.")
    if made_for != request:
        raise InvalidCursorError(
            "The cursor belongs to another statement.", "Repeat sql and params exactly as in the first call."
        )
    if made_of != versions:
        raise StaleCursorError(
            "A table changed since the cursor was made, so its rows would mix two versions.",
            "Start again without a cursor.",
        )
    return skip, digest
