"""Which files are tables."""

from __future__ import annotations

from typing import Final

from mcp_context_resources.tables.loaded_formats import CONTAINERS, FOREIGN_FORMATS

NATIVE_FORMATS: Final[dict[str, str]] = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".csv.zst": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".tsv.zst": "csv",
    ".tab": "csv",
    ".psv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".json.gz": "json",
    ".json.zst": "json",
    ".jsonl": "json",
    ".jsonl.gz": "json",
    ".jsonl.zst": "json",
    ".ndjson": "json",
    ".ndjson.gz": "json",
    ".ndjson.zst": "json",
}
"""Endings of files that the engine reads itself → format."""

TABLE_FORMATS: Final[dict[str, str]] = NATIVE_FORMATS | FOREIGN_FORMATS
"""File name ending → format. A foreign format is copied to a columnar file before it is queried."""

COMPANIONS: Final[dict[str, tuple[str, ...]]] = {"sqlite": ("-wal",), "duckdb": (".wal",)}
"""Format → endings of files beside one of it that hold its newest rows."""


def is_foreign(form: str) -> bool:
    """Tell whether the engine can't read a format itself."""
    return form not in _ENGINE_READS


def may_hold_several(form: str) -> bool:
    """Tell whether a file of that format may hold several tables."""
    return form in CONTAINERS


_ENGINE_READS: Final = frozenset(NATIVE_FORMATS.values())
