"""The files that the tables bench reads, always the same, and plain duckdb over them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import anyio

from bench.measure import BenchError
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

_COPY_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.05
_SETTLING_SECONDS: Final = 0.5
_SALES: Final = """\
SELECT i AS id, 'category-' || lpad((hash(i) % 50)::VARCHAR, 2, '0') AS category,
       ((hash(i * 7) % 1000000) / 100)::DECIMAL(10, 2) AS amount, DATE '2024-01-01' + (i % 730)::INTEGER AS day
FROM range({rows}) t(i) ORDER BY i"""
_WIDE: Final = """\
SELECT i AS id, 'customer-' || (hash(i) % 5000) AS customer,
       ['東京都', '大阪府', '北海道', '福岡県'][i % 4 + 1] AS 地域,
       '商品番号' || (hash(i * 3) % 900) AS 商品, (hash(i * 7) % 1000000) / 100 AS amount, (i % 97)::INTEGER AS 数量,
       DATE '2024-01-01' + (i % 730)::INTEGER AS day, TIMESTAMP '2024-01-01' + to_seconds(i * 61) AS entered,
       i % 3 = 0 AS paid, 'note ' || hash(i * 11) AS note
FROM range({rows}) t(i) ORDER BY i"""
_GROUPED: Final = (
    "SELECT category, count(*) AS n, sum(amount) AS total, max(day) AS latest FROM {table} GROUP BY ALL ORDER BY 1"
)

Format = Literal["csv", "parquet"]


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file, alone in its folder, and the name our server gives its table."""

    path: Path
    label: str

    @property
    def table(self) -> str:
        """The table's name in our server."""
        return self.path.stem

    @property
    def function(self) -> str:
        """The table function that reads the file as it is now, as plain duckdb is asked for it."""
        return f"read_{self.path.suffix[1:]}('{self.path}')"

    @property
    def size(self) -> str:
        """The file's size to read."""
        return f"{self.path.stat().st_size / 1e6:.1f} MB"


def plain() -> duckdb.DuckDBPyConnection:
    """Connect plain duckdb with as many threads as our engine has."""
    import duckdb

    return duckdb.connect(config={"threads": available_cores()})


def grouped(table: str) -> str:
    """Return the statement that groups a table of sales."""
    return _GROUPED.format(table=table)


def write_sales(folder: Path, rows: int, kind: Format) -> TableFile:
    """Write a file of sales."""
    return _write(
        folder, f"sales_{rows}_{kind}", _SALES.format(rows=rows), kind, f"{_short(rows)} rows, {kind.upper()}"
    )


def write_wide(folder: Path, rows: int) -> TableFile:
    """Write a CSV of ten columns with Japanese text among them."""
    return _write(folder, "wide", _WIDE.format(rows=rows), "csv", f"{rows:,} rows of 10 columns, CSV")


def copies(cache: Path) -> frozenset[Path]:
    """Return the columnar copies our server has made."""
    return frozenset((cache / "tables").glob("[!.]*.parquet"))


async def wait_for_copy(cache: Path, before: frozenset[Path]) -> None:
    """Wait until our server has made one more columnar copy, and is at rest again.

    Raises `BenchError` when there is none after a long time.
    """
    ends = time.monotonic() + _COPY_SECONDS
    while copies(cache) <= before:
        if time.monotonic() > ends:
            raise BenchError(f"No columnar copy was made in {_COPY_SECONDS:.0f} s.")
        await anyio.sleep(_LOOK_SECONDS)
    await anyio.sleep(_SETTLING_SECONDS)


def _write(folder: Path, name: str, sql: str, kind: Format, label: str) -> TableFile:
    path = folder / name / f"{name}.{kind}"
    path.parent.mkdir(parents=True)
    options = "FORMAT csv, HEADER" if kind == "csv" else "FORMAT parquet"
    with plain() as connection:
        connection.execute(f"COPY ({sql}) TO '{path}' ({options})")
    return TableFile(path, label)


def _short(rows: int) -> str:
    return f"{rows // 1_000_000} M" if rows >= 1_000_000 else f"{rows:,}"
