"""What crosses the process border between the table service and its workers: plain, picklable data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = list[Any]
"""One row of JSON values: null, boolean, number, string, list or object."""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table file as a worker needs to know it; `encoding` is None where it is to be found out."""

    name: str
    path: str
    format: str
    fingerprint: str
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Limits of one engine process; sizes in megabytes, folders absolute."""

    memory_mb: int
    threads: int
    max_spill_mb: int
    cache_dir: str
    max_cache_bytes: int
    deadline_seconds: float


@dataclass(frozen=True, slots=True)
class Parameter:
    """A placeholder in a statement: byte offset, byte length, and its number or name."""

    offset: int
    length: int
    identifier: str


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """What the engine's own parser says about a statement that passed the gate."""

    tables: tuple[str, ...]
    every_table: bool
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """An admitted statement with its values in place; `every_table`: it is about all tables, not some by name."""

    sql: str
    every_table: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A result column."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Which rows of a result are wanted.

    `skip` rows come before them and must hash to `skip_digest`, or the result is no longer the one that was being
    read. Rows stop early once their text passes `max_chars`; single cells are cut at `max_cell_chars`.
    """

    skip: int
    skip_digest: str
    max_rows: int
    max_chars: int
    max_cell_chars: int


@dataclass(slots=True)
class Fetched:
    """Rows of a result. `digests[i]` covers every row of the result up to and including `rows[i]`."""

    columns: list[Column]
    rows: list[Row] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    more: bool = False
    cells_cut: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a table column holds. `distinct` is approximate (HyperLogLog) above small counts."""

    name: str
    type: str
    nulls: int
    distinct: int
    minimum: str | None
    maximum: str | None


@dataclass(slots=True)
class Profile:
    """A table's shape, its columns, and its first rows."""

    rows: int
    columns: list[ColumnProfile]
    examples: list[Row]
    encoding: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RowCount:
    """How many rows a table has; None where counting would take long (`unknown`) or the file is unreadable."""

    rows: int | None
    problem: str = ""
    unknown: bool = False
