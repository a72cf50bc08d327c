"""SQLite databases through the standard library: each table and view is a table."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names
from mcp_context_resources.tables.duckdb_engine.loaders.declared_types import settle_declared
from mcp_context_resources.tables.duckdb_engine.loaders.growing_table import GrowingTable
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import no_such_part
from mcp_context_resources.tables.duckdb_engine.loaders.sqlite_files import opened
from mcp_context_resources.tables.quoting import identifier

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from mcp_context_resources.workers.job import Job

_CHUNK_ROWS: Final = 50_000
_CHUNK_CELLS: Final = 500_000
_HAS_TABLE_LIST: Final = sqlite3.sqlite_version_info >= (3, 37)
# Every call looks at the tables of a locked file anew: each may cost little.
_LOOKING_SECONDS: Final = 0.3


def parts(job: Job, path: str, scratch: Path) -> list[str]:
    """Return the names of the tables and views, without SQLite's own and those behind virtual tables.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    with opened(job, path, scratch, lock_seconds=_LOOKING_SECONDS) as database:
        return _tables(database)


def load(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:
    """Make the table `data` from a table or view; return notes on what was assumed of its values.

    Raises `NotFoundError`, `UnreadableSourceError`, `DeadlineExceededError`.
    """
    with opened(job, path, scratch) as database:
        there = _tables(database)
        if part not in there:
            raise no_such_part(path, part, there)
        try:
            return _fill(job, connection, database, part)
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" in str(error):
                database.text_factory = lambda raw: raw.decode("utf-8", "replace")
                notes = _fill(job, connection, database, part)
                return [*notes, "Some of its text is not UTF-8: bytes that can't be read are shown as �."]
            if "no such module" in str(error):
                module = str(error).rpartition(" ")[2]
                raise broken(
                    path, f"holds {part!r} as a virtual table of the module {module}, which is not here."
                ) from error
            raise


def _tables(database: sqlite3.Connection) -> list[str]:
    names = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    if _HAS_TABLE_LIST:
        names += " AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')"
    return [str(name) for (name,) in database.execute(names + " ORDER BY rowid")]


def _fill(job: Job, connection: duckdb.DuckDBPyConnection, database: sqlite3.Connection, part: str) -> list[str]:
    declared = {str(row[1]): str(row[2]) for row in database.execute(f"PRAGMA table_xinfo({identifier(part)})")}
    cursor = database.execute(f"SELECT * FROM {identifier(part)}")
    there = [column[0] for column in cursor.description]
    names = unique_names(there)
    table = GrowingTable(job, connection, names)
    size = max(1, min(_CHUNK_ROWS, _CHUNK_CELLS // len(names)))
    while rows := cursor.fetchmany(size):
        columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True))
        table.append(columns)
        job.progress(table.rows)
    notes = table.finish()
    types = {name: declared.get(old, "") for name, old in zip(names, there, strict=True)}
    settled, assumed = settle_declared(connection, types, table.types)
    return [note for note in notes if not note.startswith(tuple(f"{name} mixes " for name in settled))] + assumed
