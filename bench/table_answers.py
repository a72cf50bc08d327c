"""Answers themselves: the cost of the smallest calls, the size of a wide one, and the memory a server is left with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psutil

from bench.measure import OURS, BenchError, Row, interleaved, paired, timed
from bench.serving import BARE_SDK, EXAMPLE_DATA
from bench.table_files import copies, plain, wait_for_copy
from bench.table_rivals import MOTHERDUCK

if TYPE_CHECKING:
    from pathlib import Path

    from bench.measure import Contender, Options, Sample
    from bench.table_files import TableFile
    from bench.table_rivals import RunningServer
    from bench.wire_client import WireClient

SMALL_CALLS: Final = 20
_PLAIN: Final = "plain duckdb, in process"
_PLAIN_FETCHED: Final = "plain duckdb, every row fetched"
_POINT: Final = "SELECT * FROM {table} WHERE stop_no = 17 ORDER BY ALL LIMIT 1"
_BYTES: Final = "bytes"


async def small_rows(hello: WireClient, options: Options, servers: list[RunningServer]) -> list[Row]:
    """Measure round trips of statements that cost next to nothing."""
    trips = f"read_csv('{EXAMPLE_DATA / 'ridership' / 'trips.csv'}')"
    rows = []
    with plain() as connection:
        for figure, mine, other in (
            ("SELECT 1, round trip", "SELECT 1 AS one", "SELECT 1 AS one"),
            ("one row of trips, round trip", _POINT.format(table="trips"), _POINT.format(table=trips)),
        ):

            async def bare() -> Any:
                return await hello.call("hello", {"name": "you"})

            async def in_process(sql: str = other) -> Any:
                return connection.execute(sql).fetchall()

            contenders = {BARE_SDK: timed(bare, repeats=SMALL_CALLS), _PLAIN: timed(in_process, repeats=SMALL_CALLS)}
            for server in servers:
                sql = mine if server.name == OURS else other
                if len(server.rows(await server.query(sql))) != len(await in_process()):
                    raise BenchError(f"{server.name} answered {sql} with another number of rows.")
                contenders[server.name] = _small(server, sql)
            samples = await interleaved(contenders, runs=options.runs)
            rows += [paired(figure, samples, rival) for rival in contenders if rival != OURS]
    return rows


def _small(server: RunningServer, sql: str) -> Contender:
    return timed(lambda: server.query(sql), repeats=SMALL_CALLS)


async def wide_rows(
    wide: TableFile, scratch: Path, options: Options, servers: list[RunningServer]
) -> tuple[list[Row], str]:
    """Measure an answer that nobody wants whole: its bytes and its time; also tell how many rows came."""
    before = copies(scratch / "cache")
    came = []
    for server in servers:
        answer = await server.query(_star(server, wide))
        came.append(f"{server.name} {len(server.rows(answer)):,}")
    await wait_for_copy(scratch / "cache", before)
    contenders = {server.name: _measured(server, _star(server, wide)) for server in servers}
    with plain() as connection:

        async def fetched() -> Any:
            return connection.execute(f"SELECT * FROM {wide.function}").fetchall()

        contenders[_PLAIN_FETCHED] = timed(fetched)
        samples = await interleaved(contenders, runs=options.runs)
    figure = f"SELECT * FROM {wide.label}"
    rows = [paired(figure, samples, _PLAIN_FETCHED)]
    if MOTHERDUCK in samples:
        rows.insert(0, paired(figure, samples, MOTHERDUCK))
        rows.insert(0, paired(f"{figure}: on the wire", samples, MOTHERDUCK, key=_BYTES, unit="B"))
    else:
        sizes = tuple(sample[_BYTES] for sample in samples[OURS])
        rows.insert(0, Row(f"{figure}: on the wire", "B", sizes, "the file itself", (wide.path.stat().st_size,)))
    return rows, f"The wide answer brings this many rows, and says that there are more: {', '.join(came)}."


def _measured(server: RunningServer, sql: str) -> Contender:
    async def measured() -> Sample:
        answer = await server.query(sql)
        return {"seconds": answer.seconds, _BYTES: answer.size}

    return measured


def _star(server: RunningServer, wide: TableFile) -> str:
    return f"SELECT * FROM {wide.table if server.name == OURS else wide.function}"


def memory_rows(servers: list[RunningServer], hello: WireClient) -> tuple[list[Row], str]:
    """Measure the resident memory of every server with all its processes."""
    used = {server.name: resident(server.client) for server in servers}
    rivals = {BARE_SDK: resident(hello)} | {name: value for name, value in used.items() if name != OURS}
    counts = ", ".join(f"{server.name} {len(server.client.processes())}" for server in servers)
    rows = [
        Row("resident memory of all processes", "B", (used[OURS],), name, (value,)) for name, value in rivals.items()
    ]
    return rows, f"Resident memory is summed over processes, pages they share are counted in each: {counts}."


def resident(client: WireClient) -> int:
    """Return the resident bytes of a server and of all processes below it."""
    total = 0
    for process in client.processes():
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
