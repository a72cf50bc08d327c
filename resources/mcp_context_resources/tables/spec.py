"""Specification of what crosses the process border between the table engine's client and its workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mcp_context_resources.tables.reader import TableReader

Row = list[Any]
"""One row of JSON values: null, boolean, number, string, list or object."""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table as a worker needs to know it.

    `encoding` is None where it is to be found out, `part` the table's name inside its file, `copy` the path of a
    columnar copy to read instead of the file, `size` in bytes. A folder that is one table has its files as `members`.
    `state` are the file's times of modification and change, size and inode; empty where its own locks keep versions
    apart. `reader` says what loads it; None where the engine reads it itself.
    """

    name: str
    path: str
    format: str
    fingerprint: str
    encoding: str | None = None
    part: str = ""
    copy: str = ""
    members: tuple[TableSpec, ...] = ()
    partitioned: bool = False
    size: int = 0
    state: tuple[int, ...] = ()
    reader: TableReader | None = None


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file to be looked into; `reader` is None where the engine reads its format itself."""

    path: str
    format: str
    reader: TableReader | None = None


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
    """What the engine's own parser says about a statement that passed the gate.

    `sql` is the query in it: what an EXPLAIN explains, and with places for the values of a PIVOT that names none
    (`pivots`). `explain` is "", "EXPLAIN" or "EXPLAIN ANALYZE". `embeds` are the texts that it embeds, each given as
    `("text", words)` or `("parameter", name)`.
    """

    sql: str
    tables: tuple[str, ...]
    every_table: bool
    parameters: tuple[Parameter, ...]
    explain: str = ""
    pivots: bool = False
    embeds: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """An admitted statement with its values in place; `every_table`: it is about all tables, not some by name.

    `vectors` are the texts that it embeds, each with its vector written as SQL reads it.
    """

    sql: str
    every_table: bool = False
    explain: str = ""
    pivots: bool = False
    vectors: tuple[tuple[str, str], ...] = ()


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
    """Rows of a result. `digests[i]` covers every row of the result up to and including `rows[i]`.

    `left_out` says which of all tables could not be read. `direct` tells that no copy was read, so that the next page
    is read so, too: rows of a copy may come in another order.
    """

    columns: list[Column]
    rows: list[Row] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    more: bool = False
    cells_cut: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    direct: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """A result wanted as a file of the folder `results` of the cache.

    `name` is the file's, `format` is csv, json or parquet, `max_bytes` the most it may have.
    """

    name: str
    format: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Exported:
    """How large a saved result is."""

    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a table column holds.

    `nulls` and `distinct` are None where they were not measured; `distinct` is approximate (HyperLogLog) above small
    counts. `frequent` are the most frequent values with their counts, `unique` tells that no two rows have the same.
    """

    name: str
    type: str
    nulls: int | None = None
    distinct: int | None = None
    minimum: str | None = None
    maximum: str | None = None
    frequent: tuple[tuple[str, int], ...] = ()
    unique: bool = False


@dataclass(frozen=True, slots=True)
class JoinPartner:
    """A column of another table that this one's column probably refers to, and why.

    Of `checked` distinct values of the column that refers, `found` are in the one referred to: the column with unique
    values, `here` or `there`. `same_name` is further evidence.
    """

    column: str
    table: str
    other_column: str
    found: int
    checked: int
    same_name: bool
    unique: Literal["here", "there", "both"]


@dataclass(slots=True)
class Profile:
    """A table's shape, its columns, its first rows, and the tables it can be joined with.

    `sampled` is the number of rows that nulls, distinct values and ranges were measured on; 0 means all.
    """

    rows: int
    columns: list[ColumnProfile]
    examples: list[Row]
    encoding: str | None = None
    dialect: str = ""
    notes: list[str] = field(default_factory=list)
    partners: list[JoinPartner] = field(default_factory=list)
    sampled: int = 0


@dataclass(frozen=True, slots=True)
class RowCount:
    """How many rows a table has; None where counting would take long (`unknown`) or the file is unreadable."""

    rows: int | None
    problem: str = ""
    unknown: bool = False
