"""Many small calls on one connection: the least a call can cost, one after the other and all at once."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from bench.measure import OURS, BenchError, interleaved, paired
from bench.search_scores import quantile
from bench.wire_client import wired

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.measure import Contender, Options, Row, Sample
    from bench.wire_client import Answer, WireClient
    from bench.wire_rivals import Starter

CALLS: Final = 50
_P50: Final = "p50"
_P95: Final = "p95"
_FIGURES: Final = (_P50, _P95)
_ALL: Final = "all"


async def call_rows(
    servers: Mapping[str, Starter], scratch: Path, options: Options
) -> tuple[list[Row], tuple[str, ...]]:
    """Measure 50 calls of `SELECT 1` one after the other and 50 at once beside the other servers' smallest call."""
    rows: list[Row] = []
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(wired(one.command, scratch)) for name, one in servers.items()}
        sequential = {name: _one_by_one(clients[name], starter) for name, starter in servers.items()}
        together = {name: _at_once(clients[name], starter) for name, starter in servers.items()}
        for words, contenders, figures in (
            ("one after the other", sequential, _FIGURES),
            ("at once", together, (*_FIGURES, _ALL)),
        ):
            samples = await interleaved(contenders, runs=options.runs)
            rows += [
                paired(f"{CALLS} SELECT 1 {words}: {key}", samples, rival, key=key)
                for key in figures
                for rival in servers
                if rival != OURS
            ]
    return rows, (
        f"{CALLS} calls at once are written before the first answer is read; each is timed from its own writing.",
        "Beside SELECT 1 of ours and of Toolbox stands a greeting of the bare server, which asks no engine.",
    )


def _one_by_one(client: WireClient, starter: Starter) -> Contender:
    async def measured() -> Sample:
        return _summed_up([_good(await client.request("tools/call", _call(starter))) for _ in range(CALLS)])

    return measured


def _at_once(client: WireClient, starter: Starter) -> Contender:
    async def measured() -> Sample:
        began = time.perf_counter()
        numbers = [await client.begin("tools/call", _call(starter)) for _ in range(CALLS)]
        answers = [_good(await client.answer(number)) for number in numbers]
        return {**_summed_up(answers), _ALL: time.perf_counter() - began}

    return measured


def _call(starter: Starter) -> dict[str, object]:
    return {"name": starter.tool, "arguments": starter.arguments}


def _good(answer: Answer) -> Answer:
    if answer.failed:
        raise BenchError(f"A call failed: {answer.text[:300]}")
    return answer


def _summed_up(answers: list[Answer]) -> dict[str, float]:
    seconds = [answer.seconds for answer in answers]
    return {_P50: quantile(seconds, 0.5), _P95: quantile(seconds, 0.95)}
