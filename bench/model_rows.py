"""Sorting rows by label: `map_rows` beside one call a row, by seconds and by how many labels are right."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bench.measure import OURS, BenchError, Row
from bench.serving import call
from mcp_context_tools.row_tasks.classify import Classify
from mcp_context_tools.row_tasks.wording import wording_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mcp.client.client import Client

    from bench.model_direct import Direct
    from bench.model_label_data import Labelled
    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.service import Models

GRAMMAR: Final = "one call a row, JSON enum"
FREE: Final = "one call a row, free text"
UNCALIBRATED: Final = "by likelihood, uncalibrated"
MAJORITY: Final = "always the same label"
_SPEED_AIM: Final = 1 / 3
_WARM_UP: Final = 8
_FREE_TOKENS: Final = 16
_JSON_TOKENS: Final = 48
_THRESHOLDS: Final = (0.6, 0.8, 0.95)
_PAGE_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class Labels:
    """What one way of sorting gave: a label for each text, None where its answer was none, and a score if it has one.

    `strict` counts the answers that were a label and nothing else.
    """

    found: tuple[str | None, ...]
    seconds: float = 0.0
    scores: tuple[float, ...] = ()
    strict: int = 0


def put_texts(file: Path, texts: Sequence[str]) -> None:
    """Write a CSV of numbered texts, to be served."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("number", "text"))
        writer.writerows(enumerate(texts))


async def sorted_by_map_rows(client: Client, table: str, labels: Sequence[str], start: int, count: int) -> Labels:
    """Let `map_rows` label rows of a table; the time is that of the whole call."""
    sql = f"SELECT number, text FROM {table} WHERE number BETWEEN {start} AND {start + count - 1} ORDER BY number"
    arguments = {"sql": sql, "column": "text", "labels": list(labels), "max_rows": count}
    began = time.perf_counter()
    made = await call(client, "map_rows", arguments)
    seconds = time.perf_counter() - began
    if made["done"] != count or made["resumed"]:
        raise BenchError(f"map_rows did {made['done']} of {count} rows, {made['resumed']} of them before.")
    rows = await labelled_rows(client, made["table"], count)
    found = tuple(str(label) for _, label, _ in rows)
    return Labels(found, seconds, tuple(float(score) for _, _, score in rows), len(found))


async def labelled_rows(client: Client, table: str, count: int) -> list[list[Any]]:
    """Read a table that `map_rows` made: number, label and score of each row, in order."""
    rows: list[list[Any]] = []
    for begin in range(0, count, _PAGE_ROWS):
        sql = f"SELECT number, label, score FROM {table} ORDER BY number LIMIT {_PAGE_ROWS} OFFSET {begin}"
        rows += (await call(client, "query_tables", {"sql": sql, "max_rows": _PAGE_ROWS}))["rows"]
    return rows


def sorted_directly(direct: Direct, part: Labelled, *, grammar: bool) -> Labels:
    """Ask about each row in a call of its own, with the words that `map_rows` uses."""
    wording = wording_for(part.labels, part.texts)
    listed = "\n".join(f"- {label}" for label in part.labels)
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(part.labels)}},
        "required": ["label"],
    }
    found: list[str | None] = []
    strict = 0
    began = time.perf_counter()
    for text in part.texts:
        user = f"{wording.labels}\n{listed}\n\n{wording.one_label}\n\n{wording.text}\n{text}"
        if grammar:
            answer = direct.chat(wording.classify, user, _JSON_TOKENS, json_schema=schema)
            label = next((label for label in part.labels if f'"{label}"' in answer), None)
            strict += label is not None
        else:
            answer = direct.chat(wording.classify, user, _FREE_TOKENS)
            label = _matched(answer, part.labels)
            strict += answer.strip(" .。\"'\n").casefold() in map(str.casefold, part.labels)
        found.append(label)
    return Labels(tuple(found), time.perf_counter() - began, strict=strict)


async def sorted_uncalibrated(models: Models, model: Choice, part: Labelled) -> Labels:
    """Score labels as `map_rows` does, but without taking off what they score on empty texts."""
    wording = replace(wording_for(part.labels, part.texts), nothing=())
    task = Classify(dict.fromkeys(part.labels, ""), "", 0.0, wording, scores=False)

    async def ignored(done: float, total: float) -> None: ...

    batch = await task.work(models, model, part.texts, 600.0, ignored)
    found = [batch.findings[place].values for place in range(len(part.texts))]
    return Labels(tuple(str(values["label"]) for values in found), scores=tuple(values["score"] for values in found))


