"""DuckDB databases: each table and view of each schema is a table."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

import duckdb

from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.gate import PRIVATE
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import busy, check, no_such_part, reason
from mcp_context_resources.tables.duckdb_engine.loaders.single_row import single_row
from mcp_context_resources.tables.quoting import identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mcp_context_resources.errors import ContextError
    from mcp_context_resources.workers.job import Job

_COPIED_SETTINGS: Final = ("memory_limit", "threads", "temp_directory", "max_temp_directory_size")
_OFF: Final = ("python_enable_replacements", "autoinstall_known_extensions", "autoload_known_extensions")
_TABLES: Final = """
    SELECT schema_name, table_name, 0 AS kind, table_oid AS number FROM duckdb_tables()
    WHERE database_name = 'source' AND NOT internal
    UNION ALL
    SELECT schema_name, view_name, 1, view_oid FROM duckdb_views() WHERE database_name = 'source' AND NOT internal
    ORDER BY kind, schema_name <> 'main', schema_name, number
"""

_VIEWS: Final = "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE database_name = 'source' AND NOT internal"
_MACROS: Final = "SELECT macro_definition FROM duckdb_functions() WHERE database_name = 'source' AND NOT internal"


def parts(job: Job, path: str, scratch: Path) -> list[str]:  # noqa: ARG001 - one signature for all formats
    """Return the names of the tables and views, with their schema where that isn't `main`.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    with _attached(job, path, {}, None) as source:
        return list(_tables(source))


def load(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:
    """Make the view `data` on a copy of a table or view in `scratch`, which must stay as long as `data` is used.

    A view of the file runs in a locked connection of its own, where it reaches nothing but the file.

    Raises `NotFoundError`, `UnreadableSourceError`, `DeadlineExceededError`.
    """
    settings = {name: _setting(connection, name) for name in _COPIED_SETTINGS}
    copy = scratch / "copy.duckdb"
    copy.unlink(missing_ok=True)
    with _attached(job, path, settings, copy) as source:
        tables = _tables(source)
        if part not in tables:
            raise no_such_part(path, part, tables)
        if tables[part] in _asking_for_settings(source):
            raise broken(
                path, f"holds a view, {part}, that asks for the engine's settings.", "Read its tables instead."
            )
        schema, name = tables[part]
        source.execute("USE source")  # views name the tables beside them without the database
        source.execute(f"CREATE TABLE copied.main.data AS FROM source.{identifier(schema)}.{identifier(name)}")
    connection.execute(f"ATTACH {quoted(str(copy))} AS copied (READ_ONLY)")
    connection.execute("CREATE OR REPLACE VIEW data AS FROM copied.main.data")
    return []


@contextlib.contextmanager
def _attached(job: Job, path: str, settings: dict[str, str], copy: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection that reaches the file as `source`, the empty file `copy`, and nothing else any more."""
    config: dict[str, str | bool | int | float | list[str]] = {**settings, **dict.fromkeys(_OFF, "false")}
    with contextlib.closing(duckdb.connect(config=config)) as connection, job.interruptible(connection.interrupt):
        try:
            connection.execute(f"ATTACH {quoted(path)} AS source (READ_ONLY)")
            if copy is not None:
                connection.execute(f"ATTACH {quoted(str(copy))} AS copied")
            connection.execute("SET enable_external_access=false")
            connection.execute("SET lock_configuration=true")
            yield connection
        except duckdb.Error as error:
            raise _explained(job, path, error) from error


def _tables(source: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    found = source.execute(_TABLES).fetchall()
    return {name if schema == "main" else f"{schema}.{name}": (schema, name) for schema, name, *_ in found}


def _asking_for_settings(source: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Return the views whose text, or that of the file's macros, names what would tell about this machine."""
    macros = " ".join(str(text) for (text,) in source.execute(_MACROS).fetchall())
    return {
        (schema, name)
        for schema, name, text in source.execute(_VIEWS).fetchall()
        if PRIVATE & set(re.findall(r"\w+", f"{text} {macros}".lower()))
    }


def _setting(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    return str(single_row(connection, f"SELECT current_setting({quoted(name)})")[0])


def _explained(job: Job, path: str, error: duckdb.Error) -> ContextError:
    if isinstance(error, duckdb.InterruptException):
        check(job)
    text = str(error)
    if "Could not set lock" in text or "being used by another process" in text:
        return busy(path, "is open for writing in another program.", "Close it there, or have it opened read-only.")
    if isinstance(error, duckdb.PermissionException):
        return broken(path, "holds a view that reads other files, which is not done here.", "Read its tables instead.")
    if "storage version" in text or "newer version" in text or "older version" in text:
        return broken(path, "was written by another version of DuckDB than is read here.", "Export it to Parquet.")
    if isinstance(error, duckdb.IOException) or "Corrupt database" in text:
        return broken(path, "is damaged or cut short: DuckDB can't open it.")
    return broken(path, f"can't be read as a DuckDB database: {reason(error, path)}.")
