"""What else a server answers while a statement runs away, and whether cancelling that statement stops it."""

from __future__ import annotations

import statistics
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import psutil

from bench.measure import OURS, BenchError, Row, interleaved, paired

if TYPE_CHECKING:
    from pathlib import Path

    from bench.measure import Contender, Options, Sample
    from bench.table_files import TableFile
    from bench.table_rivals import RunningServer, TableServer
    from bench.wire_client import WireClient

AIM_SECONDS: Final = 0.05
_RUNAWAY: Final = "SELECT max(hash(a.id + b.id + c.id)) FROM {0} a, {0} b, {0} c"
_EVERY_SECONDS: Final = 0.05
_SECONDS: Final = 2.0
_QUICK_SECONDS: Final = 0.5
_LEAD_SECONDS: Final = 0.5
_FIRST_SECONDS: Final = 3.0
_WATCHED_SECONDS: Final = 1.0
_AFTER_CANCEL: Final = "cpu after cancel"
_BEFORE_CANCEL: Final = "cpu before cancel"
_PING: Final = "ping"
_SELECT: Final = "SELECT 1"


async def runaway_rows(
    file: TableFile, scratch: Path, options: Options, ours: TableServer, rival: TableServer | None
) -> tuple[list[Row], str]:
    """Measure latencies beside a runaway, and processor time after it was cancelled; each round in new servers."""
    seconds = _QUICK_SECONDS if options.quick else _SECONDS
    servers = [ours] if rival is None else [ours, rival]
    contenders = {server.name: _round(server, file, scratch, seconds) for server in servers}
    runs = 1 if options.quick else options.runs
    samples = await interleaved(contenders, runs=runs, warmups=0)
    rows: list[Row] = []
    for kind in (_PING, _SELECT):
        for which in ("median", "worst"):
            key = f"{kind} {which}"
            figure = f"{kind} beside a runaway, {which}"
            values = tuple(sample[key] for sample in samples[OURS])
            rows.append(Row(figure, "s", values, "limit", (AIM_SECONDS,), 1.0))
            if rival is not None:
                rows.append(paired(figure, samples, rival.name, key=key))
    if rival is not None:
        rows.append(paired("CPU in the 2nd second after a cancel", samples, rival.name, key=_AFTER_CANCEL))
    else:
        mine = tuple(sample[_AFTER_CANCEL] for sample in samples[OURS])
        before = tuple(sample[_BEFORE_CANCEL] for sample in samples[OURS])
        rows.append(Row("CPU in the 2nd second after a cancel", "s", mine, "a second of the runaway", before))
    return rows, _note(samples, seconds)


def _note(samples: dict[str, list[Sample]], seconds: float) -> str:
    told = []
    for name, rounds in samples.items():
        sent = sum(round_["sent"] for round_ in rounds)
        lost = sum(round_["lost"] for round_ in rounds)
        first = max(round_["first"] for round_ in rounds)
        busy = statistics.median(round_[_BEFORE_CANCEL] for round_ in rounds)
        told.append(
            f"{name}: {lost:.0f} of {sent:.0f} SELECT 1 unanswered, very first one {first * 1000:.0f} ms,"
            f" the runaway used {busy:.1f} cores"
        )
    beat = _EVERY_SECONDS * 1000
    return (
        f"Beside a runaway: a ping each {beat:.0f} ms for {seconds:g} s, a very first SELECT 1 (ours then starts its"
        f" second engine), a SELECT 1 each {beat:.0f} ms for {seconds:g} s; unanswered ones count as the time waited."
        f" {'; '.join(told)}."
    )


def _round(server: TableServer, file: TableFile, scratch: Path, seconds: float) -> Contender:
    sql = _RUNAWAY.format(file.table if server.name == OURS else file.function)

    async def measured() -> Sample:
        async with server.running(scratch) as running:
            await running.query("SELECT 1")
            runaway = await running.begin(sql)
            await anyio.sleep(_LEAD_SECONDS)
            pings, _ = await _sampled(running, _PING, seconds)
            first, _ = await _latency(running.client, await running.begin(_SELECT), _FIRST_SECONDS)
            selects, lost = await _sampled(running, _SELECT, seconds)
            before = await _processor_seconds(running.client)
            await running.client.notify("notifications/cancelled", {"requestId": runaway, "reason": "bench"})
            await anyio.sleep(_WATCHED_SECONDS)
            after = await _processor_seconds(running.client)
            sample = {"first": first, _BEFORE_CANCEL: before, _AFTER_CANCEL: after, "sent": len(selects), "lost": lost}
            for kind, values in ((_PING, pings), (_SELECT, selects)):
                sample[f"{kind} median"], sample[f"{kind} worst"] = statistics.median(values), max(values)
            return sample

    return measured


async def _sampled(running: RunningServer, kind: str, seconds: float) -> tuple[list[float], int]:
    """Send requests of a kind at a steady beat, whether or not earlier ones are answered; count those that never are.

    The kinds are sampled one after the other: statements that pile up in a server may keep it from reading pings.
    """
    sent: list[int] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        sent.append(await (running.client.begin(kind) if kind == _PING else running.begin(kind)))
        await anyio.sleep(_EVERY_SECONDS)
    ends = time.monotonic() + seconds
    outcomes = [await _latency(running.client, number, max(0.01, ends - time.monotonic())) for number in sent]
    return [latency for latency, _ in outcomes], sum(not answered for _, answered in outcomes)


async def _latency(client: WireClient, number: int, within: float) -> tuple[float, bool]:
    """Return the seconds an answer took and True, or the seconds waited in vain and False."""
    started = client.sent_at(number)
    try:
        answer = await client.answer(number, within=within)
    except BenchError:
        return time.perf_counter() - started, False
    if answer.failed:
        raise BenchError(f"An answer beside a runaway failed: {answer.text[:300]}")
    return answer.seconds, True


async def _processor_seconds(client: WireClient) -> float:
    """Return the processor time that the server and its processes use in a second."""
    before = _spent(client)
    await anyio.sleep(_WATCHED_SECONDS)
    after = _spent(client)
    return sum(spent - before.get(pid, 0.0) for pid, spent in after.items())


def _spent(client: WireClient) -> dict[int, float]:
    spent = {}
    for process in client.processes():
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent[process.pid] = times.user + times.system
    return spent