def _matched(answer: str, labels: Sequence[str]) -> str | None:
    """Take the one label that occurs in an answer, as people do; none when none does, or several do."""
    occurring = [label for label in labels if label.casefold() in answer.casefold()]
    return occurring[0] if len(occurring) == 1 else None


class Sorting:
    """All ways of sorting the texts of one data set, part after part."""

    def __init__(
        self, client: Client, direct: Direct, models: Models, model: Choice, table: str, data: Labelled
    ) -> None:
        self._client, self._direct, self._models, self._model = client, direct, models, model
        self._table, self._data = table, data
        self._start = 0
        self.found: dict[str, list[Labels]] = {}
        self.truths: list[str] = []

    async def warm_up(self) -> None:
        """Let every way label a few texts that don't count."""
        await self._all(_WARM_UP)
        self.found, self.truths = {}, []

    async def measure(self, count: int) -> None:
        """Let every way label the next `count` texts."""
        await self._all(count)

    async def _all(self, count: int) -> None:
        part, start = self._data.part(self._start, count), self._start
        self._start += count
        ways: dict[str, Callable[[], Any]] = {
            GRAMMAR: lambda: sorted_directly(self._direct, part, grammar=True),
            FREE: lambda: sorted_directly(self._direct, part, grammar=False),
        }
        ours = await sorted_by_map_rows(self._client, self._table, part.labels, start, count)
        self.found.setdefault(OURS, []).append(ours)
        for name, way in ways.items():
            self.found.setdefault(name, []).append(way())
        uncalibrated = await sorted_uncalibrated(self._models, self._model, part)
        self.found.setdefault(UNCALIBRATED, []).append(uncalibrated)
        self.truths += part.truths

    def speed_rows(self) -> list[Row]:
        """Set the seconds of `map_rows` beside those of a call a row."""
        count = len(self.found[OURS][0].found)
        figure = f"labels for {count} rows, {self._data.title}"
        return [
            Row(figure, "s", self._seconds(OURS), GRAMMAR, self._seconds(GRAMMAR), _SPEED_AIM),
            Row(figure, "s", self._seconds(OURS), FREE, self._seconds(FREE)),
        ]

    def accuracy_rows(self) -> list[Row]:
        """Set the right labels of `map_rows` beside those of the other ways, in percent."""
        figure = f"right labels, {self._data.title} (more is better)"
        ours = (self._accuracy(OURS),)
        guess = 100 * max(self.truths.count(label) for label in self._data.labels) / len(self.truths)
        others = {name: self._accuracy(name) for name in (UNCALIBRATED, FREE, GRAMMAR)} | {MAJORITY: guess}
        return [Row(figure, "%", ours, name, (share,)) for name, share in others.items()]

    def notes(self) -> list[str]:
        """Say what a threshold would do, and how many free answers were no label."""
        total = len(self.truths)
        free = self._joined(FREE)
        unusable = free.found.count(None)
        kept = "; ".join(self._above(threshold) for threshold in _THRESHOLDS)
        most = {name: self._most_given(name) for name in self.found}
        texts = (
            f"{self._data.title}: {total} texts, as many of each of {len(self._data.labels)} labels. Free text was a"
            f" label and nothing else in {free.strict} answers; in {unusable} it named none or several."
        )
        return [
            texts,
            f"{self._data.title}: with a threshold, {kept}.",
            f"{self._data.title}: the label given most often, of {total}: "
            + ", ".join(f"{name} {label} {count}" for name, (label, count) in most.items())
            + ".",
        ]

    def _above(self, threshold: float) -> str:
        ours = self._joined(OURS)
        pairs = [
            label == truth
            for label, truth, score in zip(ours.found, self.truths, ours.scores, strict=True)
            if score >= threshold
        ]
        if not pairs:
            return f"{threshold:g} keeps none"
        kept, right = len(pairs) / len(self.truths), sum(pairs) / len(pairs)
        return f"{threshold:g} keeps {100 * kept:.0f} %, of which {100 * right:.0f} % right"

    def _most_given(self, name: str) -> tuple[str, int]:
        found = self._joined(name).found
        return max(((label, found.count(label)) for label in self._data.labels), key=lambda pair: pair[1])

    def _seconds(self, name: str) -> tuple[float, ...]:
        return tuple(labels.seconds for labels in self.found[name])

    def _accuracy(self, name: str) -> float:
        found = self._joined(name).found
        return 100 * sum(label == truth for label, truth in zip(found, self.truths, strict=True)) / len(self.truths)

    def _joined(self, name: str) -> Labels:
        parts = self.found[name]
        return Labels(
            tuple(label for part in parts for label in part.found),
            sum(part.seconds for part in parts),
            tuple(score for part in parts for score in part.scores),
            sum(part.strict for part in parts),
        )
