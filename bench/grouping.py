"""GROUP BY over one file: the first call of a server, repeated calls, and the call after an edit."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import anyio

from bench.measure import OURS, BenchError, interleaved, paired, timed
from bench.serving import environment
from bench.table_files import copies, grouped, plain, wait_for_copy
from bench.table_rivals import MOTHERDUCK, our_server
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bench.measure import Contender, Options, Row, Sample
    from bench.table_files import TableFile
    from bench.table_rivals import RunningServer, TableServer

FIRST_AIM: Final = 1.3
REPEATED_CSV_AIM: Final = 0.2
REPEATED_PARQUET_AIM: Final = 2.0
NO_COPIES: Final = (f"tables.copy_bytes={1 << 60}",)
_PLAIN: Final = "plain duckdb, in process"
_PLAIN_CSV: Final = "plain duckdb on CSV"
_PLAIN_PARQUET: Final = "plain duckdb on Parquet"
_FRESH: Final = "plain duckdb, new process"
_UNCOPIED: Final = "ours, before there is a copy"
_UNCOPIED_CSV: Final = "ours on CSV"
_numbers = itertools.count()


async def first_rows(file: TableFile, scratch: Path, options: Options, rival: TableServer | None) -> list[Row]:
    """Measure the first call of a server, which starts the engine, and the first of a file when the engine runs."""
    figure = f"GROUP BY {file.label}, first call of a server"
    starting = await _first(file, scratch, options, rival, engine_runs=False)
    rows = [paired(figure, starting, _FRESH, aim=FIRST_AIM), *_against_rival(figure, starting)]
    if file.path.suffix == ".csv":
        figure = f"GROUP BY {file.label}, first of the file, engine runs"
        running = await _first(file, scratch, options, rival, engine_runs=True)
        rows += [paired(figure, running, _PLAIN, aim=FIRST_AIM), *_against_rival(figure, running)]
    return rows


async def _first(
    file: TableFile, scratch: Path, options: Options, rival: TableServer | None, *, engine_runs: bool
) -> dict[str, list[Sample]]:
    def of(server: Callable[[], TableServer], table: str) -> Contender:
        async def first() -> Sample:
            async with server().running(scratch) as running:
                if engine_runs:
                    await running.query("SELECT 1")
                return await timed(lambda: running.query(grouped(table)))()

        return first

    def ours() -> TableServer:
        return our_server(file.path.parent, scratch=scratch / f"fresh-{next(_numbers)}")

    contenders = {OURS: of(ours, file.table)}
    if engine_runs:
        contenders[_PLAIN] = timed(lambda: _in_process(file))
    else:
        contenders[_FRESH] = timed(lambda: _in_new_process(file))
    if rival is not None:
        contenders[MOTHERDUCK] = of(lambda: rival, file.function)
    runs, warmups = (1, 0) if options.quick else (options.runs, 1)
    samples = await interleaved(contenders, runs=runs, warmups=warmups)
    for folder in scratch.glob("fresh-*"):
        shutil.rmtree(folder)
    return samples


async def _in_process(file: TableFile) -> None:
    with plain() as connection:
        connection.execute(grouped(file.function)).fetchall()


async def _in_new_process(file: TableFile) -> None:
    sql = grouped(file.function)
    program = f"import duckdb; duckdb.connect(config={{'threads': {available_cores()}}}).sql({sql!r}).fetchall()"
    await anyio.run_process([sys.executable, "-c", program], env=environment())


async def repeated_rows(
    csv: TableFile, parquet: TableFile, scratch: Path, options: Options, servers: list[RunningServer]
) -> list[Row]:
    """Measure repeated calls: of ours on a CSV with and without its copy and on Parquet, and of the others."""
    ours, *rivals = servers
    without = our_server(csv.path.parent, scratch=scratch / "no-copies", settings=NO_COPIES)
    async with without.running(scratch) as uncopied:
        await _copied(ours, csv, scratch)
        on_csv = {OURS: _asks(ours, csv.table), _UNCOPIED: _asks(uncopied, csv.table)}
        on_csv |= {rival.name: _asks(rival, csv.function) for rival in rivals}
        on_parquet = {OURS: _asks(ours, parquet.table)}
        on_parquet |= {rival.name: _asks(rival, parquet.function) for rival in rivals}
        with plain() as connection:

            def asks_plain(file: TableFile) -> Callable[[], Awaitable[Any]]:
                async def ask() -> Any:
                    return connection.execute(grouped(file.function)).fetchall()

                return ask

            on_csv |= {_PLAIN_CSV: asks_plain(csv), _PLAIN_PARQUET: asks_plain(parquet)}
            on_parquet |= {_PLAIN_PARQUET: asks_plain(parquet)}
            _same([await _counted(ours, csv.table), await _counted(uncopied, csv.table)], await on_csv[_PLAIN_CSV]())
            _same([await _counted(rival, csv.function) for rival in rivals], await on_csv[_PLAIN_CSV]())
            csv_samples = await interleaved(_timed(on_csv), runs=options.runs)
            parquet_samples = await interleaved(_timed(on_parquet), runs=options.runs)
    figure = f"GROUP BY {csv.label}, repeated"
    before = f"GROUP BY {csv.label}, repeated, no copy yet"
    columnar = f"GROUP BY {parquet.label}, repeated"
    return [
        paired(figure, csv_samples, _PLAIN_CSV, aim=REPEATED_CSV_AIM),
        paired(figure, csv_samples, _PLAIN_PARQUET, aim=REPEATED_PARQUET_AIM),
        *_against_rival(figure, csv_samples),
        paired(before, csv_samples, _PLAIN_CSV, ours=_UNCOPIED),
        paired(columnar, parquet_samples, _PLAIN_PARQUET),
        *_against_rival(columnar, parquet_samples),
    ]


async def edited_rows(csv: TableFile, scratch: Path, options: Options, servers: list[RunningServer]) -> list[Row]:
    """Measure the call after an edit; the copy it leads to is waited for, so that it disturbs nobody else."""
    ours, *rivals = servers
    touched = time.time_ns()

    async def after_an_edit() -> Sample:
        nonlocal touched
        touched += 1_000_000_000
        os.utime(csv.path, ns=(touched, touched))
        before = copies(scratch / "cache")
        sample = await timed(_asks(ours, csv.table))()
        await wait_for_copy(scratch / "cache", before)
        return sample

    await _copied(ours, csv, scratch)
    contenders: dict[str, Contender] = {OURS: after_an_edit, _PLAIN: timed(lambda: _in_process(csv))}
    contenders |= {rival.name: timed(_asks(rival, csv.function)) for rival in rivals}
    samples = await interleaved(contenders, runs=options.runs)
    figure = f"GROUP BY {csv.label}, the file just edited"
    return [paired(figure, samples, _PLAIN), *_against_rival(figure, samples)]


async def _copied(ours: RunningServer, file: TableFile, scratch: Path) -> None:
    """Have our server make its copy of a file that it hasn't been asked for yet, if there is none."""
    before = copies(scratch / "cache")
    mark = scratch / f"{file.table}.copied"
    if not mark.exists():
        await ours.query(grouped(file.table))
        await wait_for_copy(scratch / "cache", before)
        mark.touch()


async def _counted(server: RunningServer, table: str) -> list[list[Any]]:
    return server.rows(await server.query(grouped(table)))


def _same(answers: list[list[list[Any]]], plain_rows: list[tuple[Any, ...]]) -> None:
    """Compare groups and counts; sums and dates are written differently."""
    expected = [list(row[:2]) for row in plain_rows]
    for answer in answers:
        if [row[:2] for row in answer] != expected:
            raise BenchError(f"The answers differ: {json.dumps(answer)[:200]} and {plain_rows!r:.200}")


def _asks(server: RunningServer, table: str) -> Callable[[], Awaitable[Any]]:
    sql = grouped(table)
    return lambda: server.query(sql)


def _timed(actions: dict[str, Callable[[], Awaitable[Any]]]) -> dict[str, Contender]:
    return {name: timed(action) for name, action in actions.items()}


def _against_rival(figure: str, samples: dict[str, list[Sample]]) -> list[Row]:
    return [paired(figure, samples, MOTHERDUCK)] if MOTHERDUCK in samples else []
