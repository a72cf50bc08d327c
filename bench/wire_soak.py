"""A long run of mixed calls, good, wrong and cancelled: what the server's processes hold early and at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

import anyio
import psutil

from bench.measure import BenchError, Row
from bench.serving import EXAMPLE_DATA, our_arguments
from bench.wire_client import wired

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.measure import Options, Unit
    from bench.wire_client import WireClient

_CALLS: Final = 20_000
_QUICK_CALLS: Final = 2_000
_AT_ONCE: Final = 6
_SETTLED_AFTER: Final = 0.1
_QUIET_SECONDS: Final = 1.0
_SEED: Final = 7
_MEMORY_AIM: Final = 1.2
_COUNT_AIM: Final = 1.0
_LONG: Final = "SELECT count(*) FROM range(100000000000) a(i) WHERE i % 7 = hash(i) % 5"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of call: how often it is made, and whether it must fail or is cancelled."""

    name: str
    weight: int
    tool: str
    arguments: Sequence[dict[str, Any]]
    fails: bool = False
    cancelled: bool = False


_KINDS: Final = (
    _Kind(
        "query",
        40,
        "query_tables",
        (
            {"sql": "SELECT 1"},
            {"sql": "SELECT * FROM trips LIMIT 20"},
            {"sql": "SELECT date, count(*) FROM trips GROUP BY ALL ORDER BY ALL", "max_rows": 50},
            {"sql": "FROM 停留所 SELECT count(*)"},
        ),
    ),
    _Kind("describe", 15, "describe_table", ({"table": "trips"}, {"table": "停留所"}, {"table": "weather"})),
    _Kind("list", 10, "list_sources", ({}, {"kind": "table"})),
    _Kind("search", 12, "search", ({"query": "lost property"}, {"query": "忘れ物"}, {"query": "refund of a day pass"})),
    _Kind(
        "read",
        12,
        "read_document",
        (
            {"document": "passenger-handbook.pdf", "pages": "1"},
            {"document": "運行案内.pdf", "pages": "1"},
            {"document": "passenger-handbook.pdf", "view": "outline"},
        ),
    ),
    _Kind(
        "error",
        8,
        "query_tables",
        ({"sql": "SELEC 1"}, {"sql": "SELECT * FROM nowhere"}, {"query": "SELECT 1"}, {"sql": "DROP TABLE trips"}),
        fails=True,
    ),
    _Kind("cancel", 3, "query_tables", ({"sql": _LONG},), cancelled=True),
)


@dataclass(frozen=True, slots=True)
class _Held:
    """What the processes hold: bytes of memory, and how many threads, open files and processes there are."""

    server: int
    workers: int
    threads: int
    files: int
    processes: int


async def soak_rows(scratch: Path, options: Options) -> tuple[list[Row], tuple[str, ...]]:
    """Make thousands of mixed calls and set what is held at the end beside what was held early.

    Raises `BenchError` when any call is answered otherwise than it should be.
    """
    count = _QUICK_CALLS if options.quick else _CALLS
    settings = ("index.vectors=off",)
    arguments = our_arguments(EXAMPLE_DATA, scratch=scratch, settings=settings)
    async with wired([sys.executable, *arguments], scratch) as client:
        plan = Random(_SEED).choices(_KINDS, [kind.weight for kind in _KINDS], k=count)
        early = int(count * _SETTLED_AFTER)
        await _made(client, plan[:early])
        first = await _held(client)
        began = time.perf_counter()
        await _made(client, plan[early:])
        seconds = time.perf_counter() - began
        last = await _held(client)
    rival = f"after {early:,} calls"

    def row(figure: str, unit: Unit, mine: float, other: float, aim: float) -> Row:
        return Row(f"after {count:,} mixed calls: {figure}", unit, (mine,), rival, (other,), aim)

    kinds = Counter(kind.name for kind in plan)
    made = ", ".join(f"{kinds[kind.name]:,} {kind.name}" for kind in _KINDS)
    note = (
        f"Soak: {made}; {_AT_ONCE} at a time, {(count - early) / seconds:,.0f} calls/s. Every call was answered as it"
        " should be. Memory is resident (RSS); threads and files are the server process's."
    )
    return [
        row("memory of the server", "B", last.server, first.server, _MEMORY_AIM),
        row("memory of its workers", "B", last.workers, first.workers, _MEMORY_AIM),
        row("threads", "threads", last.threads, first.threads, _COUNT_AIM),
        row("open files", "files", last.files, first.files, _COUNT_AIM),
        row("processes", "processes", last.processes, first.processes, _COUNT_AIM),
    ], (note,)


async def _made(client: WireClient, plan: Sequence[_Kind]) -> None:
    """Make all calls of a plan, a few at a time."""
    left = iter(enumerate(plan))

    async def work() -> None:
        for number, kind in left:
            await _call(client, kind, kind.arguments[number % len(kind.arguments)])

    async with anyio.create_task_group() as group:
        for _ in range(_AT_ONCE):
            group.start_soon(work)


async def _call(client: WireClient, kind: _Kind, arguments: dict[str, Any]) -> None:
    number = await client.begin("tools/call", {"name": kind.tool, "arguments": arguments})
    if kind.cancelled:
        await anyio.sleep(0.02)
        await client.notify("notifications/cancelled", {"requestId": number})
        client.forget(number)
        return
    answer = await client.answer(number)
    if answer.failed != kind.fails:
        raise BenchError(f"{kind.name} {arguments} was answered otherwise than it should be: {answer.text[:300]}")


async def _held(client: WireClient) -> _Held:
    await anyio.sleep(_QUIET_SECONDS)
    server, *others = client.processes()
    workers = 0
    for process in others:
        try:
            workers += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    files = server.num_fds() if sys.platform != "win32" else server.num_handles()
    return _Held(server.memory_info().rss, workers, server.num_threads(), files, 1 + len(others))
