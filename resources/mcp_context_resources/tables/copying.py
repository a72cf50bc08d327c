"""Making columnar copies, inside a worker of its own: what is slow to read is read once for each version."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from mcp_context_resources.cache import Cache
from mcp_context_resources.errors import ContextError
from mcp_context_resources.tables.connections import (
    forget_samples,
    relation_of,
    scratch_connection,
    unreadable,
    work_folder,
)
from mcp_context_resources.tables.copied import write_copy
from mcp_context_resources.tables.formats import is_foreign
from mcp_context_resources.tables.readers import Relation
from mcp_context_resources.tables.sql_errors import contradicts_sample
from mcp_context_resources.tables.versions import check_unchanged

if TYPE_CHECKING:
    from mcp_context_resources.tables.spec import EngineLimits, TableSpec
    from mcp_context_resources.workers.job import Job


def copy(job: Job, table: TableSpec, name: str, limits: EngineLimits) -> None:
    """Read a whole table and leave a columnar copy of it in the cache under `name`.

    Raises `UnreadableSourceError`, `DeadlineExceededError`, `OutOfMemoryError`.
    """
    cache = Cache(Path(limits.cache_dir), "tables", limits.max_cache_bytes)
    with (
        TemporaryDirectory(dir=work_folder(limits), ignore_cleanup_errors=True) as scratch,
        scratch_connection(limits) as connection,
    ):
        try:
            relation = _relation(job, table, connection, Path(scratch), limits)
            with cache.place(name) as target, job.interruptible(connection.interrupt, connection.query_progress):
                write_copy(connection, relation, target)
                check_unchanged([table])
        except ContextError:
            raise
        except duckdb.Error as error:
            # A value far down may contradict types found from a sample: look at the whole file and copy once more.
            if not contradicts_sample(error) or not forget_samples([table]):
                raise unreadable(table, error) from error
            copy(job, table, name, limits)
        except OSError as error:
            raise unreadable(table, error) from error


def _relation(
    job: Job, table: TableSpec, connection: duckdb.DuckDBPyConnection, scratch: Path, limits: EngineLimits
) -> Relation:
    if not is_foreign(table.format):
        with job.interruptible(connection.interrupt):
            return relation_of(table, connection, limits)
    from mcp_context_resources.tables.foreign import registry

    notes = registry.load(job, connection, table.path, table.format, table.part, scratch)
    return Relation("data", (), notes=tuple(notes))
