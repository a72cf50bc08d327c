"""Paired measurement: contenders take turns, medians are compared run by run, a table shows them with their spread."""

from __future__ import annotations

import math
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    Clock = Callable[[], float]
    Sample = Mapping[str, float]
    Contender = Callable[[], Awaitable[Sample]]

Unit = Literal[
    "s",
    "B",
    "characters",
    "pages/s",
    "tokens/s",
    "statements",
    "F1",
    "tables",
    "error rate",
    "%",
    "calls",
    "rows",
    "threads",
    "files",
    "processes",
]

OURS: Final = "ours"
SECONDS: Final = "seconds"
_HEADER: Final = ("figure", "ours", "rival or limit", "its figure", "ratio", "runs")
_GAP: Final = "  "
_AIM: Final = "aim"
_RATES: Final = ("pages/s", "tokens/s", "statements")
_COUNTS: Final = ("B", "characters", "statements")
_MEGABYTES_FROM: Final = 10_000_000


class BenchError(Exception):
    """A bench can't say anything: a contender failed, or the contenders didn't do the same work."""


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure."""

    runs: int
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of several values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: our values and the rival's, run by run; a limit is one value that holds for every run.

    `aim` is the greatest ratio wanted, where there is one.
    """

    figure: str
    unit: Unit
    ours: tuple[float, ...]
    rival: str
    theirs: tuple[float, ...]
    aim: float | None = None

    @property
    def ratio(self) -> Spread:
        """Ours divided by theirs, each run by itself: what slows both in one run cancels out."""
        theirs = self.theirs * len(self.ours) if len(self.theirs) == 1 else self.theirs
        return Spread.of([_quotient(mine, other) for mine, other in zip(self.ours, theirs, strict=True)])


@dataclass(frozen=True, slots=True)
class Table:
    """The result of one bench. Without rows it says only, in its notes, why there are none."""

    name: str
    title: str
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()


def timed(action: Callable[[], Awaitable[object]], *, repeats: int = 1, clock: Clock = time.perf_counter) -> Contender:
    """Make a contender of an action: each run takes it `repeats` times and tells the seconds of one."""

    async def contender() -> Sample:
        started = clock()
        for _ in range(repeats):
            await action()
        return {SECONDS: (clock() - started) / repeats}

    return contender


async def interleaved(contenders: Mapping[str, Contender], *, runs: int, warmups: int = 1) -> dict[str, list[Sample]]:
    """Let contenders take turns (A B A B …): first `warmups` rounds that don't count, then `runs` that do."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for turn in range(-warmups, runs):
        for name, contender in contenders.items():
            sample = await contender()
            if turn >= 0:
                samples[name].append(sample)
    return samples


def paired(
    figure: str,
    samples: Mapping[str, Sequence[Sample]],
    rival: str,
    *,
    key: str = SECONDS,
    unit: Unit = "s",
    ours: str = OURS,
    aim: float | None = None,
) -> Row:
    """Set one figure of ours beside a rival's from the same rounds; `ours` names which contender of ours."""
    mine, theirs = (tuple(sample[key] for sample in samples[name]) for name in (ours, rival))
    return Row(figure, unit, mine, rival, theirs, aim)


def within(figure: str, value: float, limit: float, unit: Unit) -> Row:
    """Set a size of ours beside the limit it must keep."""
    return Row(figure, unit, (value,), "limit", (limit,))


def render(table: Table) -> str:
    """Write a table with aligned columns; figures are medians with least and greatest."""
    lines = [f"{table.name}: {table.title}"]
    if table.rows:
        cells = [_HEADER, *(_cells(row) for row in table.rows)]
        if any(row.aim is not None for row in table.rows):
            aims = (_AIM, *(_aim(row) for row in table.rows))
            cells = [(*line, aim) for line, aim in zip(cells, aims, strict=True)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        cells.insert(1, tuple("-" * width for width in widths))
        lines += [
            _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]
    lines += [f"  {note}" for note in table.notes]
    return "\n".join(lines)


def show_part(bench: str, part: str, rows: Sequence[Row], notes: Sequence[str]) -> None:
    """Write what one part of a long bench found to standard error: a later part may fail, or take an hour."""
    print(f"{render(Table(bench, part, tuple(rows), tuple(notes)))}\n", file=sys.stderr, flush=True)


def as_json(table: Table) -> dict[str, Any]:
    """Return a table as JSON data, with every single value."""
    return {
        "name": table.name,
        "title": table.title,
        "notes": list(table.notes),
        "rows": [
            {
                "figure": row.figure,
                "unit": row.unit,
                "ours": list(row.ours),
                "rival": row.rival,
                "theirs": list(row.theirs),
                "ratio": {
                    name: value if math.isfinite(value) else None
                    for name, value in zip(("median", "low", "high"), _values(row.ratio), strict=True)
                },
                **({} if row.aim is None else {"aim": row.aim, "met": _met(row)}),
            }
            for row in table.rows
        ],
    }


def _quotient(mine: float, other: float) -> float:
    """Divide; nothing beside nothing is as good as the rival."""
    if other:
        return mine / other
    return math.inf if mine else 1.0


def _values(spread: Spread) -> tuple[float, float, float]:
    return spread.median, spread.low, spread.high


def _met(row: Row) -> bool:
    return row.aim is None or row.ratio.median <= row.aim


def _aim(row: Row) -> str:
    if row.aim is None:
        return ""
    return f"at most {_number(row.aim)}x: {'met' if _met(row) else 'MISSED'}"


def _cells(row: Row) -> tuple[str, ...]:
    ratio = row.ratio
    shown = f"{_number(ratio.median)}x"
    if ratio.low != ratio.high:
        shown += f" ({_number(ratio.low)}–{_number(ratio.high)})"
    figure = f"{row.figure} (more is better)" if row.unit in _RATES else row.figure
    ours, theirs = _spread(row.ours, row.unit), _spread(row.theirs, row.unit)
    return figure, ours, row.rival, theirs, shown, str(len(row.ours))


def _spread(values: Sequence[float], unit: Unit) -> str:
    spread = Spread.of(values)
    scale, name = _scale(spread.median, unit)
    if unit in _COUNTS and scale == 1:
        return f"{spread.median:,.0f} {name}"
    shown = f"{_number(spread.median * scale)} {name}"
    if len(values) == 1:
        return shown
    return f"{shown} ({_number(spread.low * scale)}–{_number(spread.high * scale)})"


def _scale(median: float, unit: Unit) -> tuple[float, str]:
    """Choose the prefix in which a median reads best; its range is shown in the same."""
    if unit == "B" and median >= _MEGABYTES_FROM:
        return 1e-6, "MB"
    if unit != "s" or median >= 1 or median == 0:
        return 1, unit
    return (1e3, "ms") if median >= 1e-3 else (1e6, "µs")


def _number(value: float) -> str:
    """Write a number in three digits, thousands in full."""
    if math.isinf(value):
        return "∞"
    for least, decimals in ((100, 0), (10, 1), (1, 2)):
        if value >= least:
            return f"{value:,.{decimals}f}"
    return f"{value:.3f}"
