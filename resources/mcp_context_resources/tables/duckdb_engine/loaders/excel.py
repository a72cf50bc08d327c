"""Excel and other workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) by python-calamine: a table for each visible sheet."""

from __future__ import annotations

import contextlib
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import PasswordRequiredError
from mcp_context_resources.file_errors import broken
from mcp_context_resources.tables.duckdb_engine.loaders.archive import refuse_bomb
from mcp_context_resources.tables.duckdb_engine.loaders.growing_table import GrowingTable
from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import check, no_such_part, reason
from mcp_context_resources.tables.duckdb_engine.loaders.sheet_layout import LOOKED_AT_ROWS, layout_of
from mcp_context_resources.tables.duckdb_engine.loaders.sheet_xml import SheetScan, holds_values, scan_sheet
from mcp_context_resources.tables.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import duckdb
    from python_calamine import CalamineSheet, CalamineWorkbook

    from mcp_context_resources.workers.job import Job

_CHUNK_ROWS: Final = 50_000
_CHUNK_CELLS: Final = 500_000
# The reader keeps every cell between the first and the last one in memory, filled or not.
_MAX_CELLS: Final = 32_000_000
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")


def parts(job: Job, path: str, scratch: Path) -> list[str]:  # noqa: ARG001 - one signature for all formats
    """Return the names of the visible sheets that hold cells.

    Raises `UnreadableSourceError`, `PasswordRequiredError`, `DeadlineExceededError`.
    """
    with _opened(job, path) as workbook:
        names = []
        for name in _visible(workbook):
            check(job)
            found = holds_values(job, path, name)
            if found or (found is None and _sheet(workbook, path, name).height):
                names.append(name)
        return names


def load(job: Job, connection: duckdb.DuckDBPyConnection, path: str, part: str, scratch: Path) -> list[str]:  # noqa: ARG001
    """Make the table `data` from a sheet; return notes on its layout, its errors and columns of mixed kinds.

    Raises `NotFoundError`, `UnreadableSourceError`, `PasswordRequiredError`, `DeadlineExceededError`.
    """
    from python_calamine import SheetVisibleEnum

    with _opened(job, path) as workbook:
        visible = _visible(workbook)
        if part not in visible:
            raise no_such_part(path, part, visible)
        scan = _scan_for_size(job, path, part)
        sheet = _sheet(workbook, path, part)
        notes = _fill(job, connection, sheet, path)
        if scan.errors:
            columns = ", ".join(sorted(scan.errors, key=lambda letters: (len(letters), letters))[:10])
            notes.append(
                f"{scan.errors.total():,} cells hold an error (such as #DIV/0!) and are null (in columns {columns})."
            )
        hidden = [sheet.name for sheet in workbook.sheets_metadata if sheet.visible != SheetVisibleEnum.Visible]
        if hidden:
            notes.append(f"Hidden sheets of the workbook are left out: {', '.join(hidden[:10])}.")
        return notes


@contextlib.contextmanager
def _opened(job: Job, path: str) -> Iterator[CalamineWorkbook]:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    with open(path, "rb") as file:
        _refuse_other_content(job, path, file.read(512))
        try:
            file.seek(0)
            # Given a path, the reader would go by its ending instead of what the file holds.
            workbook = CalamineWorkbook.from_filelike(file)
        except PasswordError as error:
            raise _password(path) from error
        except CalamineError as error:
            raise broken(path, f"can't be read as a workbook: {reason(error, path)}.") from error
        with workbook:
            yield workbook


def _refuse_other_content(job: Job, path: str, start: bytes) -> None:
    if not start:
        raise broken(path, "is empty.", "A workbook needs at least one sheet.")
    if start.startswith(_OLE):
        with open(path, "rb") as file:
            if _ENCRYPTED in file.read(4 << 20):
                raise _password(path)
    elif start.startswith(b"PK"):
        refuse_bomb(job, path)
    elif start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise broken(path, "is a page of HTML or XML, not a workbook.", "Name it .html or .xml, or save it as .xlsx.")
    else:
        raise broken(path, "is not a workbook.")


def _password(path: str) -> PasswordRequiredError:
    error = broken(path, "is encrypted with a password.", "Save a copy without the password.")
    return PasswordRequiredError(error.message, error.hint)


def _visible(workbook: CalamineWorkbook) -> list[str]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    return [
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
    ]


def _scan_for_size(job: Job, path: str, name: str) -> SheetScan:
    scan = scan_sheet(job, path, name) or SheetScan()
    if scan.last_row * scan.last_column > _MAX_CELLS:
        raise broken(
            path,
            f"has cells in sheet {name!r} out to row {scan.last_row:,}, column {scan.last_column:,}: too many.",
            "Save the sheet as CSV or Parquet, or delete the stray cells.",
        )
    return scan


def _sheet(workbook: CalamineWorkbook, path: str, name: str) -> CalamineSheet:
    from python_calamine import CalamineError, PasswordError

    try:
        return workbook.get_sheet_by_name(name)
    except PasswordError as error:
        raise _password(path) from error
    except CalamineError as error:
        raise broken(path, f"has a sheet {name!r} that can't be read: {reason(error, path)}.") from error


def _fill(job: Job, connection: duckdb.DuckDBPyConnection, sheet: CalamineSheet, path: str) -> list[str]:
    filled = (row for row in sheet.iter_rows() if row.count("") != len(row))
    head = list(islice(filled, LOOKED_AT_ROWS))
    if not head:
        raise broken(path, f"has nothing in sheet {sheet.name!r}.", "Choose a sheet with cells.")
    layout = layout_of(head)
    table = GrowingTable(job, connection, layout.names, whole_numbers=True)
    for chunk in _chunks(chain(head[layout.skipped :], filled), len(layout.names)):
        table.append([_without_blanks(column) for column in zip(*chunk, strict=True)])
        job.progress(table.rows, sheet.height)
    notes = [*layout.notes, *table.finish()]
    kept = [named or bool(kind) for named, kind in zip(layout.named, table.types.values(), strict=True)]
    if any(kept) and not all(kept):
        for name, keep in zip(layout.names, kept, strict=True):
            if not keep:
                connection.execute(f"ALTER TABLE data DROP {identifier(name)}")
    return notes


def _chunks(rows: Iterable[list[Any]], width: int) -> Iterator[list[list[Any]]]:
    rows, size = iter(rows), max(1, min(_CHUNK_ROWS, _CHUNK_CELLS // width))
    while chunk := list(islice(rows, size)):
        yield chunk


def _without_blanks(column: Sequence[Any]) -> Sequence[Any]:
    return [None if value == "" else value for value in column] if "" in column else column
