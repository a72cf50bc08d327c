"""Running a task over many texts: in batches, each kept on disk before the next begins."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from mcp_context_resources.errors import (
    ContextError,
    DeadlineExceededError,
    OutOfMemoryError,
    PromptTooLongError,
    WorkerCrashedError,
)
from mcp_context_resources.tables.model_tables.journal import Finding
from mcp_context_tools.row_tasks.context_fitting import Fitting
from mcp_context_tools.row_tasks.task import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models
    from mcp_context_resources.tables.model_tables.journal import Journal
    from mcp_context_resources.tables.model_tables.spec import TakenRows
    from mcp_context_tools.row_tasks.task import RowTask
    from mcp_context_tools.tool import Report

# A batch is what a crash can lose, and how often progress is told.
_SHORT_SECONDS: Final = 4.0
_LONG_SECONDS: Final = 15.0
_MOST_IN_BATCH: Final = 512
_LEAST_SECONDS: Final = 0.5
# The first batch ends soon on a slow machine too, so that every call gets on.
_FIRST_CHARS: Final = 8_000
_CRASHES_IN_A_ROW: Final = 3
CUT: Final = "cut:"
"""What the problem of a text begins with of which only the beginning was read, or the last part of it."""

JOIN: Final = "; "
"""What is between two problems of one text."""


@dataclass(slots=True)
class Run:
    """How a run ended.

    `findings` are by the key of their text, without vectors; `problems` those of texts that are not in the journal.
    `resumed` texts had been worked on before.
    """

    keys: tuple[str, ...]
    findings: dict[str, Finding] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    resumed: int = 0
    fresh: int = 0
    unfinished: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    quantization: str = ""
    device: str = ""


def text_keys(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the keys under which a journal has what was found in texts."""
    return tuple(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest() for text in texts)


