"""Tables as the server sees them: statements in, pages of rows out, whatever engine runs them."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from mcp_context_resources.cache import Cache
from mcp_context_resources.errors import ContextError, InvalidInputError, SourceChangedError, SqlError
from mcp_context_resources.tables.missing_table import suggest_tables
from mcp_context_resources.tables.model_tables.service import ModelTables
from mcp_context_resources.tables.model_tables.spec import KIND
from mcp_context_resources.tables.preparation import Preparation
from mcp_context_resources.tables.saved_results import Results
from mcp_context_resources.tables.spec import Export, Fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from mcp_context_resources.provenance import SourceRef
    from mcp_context_resources.tables.dialect import Dialect
    from mcp_context_resources.tables.embedded_texts import QueryEmbedder
    from mcp_context_resources.tables.engine import TableEngine
    from mcp_context_resources.tables.model_tables.spec import RowsWanted, TakenRows
    from mcp_context_resources.tables.page_cursor import PageCursor
    from mcp_context_resources.tables.preparation import Ready, Values
    from mcp_context_resources.tables.saved_results import ResultFormat, SavedResult
    from mcp_context_resources.tables.settings import TableSettings
    from mcp_context_resources.tables.spec import Fetched, ParsedStatement, Profile, RowCount
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue, DerivedTables
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace

T = TypeVar("T")


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
class _Page:
    """Which page of a result a caller wants."""

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
    """SQL over an engine's tables.

    `derived` are tables made out of other sources, `embedder` makes the vectors of `embed('…')` in SQL, and `secret`
    tells servers apart that may read different things in the same folders: a model table of one is not the other's.
    """

    def __init__(
        self,
        engine: TableEngine,
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
        self._engine = engine
        scope = "\0".join((*sorted(str(root.path) for root in workspace.roots), secret))
        self.mapped = ModelTables(Cache(cache_dir, KIND, max_cache_bytes), cache_dir, scope, engine.row_files)
        self._preparation = Preparation(
            engine,
            workspace,
            self.catalogue,
            derived=None if engine.row_files is None else derived,
            mapped=self.mapped,
            embedder=embedder,
            parse_seconds=settings.deadline_seconds,
        )

    @property
    def dialect(self) -> Dialect:
        """How the engine's SQL is written."""
        return self._engine.dialect

    @property
    def reading_version(self) -> str:
        """What decides, besides a table's version and the settings, which rows are read of it."""
        return self._engine.reading_version

    def warm_up(self) -> None:
        """Start the engine's process without waiting for it; a call is about to come."""
        self._engine.warm_up()

    async def aclose(self) -> None:
        """Stop the engine's processes."""
        await self._engine.aclose()

    async def catalogue(self) -> Catalogue:
        """Return every source there is now; tables inside files, folders that are tables and model tables, too."""
        return await self.mapped.added_to(await self._engine.catalogue())

    async def count_rows(self, tables: Sequence[Source]) -> list[RowCount]:
        """Count the rows of tables, in their order; `unknown` for those that would take long."""
        return await self._engine.count_rows(tables)

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
        page = _Page(max_rows, max_chars, max_cell_chars, cursor, save)
        return await _tried_twice(lambda: self._query(statement, parameters, page, ends, on_progress))

    async def _query(
        self, statement: ParsedStatement, parameters: Values, page: _Page, ends: float, on_progress: Progress | None
    ) -> QueryPage:
        ready = await self._preparation.prepare(statement, parameters, page.cursor, ends, on_progress)
        fetch = Fetch(ready.place.skip, ready.place.digest, page.max_rows, page.max_chars, page.max_cell_chars)
        saved = None
        async with self._reading(ready):
            if page.save is None:
                fetched = await self._engine.query(
                    ready.statement,
                    ready.tables,
                    fetch,
                    ends=ready.ends,
                    direct=ready.direct,
                    on_progress=on_progress,
                )
            else:
                file = Export(self.results.new_name(page.save), page.save, self.settings.max_result_bytes)
                fetched, exported = await self._engine.export(
                    ready.statement,
                    ready.tables,
                    fetch,
                    file,
                    ends=ready.ends,
                    direct=ready.direct,
                    on_progress=on_progress,
                )
                saved = self.results.saved(file.name), exported.rows
        if ready.statement.every_table:  # which leaves out what can't be read
            await self._check_mapped(ready.sources, None)
        return QueryPage(fetched, ready.refs, ready.read(fetched), saved)

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
        files = self.mapped.files
        statement = await self._preparation.parse(sql)

        async def take() -> tuple[TakenRows, list[Source]]:
            ready = await self._preparation.prepare(statement, parameters, None, ends, on_progress)
            async with self._reading(ready):
                taken = await files.take_rows(
                    ready.statement, ready.tables, wanted, ends=ready.ends, on_progress=on_progress
                )
            return taken, ready.sources

        return await _tried_twice(take)

    async def describe(
        self, name: str, *, example_rows: int, max_cell_chars: int, on_progress: Progress | None = None
    ) -> TableDescription:
        """Profile one table.

        Raises `NotFoundError`, `UnreadableSourceError` and the workers' errors.
        """
        ends = time.monotonic() + self.settings.deadline_seconds
        return await _tried_twice(lambda: self._describe(name, example_rows, max_cell_chars, ends, on_progress))

    async def _describe(
        self, name: str, example_rows: int, max_cell_chars: int, ends: float, on_progress: Progress | None
    ) -> TableDescription:
        catalogue = await self.catalogue()
        source = await self._preparation.table(catalogue, name, on_progress)
        ref = source.ref()
        others = [
            other
            for other in sorted(catalogue.of("table"), key=lambda other: other.size)
            # A model table repeats its source's columns: of these only it itself says so.
            if not _overlap(source, other) and not self.mapped.is_mapped(other)
        ]
        try:
            profile = await self._engine.profile(
                source,
                others,
                example_rows=example_rows,
                max_cell_chars=max_cell_chars,
                ends=ends,
                on_progress=on_progress,
            )
        except ContextError as error:
            await self._check_mapped([source], error)
            raise
        if (manifest := self.mapped.of(source)) is not None:
            profile.notes += [manifest.about(), *await self.mapped.notes([source], catalogue)]
        return TableDescription(source, ref, profile)

    @asynccontextmanager
    async def _reading(self, ready: Ready) -> AsyncIterator[None]:
        """Name the nearest tables in an error inside the block, and tell where a model table is to blame for it."""
        try:
            yield
        except SqlError as error:
            await self._check_mapped(ready.sources, error)
            raise suggest_tables(error, lambda name: ready.catalogue.near("table", name)) from error
        except ContextError as error:
            await self._check_mapped(ready.sources, error)
            raise

    async def _check_mapped(self, sources: Sequence[Source], error: ContextError | None) -> None:
        """Raise `SourceChangedError` where a model table was removed since it was listed: `error` may come of that."""
        if not await self.mapped.are_there(sources):
            raise SourceChangedError("A mapped table was made anew while it was read.", "Call again.") from error

    def _deadline(self, seconds: float | None) -> float:
        if seconds is None:
            return self.settings.deadline_seconds
        most = max(self.settings.max_deadline_seconds, self.settings.deadline_seconds)
        if seconds > most:
            raise InvalidInputError(
                f"timeout_seconds is {seconds:g}; at most {most:g} is allowed.", "Raise tables.max_deadline_seconds."
            )
        return seconds


async def _tried_twice(attempt: Callable[[], Awaitable[T]]) -> T:
    """Read, and where a table changed meanwhile read once more: the next version may be there to stay."""
    try:
        return await attempt()
    except SourceChangedError:
        return await attempt()


def _overlap(one: Source, other: Source) -> bool:
    """Tell whether two tables hold the same rows: a file, and a folder with it."""
    files = {(file.location or file.uri, file.part) for file in one.members or (one,)}
    return any((file.location or file.uri, file.part) in files for file in other.members or (other,))
