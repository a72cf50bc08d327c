"""Table engine: what runs SQL over tables. Whatever does it is behind these Protocols; `local_engine` is DuckDB.

An engine lists its tables, admits statements, runs them, describes tables, and tells how its SQL is written. What is
the same for all of them stands above, in `service`: finding the tables that a statement names, the values of its
parameters, cursors, deadlines, and trying once more where a table changed while it was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.tables.dialect import Dialect
    from mcp_context_resources.tables.model_tables.spec import MapMade, MapWork, RowsWanted, TakenRows
    from mcp_context_resources.tables.spec import (
        Export,
        Exported,
        Fetch,
        Fetched,
        ParsedStatement,
        Profile,
        RowCount,
        Statement,
    )
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source


class TableEngine(Protocol):
    """Runs SQL over the tables that it lists.

    `ends` is a moment on the clock of `time.monotonic`; what isn't done by then raises `DeadlineExceededError`. The
    tables of a statement are given by the names that it calls them.
    """

    @property
    def dialect(self) -> Dialect:
        """How its SQL is written."""

    @property
    def row_files(self) -> RowFiles | None:
        """What reads and writes rows in files of the cache, too; None where only the engine's own tables are read."""

    @property
    def reading_version(self) -> str:
        """What decides, besides a table's version and the settings, which rows are read of it."""

    def warm_up(self) -> None:
        """Make ready without waiting for it; a call is about to come."""

    async def aclose(self) -> None:
        """Stop what runs."""

    async def catalogue(self) -> Catalogue:
        """Return every source there is now: the engine's tables, beside the workspace's documents and models."""

    async def admit(self, sql: str, *, deadline: float) -> ParsedStatement:
        """Parse a statement and admit it if it only reads.

        Raises `SqlError` with the place of a syntax error, `SqlRefusedError` for anything but one reading statement.
        """

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
        """Run an admitted statement and return the rows asked for; `direct` as an earlier page of them tells.

        Raises `SqlError`, `StaleCursorError`, `SourceChangedError`, `UnreadableSourceError` and the workers' errors.
        """

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
        """Run an admitted statement, write its whole result to a file of the cache, and return its first rows.

        Raises as `query`, and `InvalidInputError` where the file would outgrow its limit.
        """

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
        """Describe a table, and how it can be joined with others, which come in the order of their sizes.

        Raises as `query`.
        """

    async def count_rows(self, tables: Sequence[Source]) -> list[RowCount]:
        """Count the rows of tables, in their order; `unknown` for those that would take long."""


class RowFiles(Protocol):
    """The part of an engine for rows in files of the cache: tables out of documents, and the results of `map_rows`.

    The sources of these are tables of its engine like any other.
    """

    async def take_rows(
        self,
        statement: Statement,
        tables: Mapping[str, Source],
        wanted: RowsWanted,
        *,
        ends: float,
        on_progress: Progress | None = None,
    ) -> TakenRows:
        """Run an admitted statement, keep its rows in a file, and return their texts.

        Raises as `TableEngine.query`, and `InvalidInputError` for a text column that isn't there or can't be told.
        """

    async def keep_rows(self, columns: dict[str, list[Any]], wanted: RowsWanted, *, deadline: float) -> TakenRows:
        """Keep rows that are no statement's, given column by column; raises as `take_rows`."""

    async def write_map(self, work: MapWork, *, deadline: float, on_progress: Progress | None = None) -> MapMade:
        """Write a table of kept rows and what was found in each; raises `StorageError` and the workers' errors."""
