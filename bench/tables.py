"""SQL over stdio against the same SQL in plain duckdb: a million rows, and the cost of the smallest calls."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from bench.measure import OURS, BenchError, Table, interleaved, paired, timed
from bench.serving import BARE_SDK, EXAMPLE_DATA, HELLO_SERVER, call, connected, environment, our_arguments
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    import duckdb
    from mcp.client.client import Client

    from bench.measure import Options, Row

_ROWS: Final = 1_000_000
_QUICK_ROWS: Final = 100_000
_SMALL_CALLS: Final = 20
_PLAIN: Final = "plain duckdb, in process"
_FRESH: Final = "plain duckdb, new process"
_GROUPED: Final = (
    "SELECT category, count(*) AS n, sum(amount) AS total, max(day) AS latest FROM {table} GROUP BY ALL ORDER BY 1"
)
_POINT: Final = "SELECT * FROM {table} WHERE stop_no = 17 ORDER BY ALL LIMIT 1"


async def run(options: Options) -> Table:
    """Measure grouping, re-reading after an edit, the first call, and round trips."""
    rows = _QUICK_ROWS if options.quick else _ROWS
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        sales = scratch / "data" / "sales.csv"
        sales.parent.mkdir()
        _write_sales(sales, rows)
        arguments = our_arguments(sales.parent, EXAMPLE_DATA, scratch=scratch)
        first = await _first_call(arguments, scratch, sales, options)
        async with (
            connected(arguments, scratch) as client,
            connected([str(HELLO_SERVER)], scratch) as hello,
        ):
            others = [*await _large(client, sales, options), *await _small(client, hello, options)]
        megabytes = sales.stat().st_size / 1e6
    return Table(
        "tables",
        f"query_tables over stdio; a CSV of {rows:,} rows and 4 columns ({megabytes:.1f} MB), and the example's trips",
        (first, *others),
        (
            f"Both with {available_cores()} threads. Plain duckdb sniffs a sample of the file at each call.",
            "After an edit, and in the first call, ours checks the encoding of the whole file and sniffs a sample.",
            f"Small calls are means of {_SMALL_CALLS} a run. The bare SDK's tool answers one short line.",
        ),
    )


def _write_sales(path: Path, rows: int) -> None:
    """Write the same file each time: values follow from the row's number."""
    with _plain() as connection:
        connection.execute(
            f"""COPY (SELECT i AS id, 'category-' || lpad((hash(i) % 50)::VARCHAR, 2, '0') AS category,
                      ((hash(i * 7) % 1000000) / 100)::DECIMAL(10, 2) AS amount,
                      DATE '2024-01-01' + (i % 730)::INTEGER AS day
               FROM range({rows}) t(i) ORDER BY i) TO '{path}' (HEADER)"""
        )


def _plain() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(config={"threads": available_cores()})


def _read_csv(path: Path) -> str:
    return f"read_csv('{path}')"


async def _first_call(arguments: list[str], scratch: Path, sales: Path, options: Options) -> Row:
    """Measure the first call of a server that is already connected: it starts the engine's process and sniffs."""
    sql = _GROUPED.format(table=_read_csv(sales))
    program = f"import duckdb; duckdb.connect(config={{'threads': {available_cores()}}}).sql({sql!r}).fetchall()"

    async def ours() -> dict[str, float]:
        async with connected(arguments, scratch) as client:
            first = timed(lambda: _query(client, _GROUPED.format(table="sales")))
            return dict(await first())

    async def theirs() -> None:
        await anyio.run_process([sys.executable, "-c", program], env=environment())

    samples = await interleaved({OURS: ours, _FRESH: timed(theirs)}, runs=options.runs)
    return paired("GROUP BY, first call of a server", samples, _FRESH)


async def _large(client: Client, sales: Path, options: Options) -> list[Row]:
    mine, other = _GROUPED.format(table="sales"), _GROUPED.format(table=_read_csv(sales))
    touched = time.time_ns()

    with _plain() as connection:

        async def ours() -> Any:
            return await _query(client, mine)

        async def theirs() -> Any:
            return connection.sql(other).fetchall()

        async def ours_after_an_edit() -> Any:
            nonlocal touched
            touched += 1_000_000_000
            os.utime(sales, ns=(touched, touched))
            return await _query(client, mine)

        _same([row[:2] for row in (await ours())["rows"]], [list(row[:2]) for row in await theirs()])
        warm = await interleaved({OURS: timed(ours), _PLAIN: timed(theirs)}, runs=options.runs)
        edited = await interleaved({OURS: timed(ours_after_an_edit), _PLAIN: timed(theirs)}, runs=options.runs)
    return [
        paired("GROUP BY, warm", warm, _PLAIN),
        paired("GROUP BY, the file just edited", edited, _PLAIN),
    ]


async def _small(client: Client, hello: Client, options: Options) -> list[Row]:
    point = _POINT.format(table=_read_csv(EXAMPLE_DATA / "ridership" / "trips.csv"))
    rows = []
    with _plain() as connection:
        for figure, mine, other in (
            ("SELECT 1, round trip", "SELECT 1 AS one", "SELECT 1 AS one"),
            ("one row of trips, round trip", _POINT.format(table="trips"), point),
        ):

            async def ours(sql: str = mine) -> Any:
                return await _query(client, sql)

            async def theirs(sql: str = other) -> Any:
                return connection.execute(sql).fetchall()

            async def bare() -> Any:
                return await call(hello, "hello", {"name": "you"})

            _same(len((await ours())["rows"]), len(await theirs()))
            contenders = {OURS: ours, _PLAIN: theirs, BARE_SDK: bare}
            samples = await interleaved(
                {name: timed(action, repeats=_SMALL_CALLS) for name, action in contenders.items()}, runs=options.runs
            )
            rows += [paired(figure, samples, rival) for rival in (BARE_SDK, _PLAIN)]
    return rows


async def _query(client: Client, sql: str) -> dict[str, Any]:
    return await call(client, "query_tables", {"sql": sql})


def _same(ours: object, theirs: object) -> None:
    if ours != theirs:
        raise BenchError(f"The answers differ: {str(ours)[:200]} and {str(theirs)[:200]}")
