"""Fixed-width text files: columns found by pandas from the first lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.encoding import encoding_of_file
from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names
from mcp_context_resources.tables.duckdb_engine.loaders.growing_table import GrowingTable
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import reason
from mcp_context_resources.tables.duckdb_engine.loaders.text_types import ALL_TYPES, settle_texts

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from mcp_context_resources.workers.job import Job

_LOOKED_AT_ROWS: Final = 1_000
_CHUNK_ROWS: Final = 20_000


def load(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:  # noqa: ARG001
    """Make the table `data`; the first line names the columns.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    import pandas as pd

    encoding = encoding_of_file(path)
    notes = [] if encoding.startswith("utf-8") else [f"Its encoding was recognised as {encoding}."]
    table = None
    try:
        with open(path, encoding=encoding, newline=None) as file:
            chunks = pd.read_fwf(
                file,
                header=None,
                dtype="str",
                keep_default_na=False,
                infer_nrows=_LOOKED_AT_ROWS,
                chunksize=_CHUNK_ROWS,
            )
            for chunk in chunks:
                columns = [[value or None for value in chunk[name].tolist()] for name in chunk]
                if table is None:
                    table = GrowingTable(job, connection, unique_names(column[0] for column in columns))
                    columns = [column[1:] for column in columns]
                table.append(columns)
                job.progress(table.rows)
    except (ValueError, IndexError) as error:
        raise broken(path, f"can't be read as columns of fixed width: {reason(error, path)}.") from error
    if table is None:
        raise broken(path, "has no lines.")
    notes += ["Where its columns begin was found from the first lines.", *table.finish()]
    settle_texts(connection, dict.fromkeys(table.types, ALL_TYPES))
    return notes
