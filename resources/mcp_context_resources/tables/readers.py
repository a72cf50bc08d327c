"""From a file to the SQL that reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import UnreadableSourceError
from mcp_context_resources.tables.encoding import detect_encoding, utf8_copy

if TYPE_CHECKING:
    import duckdb

    from mcp_context_resources.cache import Cache
    from mcp_context_resources.tables.spec import TableSpec

_FULL_SNIFF_BYTES: Final = 256 << 20
_NATIVE_ENCODINGS: Final = ("utf-8", "utf-8-sig")


@dataclass(frozen=True, slots=True)
class Relation:
    """How to read one table: SQL after `FROM`, and the one file it touches."""

    sql: str
    path: str
    encoding: str | None = None


def quoted(text: str) -> str:
    """Write text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Write a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def relation_for(spec: TableSpec, connection: duckdb.DuckDBPyConnection, cache: Cache) -> Relation:
    """Find out how a file is read; `connection` must still be allowed to open files.

    Raises `UnreadableSourceError` when the file is not what its name says.
    """
    if spec.format == "csv":
        return _csv(spec, connection, cache)
    _refuse_empty(spec.path)
    function = {"parquet": "read_parquet", "json": "read_json"}[spec.format]
    return Relation(f"{function}({quoted(spec.path)})", spec.path)


def _refuse_empty(path: str) -> None:
    if os.stat(path).st_size == 0:
        raise UnreadableSourceError(f"{Path(path).name!r} is empty.", "There is nothing to read in it.")


def _csv(spec: TableSpec, connection: duckdb.DuckDBPyConnection, cache: Cache) -> Relation:
    _refuse_empty(spec.path)
    path, encoding = spec.path, "utf-8"
    if not path.lower().endswith(".zst"):
        encoding = detect_encoding(path)
        if encoding not in _NATIVE_ENCODINGS:
            path = utf8_copy(path, encoding, spec.fingerprint, cache)
    sample = -1 if os.stat(path).st_size <= _FULL_SNIFF_BYTES else 204_800
    cursor = connection.execute("SELECT * FROM sniff_csv($1, sample_size := $2)", [path, sample])
    names = [column[0] for column in cursor.description or ()]
    found = dict(zip(names, cursor.fetchone() or (), strict=True))
    return Relation(f"read_csv({quoted(path)}, {_csv_options(found)})", path, encoding)


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
    return ", ".join(f"{name}={value}" for name, value in options.items())
