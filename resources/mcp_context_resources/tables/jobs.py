"""The engine's functions by name, without importing the engine: what the service hands to a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.mapped.spec import MapMade, MapWork, RowsWanted, TakenRows
    from mcp_context_resources.tables.spec import (
        EngineLimits,
        Export,
        Exported,
        Fetch,
        Fetched,
        Profile,
        RowCount,
        Statement,
        TableSpec,
    )
    from mcp_context_resources.workers.job import Job
    from mcp_context_resources.workspace.catalogue import Contents


def look_into(
    job: Job, files: Sequence[tuple[str, str]], encoding: str | None, limits: EngineLimits
) -> list[Contents | None]:
    """See `contents.look_into`."""
    from mcp_context_resources.tables import contents

    return contents.look_into(job, files, encoding, limits)


def copy(job: Job, table: TableSpec, name: str, limits: EngineLimits) -> None:
    """See `copying.copy`."""
    from mcp_context_resources.tables import copying

    copying.copy(job, table, name, limits)


def query(job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, limits: EngineLimits) -> Fetched:
    """See `engine.query`."""
    from mcp_context_resources.tables import engine

    return engine.query(job, statement, tables, fetch, limits)


def export(
    job: Job, statement: Statement, tables: Sequence[TableSpec], fetch: Fetch, wanted: Export, limits: EngineLimits
) -> tuple[Fetched, Exported]:
    """See `exports.export`."""
    from mcp_context_resources.tables import exports

    return exports.export(job, statement, tables, fetch, wanted, limits)


def profile(
    job: Job,
    table: TableSpec,
    others: Sequence[TableSpec],
    example_rows: int,
    max_cell_chars: int,
    limits: EngineLimits,
) -> Profile:
    """See `profiles.profile`."""
    from mcp_context_resources.tables import profiles

    return profiles.profile(job, table, others, example_rows, max_cell_chars, limits)


def count_rows(job: Job, tables: Sequence[TableSpec], limits: EngineLimits) -> list[RowCount]:
    """See `profiles.count_rows`."""
    from mcp_context_resources.tables import profiles

    return profiles.count_rows(job, tables, limits)


def take_rows(
    job: Job, statement: Statement, tables: Sequence[TableSpec], wanted: RowsWanted, limits: EngineLimits
) -> TakenRows:
    """See `mapped.rows.take_rows`."""
    from mcp_context_resources.tables.mapped import rows

    return rows.take_rows(job, statement, tables, wanted, limits)


def keep_rows(job: Job, columns: dict[str, list[Any]], wanted: RowsWanted, limits: EngineLimits) -> TakenRows:
    """See `mapped.rows.keep_rows`."""
    from mcp_context_resources.tables.mapped import rows

    return rows.keep_rows(job, columns, wanted, limits)


def write_map(job: Job, work: MapWork, limits: EngineLimits) -> MapMade:
    """See `mapped.writing.write_map`."""
    from mcp_context_resources.tables.mapped import writing

    return writing.write_map(job, work, limits)
