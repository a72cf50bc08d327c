"""The engine's functions by name, without importing the engine: what the service hands to a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.spec import EngineLimits, Fetch, Fetched, Profile, RowCount, Statement, TableSpec
    from mcp_context_resources.workers.job import Job


def query(job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, limits: EngineLimits) -> Fetched:
    """See `engine.query`."""
    from mcp_context_resources.tables import engine

    return engine.query(job, statement, tables, fetch, limits)


def profile(job: Job, table: TableSpec, example_rows: int, max_cell_chars: int, limits: EngineLimits) -> Profile:
    """See `engine.profile`."""
    from mcp_context_resources.tables import engine

    return engine.profile(job, table, example_rows, max_cell_chars, limits)


def count_rows(job: Job, tables: Sequence[TableSpec], limits: EngineLimits) -> list[RowCount]:
    """See `engine.count_rows`."""
    from mcp_context_resources.tables import engine

    return engine.count_rows(job, tables, limits)
