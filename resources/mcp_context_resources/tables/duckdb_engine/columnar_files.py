"""Columnar files: copies of tables, one Parquet file each, types and values as a direct read would give them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import UnreadableSourceError
from mcp_context_resources.tables.duckdb_engine.relations import Relation
from mcp_context_resources.tables.quoting import exact_path, identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

_METADATA: Final = "fresh_context"
# Types that Parquet has no like for; as text they come back exactly.
_KEPT_AS_TEXT: Final = (
    "HUGEINT",
    "BIGNUM",
    "BIT",
    "ENUM",
    "INTERVAL",
    "TIME WITH TIME ZONE",
    "TIMESTAMP_MS",
    "TIMESTAMP_S",
    "VARIANT",
)
# Types that not even text brings back.
_BECOMES_TEXT: Final = "UNION"
# Lists of a fixed length come back as lists.
_FIXED_SIZE: Final = re.compile(r"\[\d+\]")


def write_copy(connection: duckdb.DuckDBPyConnection, relation: Relation, target: Path) -> None:
    """Copy all rows of a relation to a Parquet file, in their order, with its encoding and notes.

    Raises `UnreadableSourceError` when a type would not come back as it was.
    """
    columns = _described(connection, relation.sql)
    lost = dict.fromkeys((name for name, kind in columns if _BECOMES_TEXT in kind), "VARCHAR")
    columns = [(name, lost.get(name, kind)) for name, kind in columns]
    as_text = {name: kind for name, kind in columns if any(word in kind for word in _KEPT_AS_TEXT)}
    notes = [*relation.notes, *(f"{name} is kept as text: its type has no like here." for name in lost)]
    restored = {name: kind for name, kind in columns if name in as_text or _FIXED_SIZE.search(kind)}
    metadata = {"encoding": relation.encoding, "dialect": relation.dialect, "notes": notes, "types": restored}
    options = f"FORMAT parquet, KV_METADATA {{{_METADATA}: {quoted(json.dumps(metadata))}}}"
    selected = _select(relation.sql, lost | dict.fromkeys(as_text, "VARCHAR"))
    connection.execute(f"COPY ({selected}) TO {quoted(str(target))} ({options})")
    if _described(connection, f"({_select(_read(target), restored)})") != columns:
        raise UnreadableSourceError("The table holds types that its copy can't.", "It is read directly each time.")


def copied_relation(path: str, connection: duckdb.DuckDBPyConnection) -> Relation:
    """Return how a copy is read: with the types of the table it was made of."""
    row = connection.execute(
        "SELECT value FROM parquet_kv_metadata($1) WHERE key = $2::BLOB", [exact_path(path), _METADATA]
    ).fetchone()
    metadata: dict[str, Any] = json.loads(row[0]) if row else {}
    restored = metadata.get("types", {})
    sql = f"({_select(_read(Path(path)), restored)})" if restored else _read(Path(path))
    return Relation(
        sql,
        (path,),
        metadata.get("encoding"),
        tuple(metadata.get("notes", ())),
        dialect=metadata.get("dialect", ""),
    )


def _read(path: Path) -> str:
    return f"read_parquet({quoted(exact_path(str(path)))})"


def _select(relation: str, types: dict[str, str]) -> str:
    if not types:
        return f"SELECT * FROM {relation}"
    casts = ", ".join(f"CAST({identifier(name)} AS {kind}) AS {identifier(name)}" for name, kind in types.items())
    return f"SELECT * REPLACE ({casts}) FROM {relation}"


def _described(connection: duckdb.DuckDBPyConnection, relation: str) -> Sequence[tuple[str, str]]:
    return [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE FROM {relation}").fetchall()]
