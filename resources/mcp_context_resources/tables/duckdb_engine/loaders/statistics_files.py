"""Files of Stata, SAS and SPSS through pyreadstat: one table each, with value labels applied where they cover all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.loaders.column_names import unique_names
from mcp_context_resources.tables.duckdb_engine.loaders.growing_table import GrowingTable
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import check, optional_module, reason
from mcp_context_resources.tables.duckdb_engine.loaders.single_row import single_row
from mcp_context_resources.tables.quoting import identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb

    from mcp_context_resources.workers.job import Job

_CHUNK_CELLS: Final = 1_000_000
_CHUNK_ROWS: Final = 100_000
_NOTED: Final = 10
_DEFINE_MISSING: Final = frozenset({".sav", ".zsav"})
_READERS: Final = {
    ".dta": "read_dta",
    ".sas7bdat": "read_sas7bdat",
    ".xpt": "read_xport",
    ".sav": "read_sav",
    ".zsav": "read_sav",
    ".por": "read_por",
}
_XPORT_RECORD: Final = 80


def load(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:  # noqa: ARG001
    """Make the table `data`; return notes with labels of variables and values.

    Blank texts and user-defined missing values are null, as the format means them.

    Raises `UnreadableSourceError`, `DeadlineExceededError`.
    """
    pyreadstat = optional_module("pyreadstat", path)
    # An XPORT file consists of whole records and doesn't say how many: rows cut off would not be missed.
    if path.lower().endswith(".xpt") and Path(path).stat().st_size % _XPORT_RECORD:
        raise broken(path, "is cut short.")
    read = getattr(pyreadstat, _READERS[Path(path).suffix.lower()])
    try:
        _, about = read(path, metadataonly=True, **_also_missing(path))
        names = unique_names(about.column_names)
        if not names:
            raise broken(path, "has no columns.")
        table = _fill(job, connection, path, read, names, about.number_rows or 0)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeError, ValueError) as error:
        check(job)
        raise broken(path, f"can't be read: {reason(error, path)}.") from error
    mixed = table.finish()
    labels = {
        name: about.variable_value_labels[stored]
        for name, stored in zip(names, about.column_names, strict=True)
        if about.variable_value_labels.get(stored)
    }
    notes = [*_variable_labels(names, about.column_labels), *_apply_labels(connection, table.types, labels), *mixed]
    if about.missing_ranges or about.missing_user_values:
        notes.append("Values that the file defines as missing are null.")
    return notes


def _also_missing(path: str) -> dict[str, bool]:
    """Return the option with which the reader tells which values a file defines as missing, where it has one."""
    return {"user_missing": True} if Path(path).suffix.lower() in _DEFINE_MISSING else {}


def _fill(
    job: Job,
    connection: duckdb.DuckDBPyConnection,
    path: str,
    read: Callable[..., Any],
    names: Sequence[str],
    total: int,
) -> GrowingTable:
    table = GrowingTable(job, connection, names, whole_numbers=True)
    size = max(1, min(_CHUNK_ROWS, _CHUNK_CELLS // len(names)))
    while True:
        check(job)
        columns, _ = read(path, row_offset=table.rows, row_limit=size, output_format="dict")
        values = [_without_blanks(column) for column in columns.values()]
        if not values or not values[0]:
            return table
        table.append(values)
        job.progress(table.rows, total)
        if len(values[0]) < size:
            return table


def _without_blanks(column: Any) -> list[Any]:
    plain = column if isinstance(column, list) else column.tolist()
    return [None if value == "" or value != value else value for value in plain]  # noqa: PLR0124 - NaN differs from itself


def _variable_labels(names: Sequence[str], labels: Sequence[str | None]) -> list[str]:
    labelled = [f"{name}: {label}" for name, label in zip(names, labels, strict=True) if label and label != name]
    if not labelled:
        return []
    more = f" and {len(labelled) - _NOTED} more" if len(labelled) > _NOTED else ""
    return [f"Labels of its columns: {'; '.join(labelled[:_NOTED])}{more}."]


def _apply_labels(
    connection: duckdb.DuckDBPyConnection, types: Mapping[str, str], labels: Mapping[str, Mapping[Any, str]]
) -> list[str]:
    """Put labels in the place of codes in columns where every code has one; name the codes of the others."""
    applied, partial = [], []
    for name, by_code in labels.items():
        column, keys = identifier(name), {_as_stored(code): label for code, label in by_code.items()}
        listed = ", ".join(map(quoted, keys))
        bare = single_row(
            connection,
            f"SELECT count(*) FROM data WHERE {column} IS NOT NULL AND {column}::VARCHAR NOT IN ({listed})",
        )
        if bare == (0,) and types[name]:
            cases = " ".join(f"WHEN {quoted(code)} THEN {quoted(str(label))}" for code, label in keys.items())
            connection.execute(f"ALTER TABLE data ALTER {column} TYPE VARCHAR USING CASE {column}::VARCHAR {cases} END")
            applied.append(name)
        else:
            shown = ", ".join(f"{code} = {label}" for code, label in list(keys.items())[:_NOTED])
            partial.append(f"{name} holds codes, of which some have labels: {shown}.")
    notes = [f"Codes were replaced by their labels in: {', '.join(applied[: 2 * _NOTED])}."] if applied else []
    return notes + partial[:_NOTED]


def _as_stored(code: Any) -> str:
    return str(int(code)) if isinstance(code, float) and code.is_integer() else str(code)