class Runner:
    """Runs one task by one model over the distinct texts of some rows."""

    def __init__(
        self, models: Models, model: Choice, task: RowTask, taken: TakenRows, journal: Journal, report: Report
    ) -> None:
        self._models = models
        self._model = model
        self._task = task
        self._taken = taken
        self._journal = journal
        self._report = report
        self._vectors = {column.name for column in task.columns if column.vectors}
        self._weights = Counter(place for place in taken.places if place is not None)
        self._rows = len(taken.places)
        self._rows_done = self._rows - sum(self._weights.values())
        self._fitting = Fitting(models, model, task)
        self._texts: dict[int, str] = {}
        self._cut: set[int] = set()
        self._beyond = frozenset(taken.beyond)
        self._crashes = 0
        self._started = self._ends = 0.0
        self.run = Run(text_keys(taken.texts))

    async def work(self, seconds: float) -> Run:
        """Work on every text that the journal doesn't have, for `seconds` at most; returns what there is then.

        A text that the model's process dies of is given up; where that happens to each, the process's error is raised.
        Raises `StorageError` and what models raise.
        """
        run = self.run
        await anyio.to_thread.run_sync(self._recall)
        todo = [place for place in range(len(run.keys)) if run.keys[place] not in run.findings]
        run.resumed = len(run.keys) - len(todo)
        self._rows_done += sum(self._weights[place] for place in range(len(run.keys))) - self._left(todo)
        self._started = time.monotonic()
        self._ends = self._started + seconds
        size = self._first_size(todo)
        while todo and self._ends - time.monotonic() > _LEAST_SECONDS:
            places = todo[:size]
            await self._tell(0.0, 0)
            began = time.monotonic()
            await self._prepare(places)
            batch = await self._attempt(places, again=True)
            await self._keep(places, batch)
            todo = todo[len(places) :]
            if batch.unfinished:
                todo = [place for place in places if not self._is_settled(place)] + todo
                break
            size = self._next_size(size, time.monotonic() - began)
        run.unfinished = len(todo)
        run.seconds = time.monotonic() - self._started
        return run

    def _recall(self) -> None:
        wanted = set(self.run.keys)
        for key, finding in self._journal.read():
            if key in wanted:
                self.run.findings[key] = self._brief(finding)
        self._journal.touch()

    async def _prepare(self, places: Sequence[int]) -> None:
        texts = {place: self._taken.texts[place] for place in places}
        shortened = await self._fitting.fitted(texts)
        self._texts = texts | shortened
        self._cut = {place for place in places if place in shortened or place in self._beyond}

    async def _attempt(self, places: Sequence[int], *, again: bool) -> Batch:
        """Work on some texts; when the process dies of them, once more, then on each half, down to single texts."""
        try:
            batch = await self._work(places)
        except DeadlineExceededError:
            return Batch(unfinished=True)
        except PromptTooLongError:
            if len(places) == 1:
                return await self._shortened(places[0])
            return await self._halves(places)
        except (WorkerCrashedError, OutOfMemoryError) as error:
            if again:
                return await self._attempt(places, again=False)
            return self._given_up(places[0], error) if len(places) == 1 else await self._halves(places)
        self._crashes = 0
        return batch

    async def _halves(self, places: Sequence[int]) -> Batch:
        middle = len(places) // 2
        first = await self._attempt(places[:middle], again=False)
        if first.unfinished:
            return first
        return _joined(first, await self._attempt(places[middle:], again=False), middle)

    async def _work(self, places: Sequence[int]) -> Batch:
        async def progress(done: float, total: float) -> None:
            await self._tell(done / total if total else 0.0, self._left(places))

        texts = [self._texts[place] for place in places]
        left = max(_LEAST_SECONDS, self._ends - time.monotonic())
        return await self._task.work(self._models, self._model, texts, left, progress)

    async def _shortened(self, place: int) -> Batch:
        text = self._texts[place]
        if len(text) < 2:
            return Batch({0: Finding({}, "The text does not fit the model's context.")})
        self._texts[place] = text[: len(text) // 2]
        self._cut.add(place)
        return await self._attempt([place], again=False)

    def _given_up(self, place: int, error: ContextError) -> Batch:
        self._crashes += 1
        if self._crashes >= _CRASHES_IN_A_ROW:
            raise error
        self.run.problems[self.run.keys[place]] = f"The model's process died of this text: {error.message}"
        return Batch()

    async def _keep(self, places: Sequence[int], batch: Batch) -> None:
        """Write what was found to the journal, and count it."""
        run = self.run
        found: dict[str, Finding] = {}
        for number, finding in batch.findings.items():
            place = places[number]
            found[run.keys[place]] = self._noting_cut(place, finding)
        if found:
            await anyio.to_thread.run_sync(self._journal.append, found)
        run.findings.update((key, self._brief(finding)) for key, finding in found.items())
        run.fresh += len(found)
        run.tokens_in += batch.tokens_in
        run.tokens_out += batch.tokens_out
        run.quantization, run.device = batch.quantization or run.quantization, batch.device or run.device
        self._rows_done += self._left([place for place in places if self._is_settled(place)])

    def _noting_cut(self, place: int, finding: Finding) -> Finding:
        if place not in self._cut or finding.problem.startswith(CUT):
            return finding
        read, whole = len(self._texts[place]), len(self._taken.texts[place])
        more = "more than " if place in self._beyond else ""
        cut = f"{CUT} {read:,} of {more}{whole:,} characters were read"
        return replace(finding, problem=f"{finding.problem}{JOIN}{cut}" if finding.problem else cut)

    def _is_settled(self, place: int) -> bool:
        key = self.run.keys[place]
        return key in self.run.findings or key in self.run.problems

    def _brief(self, finding: Finding) -> Finding:
        if not self._vectors:
            return finding
        values = {name: name if name in self._vectors else value for name, value in finding.values.items()}
        return replace(finding, values=values)

    def _left(self, places: Sequence[int]) -> int:
        return sum(self._weights[place] for place in places)

    def _first_size(self, todo: Sequence[int]) -> int:
        chars = 0
        for count, place in enumerate(todo[: self._task.batch]):
            chars += len(self._taken.texts[place])
            if chars > _FIRST_CHARS:
                return max(1, count)
        return self._task.batch

    def _next_size(self, size: int, seconds: float) -> int:
        if seconds < _SHORT_SECONDS:
            return min(size * 2, max(_MOST_IN_BATCH, self._task.step))
        if seconds > _LONG_SECONDS:
            return max(min(self._task.step, size), size // 2)
        return size

    async def _tell(self, share: float, rows: int) -> None:
        done = self._rows_done + min(share, 1.0) * rows
        message = f"{done:,.0f} of {self._rows:,} rows"
        if self.run.fresh:
            each = (time.monotonic() - self._started) / self.run.fresh
            left = (len(self.run.keys) - self.run.resumed - self.run.fresh) * each
            message += f", about {left:,.0f} s left"
        await self._report(done, self._rows, message)


def _joined(first: Batch, second: Batch, middle: int) -> Batch:
    return Batch(
        first.findings | {middle + place: finding for place, finding in second.findings.items()},
        second.unfinished,
        first.tokens_in + second.tokens_in,
        first.tokens_out + second.tokens_out,
        second.quantization or first.quantization,
        second.device or first.device,
    )
