"""Copying to columns, inside a worker of its own: what is slow to read is read once for each version."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from mcp_context_resources.cache import Cache
from mcp_context_resources.tables.duckdb_engine.columnar_files import write_copy
from mcp_context_resources.tables.duckdb_engine.connections import (
    despite_samples,
    relation_of,
    scratch_connection,
    unreadable,
    work_folder,
)
from mcp_context_resources.tables.duckdb_engine.file_versions import check_unchanged
from mcp_context_resources.tables.duckdb_engine.relations import Relation

if TYPE_CHECKING:
    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.job import Job


def copy(job: Job, table: TableSpec, name: str, limits: EngineLimits) -> None:
    """Read a whole table and leave a columnar copy of it in the cache under `name`.

    Raises `UnreadableSourceError`, `DeadlineExceededError`, `OutOfMemoryError`.
    """
    with TemporaryDirectory(dir=work_folder(limits), ignore_cleanup_errors=True) as scratch:
        try:
            despite_samples([table], lambda: _copy(job, table, name, Path(scratch), limits))
        except (duckdb.Error, OSError) as error:
            raise unreadable(table, error) from error


def _copy(job: Job, table: TableSpec, name: str, scratch: Path, limits: EngineLimits) -> None:
    cache = Cache(Path(limits.cache_dir), "tables", limits.max_cache_bytes)
    with scratch_connection(limits) as connection:
        relation = _relation(job, table, connection, scratch, limits)
        with cache.place(name) as target, job.interruptible(connection.interrupt, connection.query_progress):
            write_copy(connection, relation, target)
            check_unchanged([table])


def _relation(
    job: Job, table: TableSpec, connection: duckdb.DuckDBPyConnection, scratch: Path, limits: EngineLimits
) -> Relation:
    if table.reader is None:
        with job.interruptible(connection.interrupt):
            return relation_of(table, connection, limits)
    from mcp_context_resources.tables.duckdb_engine.loaders import registry

    notes = registry.load(job, connection, table.path, table.reader, table.part, scratch)
    return Relation("data", (), notes=tuple(notes))
