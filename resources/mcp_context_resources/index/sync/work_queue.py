"""Work queue: which source is read next, what a search waits for before what nobody waits for."""

from __future__ import annotations

import heapq
import itertools
import time
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.index.feed import Feed
    from mcp_context_resources.index.spec import IndexedSource


class Priority(IntEnum):
    """How much a source is waited for: by a search of few sources, of all of them, or by nobody."""

    NAMED = 0
    ASKED = 1
    BACKGROUND = 2


class Batch:
    """Sources somebody waits for together; `unsettled` of them ended so that they should be looked at again."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.remaining = total
        self.unsettled = 0
        self.finished = anyio.Event()
        if not total:
            self.finished.set()

    def count(self, *, settled: bool) -> None:
        """Count one of the sources as ended."""
        self.remaining -= 1
        self.unsettled += not settled
        if not self.remaining:
            self.finished.set()


@dataclass(slots=True, eq=False)
class Task:
    """A version of a source to be read; `share` of it is done. It is urgent until that moment."""

    source: IndexedSource
    feed: Feed
    priority: Priority
    changed: bool
    urgent_until: float = 0.0
    share: float = 0.0
    batches: list[Batch] = field(default_factory=list)
    entry: tuple[object, ...] | None = None

    def end(self, *, settled: bool) -> None:
        """Tell everybody who waits."""
        for batch in self.batches:
            batch.count(settled=settled)
        self.batches = []


class WorkQueue:
    """Tasks by priority, changed before new, small before large, new before old; one of a source at a time."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, bool, int, int, int, Task]] = []
        self._numbers = itertools.count()
        self._waiting: dict[str, Task] = {}
        self._after: dict[str, Task] = {}
        self.at_work: dict[str, Task] = {}
        self.news = anyio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._after) + len(self.at_work)

    def add(self, asked: Task, batch: Batch) -> None:
        """Put in a task, or join the one there is for this version of the source."""
        key = asked.source.key
        task = self._same(asked)
        if task is None:
            task = asked
            if key in self.at_work:
                self._replace(self._after, task)
            else:
                self._replace(self._waiting, task)
                self._push(task)
        elif asked.priority < task.priority:
            task.priority = asked.priority
            if task.entry is not None:
                self._push(task)
        task.urgent_until = max(task.urgent_until, asked.urgent_until)
        task.batches.append(batch)

    def tell(self) -> None:
        """Wake whoever waits for tasks."""
        self.news.set()
        self.news = anyio.Event()

    def take(self, *, express: bool) -> Task | None:
        """Take the next task, only an urgent one where `express`; it is at work until `finish` or `give_back`."""
        now = time.monotonic()
        while self._heap:
            entry = self._heap[0]
            task = entry[-1]
            if task.entry is not entry:
                heapq.heappop(self._heap)  # it moved, was replaced or taken
            elif express and task.priority is Priority.BACKGROUND:
                return None
            elif express and task.urgent_until < now:
                heapq.heappop(self._heap)
                task.priority = Priority.BACKGROUND  # nobody waits any more
                self._push(task)
            else:
                heapq.heappop(self._heap)
                task.entry = None
                del self._waiting[task.source.key]
                self.at_work[task.source.key] = task
                return task
        return None

    def finish(self, task: Task, *, settled: bool) -> None:
        """End a task."""
        self._leave(task)
        task.end(settled=settled)

    def give_back(self, task: Task) -> None:
        """Let somebody else do a task; where a newer version is wanted by now, that one takes its place."""
        if newer := self._after.get(task.source.key):
            newer.batches += task.batches
        self._leave(task)
        if newer is None:
            task.share = 0.0
            self._waiting[task.source.key] = task
            self._push(task)
        self.tell()

    def clear(self) -> None:
        """End all tasks that are not at work."""
        for task in (*self._waiting.values(), *self._after.values()):
            task.entry = None
            task.end(settled=True)
        self._waiting, self._after, self._heap = {}, {}, []

    def working_for(self, batch: Batch) -> Iterator[Task]:
        """Return the tasks at work that a batch waits for."""
        return (task for task in self.at_work.values() if batch in task.batches)

    def _same(self, asked: Task) -> Task | None:
        for tasks in (self.at_work, self._waiting, self._after):
            task = tasks.get(asked.source.key)
            if task is not None and task.source.fingerprint == asked.source.fingerprint:
                return task
        return None

    def _replace(self, tasks: dict[str, Task], task: Task) -> None:
        """Put a task in the place of the one for an older version, and let it serve those who waited for that."""
        older = tasks.get(task.source.key)
        if older is not None:
            older.entry = None
            task.batches += older.batches
        tasks[task.source.key] = task

    def _leave(self, task: Task) -> None:
        del self.at_work[task.source.key]
        if (newer := self._after.pop(task.source.key, None)) is not None:
            self._waiting[newer.source.key] = newer
            self._push(newer)
            self.tell()

    def _push(self, task: Task) -> None:
        source = task.source
        entry = (
            int(task.priority),
            not task.changed,
            source.size.bit_length(),
            -source.modified,
            next(self._numbers),
            task,
        )
        task.entry = entry
        heapq.heappush(self._heap, entry)
