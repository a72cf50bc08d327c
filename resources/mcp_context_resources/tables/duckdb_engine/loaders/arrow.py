"""Arrow files and streams (Feather among them) and ORC through pyarrow: one table each, types kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import check, optional_module, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb

    from mcp_context_resources.workers.job import Job

_FILE_MAGIC: Final = b"ARROW1"
_FEATHER_1_MAGIC: Final = b"FEA1"
_ORC_MAGIC: Final = b"ORC"


def load_arrow(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:  # noqa: ARG001
    """Make the table `data` from an Arrow IPC file or stream, told apart by their content.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    return _load(job, connection, path, _arrow_batches)


def load_orc(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:  # noqa: ARG001
    """Make the table `data` from an ORC file.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    return _load(job, connection, path, _orc_batches)


def _load(
    job: Job,
    connection: duckdb.DuckDBPyConnection,
    path: str,
    open_batches: Callable[[Any, str], tuple[Any, int, Iterator[Any]]],
) -> list[str]:
    pa = optional_module("pyarrow", path)
    try:
        stored, count, batches = open_batches(pa, path)
        schema, notes = _readable(pa, stored)
        if not len(schema):
            raise broken(path, "has no columns.")
        checked = _checked(job, pa, schema, batches, count)
        reader = pa.RecordBatchReader.from_batches(schema, checked)
        connection.register("stream", reader)
        try:
            connection.execute("CREATE OR REPLACE TABLE data AS FROM stream")
        finally:
            connection.unregister("stream")
    except (pa.ArrowException, OSError, ValueError) as error:
        check(job)
        raise broken(path, f"can't be read: {reason(error, path)}.") from error
    return notes


def _arrow_batches(pa: Any, path: str) -> tuple[Any, int, Iterator[Any]]:
    from pyarrow import feather, ipc

    start = _start(path)
    if start.startswith(_FEATHER_1_MAGIC):
        table = feather.read_table(path)
        return table.schema, 0, iter(table.to_batches())
    if start.startswith(_FILE_MAGIC):
        file = ipc.open_file(pa.OSFile(path))
        return file.schema, file.num_record_batches, map(file.get_batch, range(file.num_record_batches))
    stream = ipc.open_stream(pa.OSFile(path))
    return stream.schema, 0, iter(stream)


def _orc_batches(pa: Any, path: str) -> tuple[Any, int, Iterator[Any]]:  # noqa: ARG001 - as `_arrow_batches`
    from pyarrow import orc

    if not _start(path).startswith(_ORC_MAGIC):
        raise broken(path, "is not an ORC file.")
    file = orc.ORCFile(path)
    return file.schema, file.nstripes, map(file.read_stripe, range(file.nstripes))


def _start(path: str) -> bytes:
    with open(path, "rb") as file:
        start = file.read(8)
    if not start:
        raise broken(path, "is empty.")
    return start


def _readable(pa: Any, stored: Any) -> tuple[Any, list[str]]:
    """Return the schema to hand over: names unique, and types the engine lacks as the nearest that hold all values."""
    notes, fields = [], []
    for name, field in zip(unique_names(stored.names), stored, strict=True):
        kind = field.type
        if pa.types.is_float16(kind):
            kind = pa.float32()
        elif pa.types.is_decimal256(kind):
            kind = pa.string()
            notes.append(f"{name} is kept as text: its numbers have more digits than a DECIMAL.")
        fields.append(pa.field(name, kind))
    return pa.schema(fields), notes


def _checked(job: Job, pa: Any, schema: Any, batches: Iterator[Any], count: int) -> Iterator[Any]:
    """Pass on batches whose offsets and lengths hold together: the engine trusts them."""
    for done, batch in enumerate(batches, start=1):
        check(job)
        batch.validate(full=True)
        columns = [
            column if column.type == field.type else column.cast(field.type)
            for column, field in zip(batch.columns, schema, strict=True)
        ]
        job.progress(done, count)
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
