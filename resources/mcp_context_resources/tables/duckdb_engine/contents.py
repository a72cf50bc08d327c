"""File contents: which tables are in them, and which files have one shape."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import ContextError
from mcp_context_resources.tables.duckdb_engine.encoding import encoding_of_file, open_bytes
from mcp_context_resources.tables.quoting import exact_path
from mcp_context_resources.workspace.catalogue import Contents

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from mcp_context_resources.tables.reader import TableReader
    from mcp_context_resources.tables.spec import EngineLimits, TableFile
    from mcp_context_resources.workers.job import Job

_LOOKING_SECONDS: Final = 3.0
_HEADER_BYTES: Final = 64 << 10
_MOST_PARTS: Final = 10_000


def look_into(
    job: Job, files: Sequence[TableFile], encoding: str | None, limits: EngineLimits
) -> list[Contents | None]:
    """Look into files; None for those there was no time for (three seconds).

    A file that can't be read is one table with a `problem`.
    """
    ends = time.monotonic() + _LOOKING_SECONDS
    found: list[Contents | None] = []
    for file in files:
        if found and (time.monotonic() > ends or job.should_stop):
            found.append(None)
            continue
        try:
            if file.reader is not None:
                parts = _parts(job, file.path, file.reader, limits)
                found.append(Contents(tuple(parts[:_MOST_PARTS]), left_out=max(0, len(parts) - _MOST_PARTS)))
            else:
                found.append(Contents(shape=_shape(file.path, file.format, encoding)))
        except ContextError as error:
            found.append(Contents(problem=error.message, passing=not error.lasting))
        except Exception:  # noqa: BLE001 - whatever a stranger's file does to a reader: what is wrong is told when it is read
            found.append(Contents())
    return found


def _parts(job: Job, path: str, reader: TableReader, limits: EngineLimits) -> list[str]:
    from mcp_context_resources.tables.duckdb_engine.connections import work_folder
    from mcp_context_resources.tables.duckdb_engine.loaders import registry

    with TemporaryDirectory(dir=work_folder(limits), ignore_cleanup_errors=True) as scratch:
        return registry.parts(job, path, reader, Path(scratch))


@functools.cache
def _reader() -> duckdb.DuckDBPyConnection:
    """Return the connection for statements of ours that look at the beginning of a file."""
    import duckdb

    return duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": False})


def _shape(path: str, form: str, encoding: str | None) -> str:
    """Describe a file's columns so that files with equal descriptions make one table; "" where they can't be told."""
    if form == "csv":
        return _header(path, encoding)
    cursor = _reader().cursor()
    if form == "parquet":
        return _names(cursor.execute("SELECT name, type FROM parquet_schema($1)", [exact_path(path)]).fetchall())
    return _names(
        cursor.execute("SELECT * FROM read_json($1, sample_size=1) LIMIT 0", [exact_path(path)]).description or []
    )


def _names(columns: Sequence[Any]) -> str:
    return "\n".join(f"{name}\t{rest[0] if rest else ''}" for name, *rest in columns)


def _header(path: str, encoding: str | None) -> str:
    with open_bytes(path) as file:
        first = next((line for line in file.read(_HEADER_BYTES).splitlines() if line.strip()), b"")
    try:
        return first.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return first.decode(encoding_of_file(path, encoding), errors="replace").strip()
