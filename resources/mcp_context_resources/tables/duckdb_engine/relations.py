"""Relations: from a file to the SQL that reads it."""

from __future__ import annotations

import codecs
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import UnreadableSourceError
from mcp_context_resources.tables.duckdb_engine.encoding import check_packing, encoding_of_file, open_bytes, utf8_copy
from mcp_context_resources.tables.duckdb_engine.ragged_lines import ragged_lines
from mcp_context_resources.tables.quoting import exact_path, quoted

if TYPE_CHECKING:
    import duckdb

    from mcp_context_resources.cache import Cache
    from mcp_context_resources.tables.spec import TableSpec

# Smaller files are looked at whole, of larger ones this many rows: after each edit it is done anew.
_FULL_SNIFF_BYTES: Final = 8 << 20
_SAMPLE_ROWS: Final = 20_480
_AUTOMATIC_NAME: Final = re.compile(r"column\d+")
_MARKS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
_NATIVE_ENCODINGS: Final = ("utf-8", "utf-8-sig")


@dataclass(frozen=True, slots=True)
class Relation:
    """How to read one table: SQL after `FROM`, the files it touches, and what a reader should know.

    `options` is how a file of it is read, where several files read alike can be read in one go, `dialect` how a CSV
    file is written, for a reader. `sampled` says that the types were found from the first rows alone.
    """

    sql: str
    paths: tuple[str, ...]
    encoding: str | None = None
    notes: tuple[str, ...] = ()
    sampled: bool = False
    options: str = ""
    dialect: str = ""


def relation_for(
    spec: TableSpec, connection: duckdb.DuckDBPyConnection, cache: Cache, *, whole: bool = False
) -> Relation:
    """Find out how a file is read; `connection` must still be allowed to open files.

    Of a large CSV file only a sample is sniffed, unless `whole` is set.

    Raises `UnreadableSourceError` when the file is not what its name says.
    """
    if spec.format == "csv":
        return _csv(spec, connection, cache, whole=whole)
    _refuse_empty(spec.path)
    if spec.format == "parquet":
        return Relation(f"read_parquet({quoted(exact_path(spec.path))})", (spec.path,))
    check_packing(spec.path)
    sampled = not whole and os.stat(spec.path).st_size > _FULL_SNIFF_BYTES
    rows = _SAMPLE_ROWS if sampled else -1
    notes = (f"Its fields were found from the first {rows:,} records.",) if sampled else ()
    options = f"sample_size={rows}"
    return Relation(
        f"read_json({quoted(exact_path(spec.path))}, {options})",
        (spec.path,),
        notes=notes,
        sampled=sampled,
        options=options,
    )


def _refuse_empty(path: str) -> None:
    if os.stat(path).st_size == 0:
        raise UnreadableSourceError(f"{Path(path).name!r} is empty.", "There is nothing to read in it.")


def _csv(spec: TableSpec, connection: duckdb.DuckDBPyConnection, cache: Cache, *, whole: bool) -> Relation:
    _refuse_empty(spec.path)
    path = spec.path
    encoding = encoding_of_file(path, spec.encoding)
    if encoding not in _NATIVE_ENCODINGS:
        path = utf8_copy(path, encoding, spec.fingerprint, cache)
    sampled = not whole and os.stat(path).st_size > _FULL_SNIFF_BYTES
    rows = _SAMPLE_ROWS if sampled else -1
    found = _sniff(path, connection, rows)
    notes = [] if encoding in _NATIVE_ENCODINGS else [f"Its encoding was recognised as {encoding}."]
    blank = _leading_blank_lines(path)
    if found["SkipRows"] > blank or _is_one_unsplit_column(found):
        # Lines of different lengths make the sniffer skip some or split none; a preamble does, too, but names nothing.
        padded = _sniff(path, connection, rows, null_padding=True)
        if _names_its_columns(padded) and len(padded["Columns"]) >= len(found["Columns"]):
            found = padded | {"NullPadding": True, "SkipRows": max(blank, padded["SkipRows"])}
            notes.append(ragged_lines(path, found["Delimiter"], found["Quote"], _named(found)))
        elif found["SkipRows"]:
            notes.append(f"The first {found['SkipRows']} lines are not part of the table and were left out.")
    notes += [
        f"{what} are read as {found[key]}."
        for key, what in (("DateFormat", "Dates"), ("TimestampFormat", "Times"))
        if found[key] and not str(found[key]).startswith("%Y")  # year first leaves no doubt
    ]
    options = _csv_options(found)
    return Relation(
        f"read_csv({quoted(exact_path(path))}, {options})",
        (path,),
        encoding,
        tuple(notes),
        sampled,
        options,
        _dialect(found),
    )


def _leading_blank_lines(path: str) -> int:
    with open_bytes(path) as file:
        start = file.read(4096).removeprefix(codecs.BOM_UTF8)
    return start[: len(start) - len(start.lstrip(b"\r\n"))].count(b"\n")


def _is_one_unsplit_column(found: dict[str, Any]) -> bool:
    columns = found["Columns"]
    return len(columns) == 1 and any(mark in columns[0]["name"] for mark in ",;\t|")


def _names_its_columns(found: dict[str, Any]) -> bool:
    """Tell whether the first line is a header that names most of several columns."""
    return found["HasHeader"] and not found["SkipRows"] and 1 < len(found["Columns"]) < 2 * _named(found)


def _named(found: dict[str, Any]) -> int:
    return sum(not _AUTOMATIC_NAME.fullmatch(column["name"]) for column in found["Columns"])


def _dialect(found: dict[str, Any]) -> str:
    mark = str(found["Delimiter"])
    header = "with a header" if found["HasHeader"] else "without a header"
    return f"separated by {_MARKS.get(mark, mark)}, {header}"


def _sniff(
    path: str, connection: duckdb.DuckDBPyConnection, rows: int, *, null_padding: bool = False
) -> dict[str, Any]:
    cursor = connection.execute(
        "SELECT * FROM sniff_csv($1, sample_size := $2, null_padding := $3)", [exact_path(path), rows, null_padding]
    )
    names = [column[0] for column in cursor.description or ()]
    return dict(zip(names, cursor.fetchone() or (), strict=True))


def _csv_options(found: dict[str, Any]) -> str:
    def text(key: str) -> str:
        value = found[key]
        return "" if value in (None, "(empty)") else str(value)

    columns = ", ".join(f"{quoted(column['name'])}: {quoted(column['type'])}" for column in found["Columns"])
    options = {
        "auto_detect": "false",
        "delim": quoted(text("Delimiter")),
        "quote": quoted(text("Quote")),
        "escape": quoted(text("Escape")),
        "comment": quoted(text("Comment")),
        "skip": str(int(found["SkipRows"])),
        "header": "true" if found["HasHeader"] else "false",
        "columns": "{" + columns + "}",
    }
    for key, option in (("DateFormat", "dateformat"), ("TimestampFormat", "timestampformat")):
        if found[key]:
            options[option] = quoted(str(found[key]))
    if found.get("NullPadding"):
        options["null_padding"] = "true"
    return ", ".join(f"{name}={value}" for name, value in options.items())
