"""The benches' own arithmetic and command line; nothing here is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from bench.__main__ import BENCHES, main
from bench.measure import (
    OURS,
    SECONDS,
    BenchError,
    Options,
    Row,
    Spread,
    Table,
    as_json,
    interleaved,
    paired,
    render,
    timed,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.measure import Sample


class ScriptedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def action(self, *seconds: float, log: list[str] | None = None, name: str = "") -> Callable[[], Awaitable[None]]:
        """Make an action that takes these seconds, one after the other."""
        left = list(seconds)

        async def act() -> None:
            if log is not None:
                log.append(name)
            self.now += left.pop(0)

        return act


def _measure(runs: int, warmups: int = 1, **seconds: tuple[float, ...]) -> dict[str, list[Sample]]:
    clock = ScriptedClock()
    contenders = {name: timed(clock.action(*values), clock=clock) for name, values in seconds.items()}

    async def measure() -> dict[str, list[Sample]]:
        return await interleaved(contenders, runs=runs, warmups=warmups)

    return anyio.run(measure)


def test_contenders_take_turns_and_the_warm_up_is_not_counted() -> None:
    clock, log = ScriptedClock(), list[str]()
    contenders = {
        name: timed(clock.action(9, 1, 2, log=log, name=name), clock=clock) for name in (OURS, "first", "second")
    }

    async def measure() -> dict[str, list[Sample]]:
        return await interleaved(contenders, runs=2)

    samples = anyio.run(measure)
    assert log == [OURS, "first", "second"] * 3
    assert [sample[SECONDS] for sample in samples["second"]] == [1, 2]


def test_repeats_are_averaged() -> None:
    clock = ScriptedClock()
    contender = timed(clock.action(1, 2, 6), repeats=3, clock=clock)
    assert anyio.run(contender) == {SECONDS: 3}


def test_the_ratio_is_the_median_of_each_rounds_ratio() -> None:
    # The second round was slow for both: the medians' quotient would be 3, the rounds say 2.
    row = paired("f", _measure(3, ours=(9, 2, 80, 3), rival=(9, 1, 40, 1)), "rival")
    assert list(row.ours) == [2, 80, 3]
    assert list(row.theirs) == [1, 40, 1]
    assert row.ratio == Spread(2, 2, 3)


def test_a_limit_holds_for_every_run() -> None:
    assert within("size", 3_000, 12_000, "B").ratio == Spread(0.25, 0.25, 0.25)
    assert Row("f", "s", (1, 4), "limit", (2,)).ratio == Spread(1.25, 0.5, 2)


def test_unequal_runs_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        as_json(Table("start", "a title", (Row("f", "s", (1, 2, 3), "rival", (1, 2)),)))


def test_spread_of_an_even_number_of_runs() -> None:
    assert Spread.of([4, 1, 2, 3]) == Spread(2.5, 1, 4)


TABLE = Table(
    "start",
    "a title",
    (
        Row("time", "s", (0.0012, 0.0010, 0.0020), "a long rival", (0.0006, 0.0010, 0.0010)),
        Row("slow", "s", (2.0, 3.0, 4.0), "rival", (1.0, 1.0, 1.0)),
        Row("rate", "pages/s", (1500.0,), "rival", (3000.0,)),
        within("size", 4_256, 12_000, "B"),
    ),
    ("a note",),
)


def test_the_table_is_aligned() -> None:
    assert render(TABLE).splitlines() == [
        "start: a title",
        "figure                 ours                 rival or limit  its figure            ratio              runs",
        "---------------------  -------------------  --------------  --------------------  -----------------  ----",
        "time                   1.20 ms (1.00–2.00)  a long rival    1.00 ms (0.600–1.00)  2.00x (1.00–2.00)  3",
        "slow                   3.00 s (2.00–4.00)   rival           1.00 s (1.00–1.00)    3.00x (2.00–4.00)  3",
        "rate (more is better)  1,500 pages/s        rival           3,000 pages/s         0.500x             1",
        "size                   4,256 B              limit           12,000 B              0.355x             1",
        "  a note",
    ]


def test_a_skipped_bench_says_why() -> None:
    assert render(Table("model", "a title", notes=("Skipped: no model.",))) == "model: a title\n  Skipped: no model."


def test_json_keeps_every_value() -> None:
    data = json.loads(json.dumps(as_json(TABLE)))
    assert data["rows"][0]["ours"] == [0.0012, 0.0010, 0.0020]
    assert data["rows"][3] == {
        "figure": "size",
        "unit": "B",
        "ours": [4256],
        "rival": "limit",
        "theirs": [12000],
        "ratio": {"median": 4256 / 12000, "low": 4256 / 12000, "high": 4256 / 12000},
    }


def test_help_names_every_bench() -> None:
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], capture_output=True, text=True, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, summary in BENCHES.items():
        assert f"{name.ljust(9)}  {summary}" in done.stdout
    assert "examples:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["start", "speed"], "there is no bench 'speed'; there is start, tables"), (["--runs", "-1"], "at least 1")],
)
def test_misuse_is_a_clear_error(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


class _Scripted:
    def __init__(self, outcome: Table | Exception) -> None:
        self.outcome = outcome
        self.options: Options | None = None

    async def run(self, options: Options) -> Table:
        self.options = options
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def test_a_failed_bench_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    grouped = ExceptionGroup("", [ExceptionGroup("", [BenchError("the rival fell over")])])
    benches = {"start": _Scripted(grouped), "tables": _Scripted(BenchError("they differ")), "model": _Scripted(TABLE)}
    monkeypatch.setattr("bench.__main__._bench", benches.__getitem__)
    report = tmp_path / "report.json"
    assert main(["start", "tables", "model", "model", "--quick", "--json", str(report)]) == 1
    shown = capsys.readouterr()
    assert "start: failed: the rival fell over" in shown.err
    assert "tables: failed: they differ" in shown.err
    assert shown.out.count("a note") == 1
    assert benches["model"].options == Options(2, quick=True)
    assert [table["title"] for table in json.loads(report.read_text(encoding="utf-8"))["tables"]] == ["a title"]


def test_a_fault_of_the_bench_itself_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = ExceptionGroup("", [BenchError("told"), ZeroDivisionError()])
    monkeypatch.setattr("bench.__main__._bench", {"start": _Scripted(fault)}.__getitem__)
    with pytest.raises(ExceptionGroup):
        main(["start"])


def test_without_a_model_the_bench_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.model.models", lambda *_: [])
    assert main(["model"]) == 0
    assert "Skipped: no local model is installed." in capsys.readouterr().out
