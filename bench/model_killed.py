"""What is lost when the model's process is killed (SIGKILL) while `map_rows` works."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import anyio
import psutil

from bench.measure import BenchError, Row
from bench.model_rows import put_texts
from bench.serving import our_arguments
from bench.wire_client import wired

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.model_label_data import Labelled
    from bench.wire_client import WireClient

_TABLE: Final = "letters"
_LOOK_SECONDS: Final = 0.01
_GIVE_UP_SECONDS: Final = 300.0
_SQL: Final = f"SELECT number, text FROM {_TABLE} ORDER BY number"
_SCORE_DIGITS: Final = 2


async def killed(scratch: Path, model: Path, data: Labelled) -> tuple[list[Row], list[str]]:
    """Map the same rows in two servers with a cache each, one of which loses its model's process midway.

    Raises `BenchError` when that process isn't found, or the work was done before it could be killed.
    """
    undisturbed, _ = await _mapped(scratch / "left alone", data, None)
    disturbed, told = await _mapped(scratch / "killed", data, model)
    count = len(data.texts)
    lost = count - len(disturbed)
    differing = [mine[2] for mine, other in zip(undisturbed, disturbed, strict=False) if mine[:2] != other[:2]]
    furthest = max((abs(a[2] - b[2]) for a, b in zip(undisturbed, disturbed, strict=False)), default=0.0)
    rows = [
        Row(f"rows missing after a kill -9, of {count}", "rows", (lost,), "limit", (0,), 1.0),
        Row("labels that differ from an undisturbed run", "rows", (len(differing),), "limit", (0,), 1.0),
        Row("kill -9 to the next batch on disk", "s", (told["recovery"],), "a batch undisturbed", (told["batch"],)),
    ]
    note = (
        f"Killed after {told['before']:.0f} of {count} rows were on disk: none of those was worked on again, the batch"
        f" under way ({told['again']:.0f} rows) was; whole call {told['seconds']:.1f} s, scores differ by at most"
        f" {furthest:.2g}."
    )
    if differing:
        note += (
            f" Where labels differ the score was at most {max(differing):.2f}: other batches round otherwise, and"
            " nearly equal scores change places."
        )
    return rows, [note]


async def _mapped(scratch: Path, data: Labelled, model: Path | None) -> tuple[list[list[Any]], dict[str, float]]:
    """Label all texts in a server of its own, and kill the process that has `model` open once a batch is done."""
    served = scratch / "data"
    served.mkdir(parents=True)
    put_texts(served / f"{_TABLE}.csv", data.texts)
    told: dict[str, float] = {}
    async with wired([sys.executable, *our_arguments(served, scratch=scratch)], scratch) as client:
        arguments = {"sql": _SQL, "column": "text", "labels": list(data.labels), "max_rows": len(data.texts)}
        began = time.perf_counter()
        number = await client.begin("tools/call", {"name": "map_rows", "arguments": arguments})
        if model is not None:
            told |= await _kill(client, scratch / "cache", model, len(data.texts))
        answer = await client.answer(number, within=_GIVE_UP_SECONDS)
        if answer.failed:
            raise BenchError(f"map_rows failed: {answer.text[:300]}")
        told["seconds"] = time.perf_counter() - began
        table = answer.message["result"]["structuredContent"]["table"]
        rows = await _rows(client, table)
    return rows, told


async def _kill(client: WireClient, cache: Path, model: Path, count: int) -> dict[str, float]:
    first = await _grown(cache, 0)
    steps = [(time.perf_counter(), first)]
    before = await _grown(cache, first)
    steps.append((time.perf_counter(), before))
    if before >= count:
        raise BenchError("All rows were done before the model's process could be killed; give more rows.")
    await anyio.sleep((steps[1][0] - steps[0][0]) / 3)
    before = _on_disk(cache)
    victim = _holder(client.processes(), model)
    victim.send_signal(signal.SIGKILL)
    at = time.perf_counter()
    after = await _grown(cache, before)
    return {
        "before": before,
        "again": after - before,
        "recovery": time.perf_counter() - at,
        "batch": (steps[1][0] - steps[0][0]) * (after - before) / max(1, before - first),
    }


async def _grown(cache: Path, than: int) -> int:
    """Wait until more rows are on disk; returns how many."""
    with anyio.fail_after(_GIVE_UP_SECONDS):
        while (now := _on_disk(cache)) <= than:
            await anyio.sleep(_LOOK_SECONDS)
    return now


def _on_disk(cache: Path) -> int:
    """Count the findings in the journal of the mapping."""
    return sum(
        line.startswith(b'["') and line.endswith(b"\n")
        for file in cache.glob("maps/*")
        if file.suffix == ".jsonl"
        for line in file.open("rb")
    )


def _holder(processes: Sequence[psutil.Process], model: Path) -> psutil.Process:
    """Return the process that has the model's file in memory."""
    for process in processes[1:]:
        try:
            if any(str(model) == part.path for part in process.memory_maps()):
                return process
        except psutil.Error:
            continue
    raise BenchError("No process of the server has the model in memory.")


async def _rows(client: WireClient, table: str) -> list[list[Any]]:
    rows: list[list[Any]] = []
    while True:
        sql = f"SELECT number, label, score FROM {table} ORDER BY number LIMIT 100 OFFSET {len(rows)}"
        answer = await client.call("query_tables", {"sql": sql, "max_rows": 100})
        page = answer.message["result"]["structuredContent"]["rows"]
        rows += page
        if len(page) < 100:
            return rows
