"""Parallel reading: long documents in parts by several workers at once, the answers put together in order."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.documents.page_problems import add_problems
from mcp_context_resources.documents.page_range import format_page_range, merged_ranges, range_numbers
from mcp_context_resources.documents.spec import Matches, Reading, TablesFound
from mcp_context_resources.workers.function import WorkerFunction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.pool import Progress, WorkerPool

T = TypeVar("T")

MANY_CHARS: Final = 60_000
"""From how many characters on pages are read in parts."""

READ_PAGES: Final[WorkerFunction[Reading, DocumentFile, str, int, int, bool]] = WorkerFunction(
    "mcp_context_resources.documents.reading.pages:read_pages"
)
"""Reads pages."""

_READ_TABLES: Final[WorkerFunction[TablesFound, DocumentFile, str, int]] = WorkerFunction(
    "mcp_context_resources.documents.reading.pages:read_tables"
)
_PAGE_NUMBERS: Final[WorkerFunction[list[int], DocumentFile, str]] = WorkerFunction(
    "mcp_context_resources.documents.reading.pages:page_numbers"
)
_FIND: Final[WorkerFunction[Matches, DocumentFile, str, bool, str, int, int]] = WorkerFunction(
    "mcp_context_resources.documents.reading.places:find"
)
_PAGES_AT_ONCE: Final = 40


class ParallelReading:
    """Reads page ranges with several workers."""

    def __init__(self, pool: WorkerPool, workers: int) -> None:
        self._pool = pool
        self._workers = workers

    async def read(
        self,
        file: DocumentFile,
        pages: str,
        offset: int,
        max_chars: int,
        markdown: bool,
        deadline: float,
        on_progress: Progress | None,
    ) -> Reading:
        """Read pages as `reading.read_pages` does."""

        def ask(part: str, first: bool) -> tuple[Any, ...]:
            return READ_PAGES, file, part, offset if first else 0, max_chars, markdown

        whole: Reading | None = None
        left = max_chars
        more: Callable[[], str] = str
        remaining = ""
        async for found, rest in self._answers(file, pages, ask, deadline, on_progress):
            whole = whole or Reading(found.total_pages, found.title)
            _add(whole, found)
            for place, page in enumerate(found.pages):
                if len(page.text) <= left:
                    whole.pages.append(page)
                    left -= len(page.text)
                    continue
                kept = replace(page, text=cut_text(page.text, start=0, max_chars=left).text if left > 0 else "")
                whole.pages += [kept] if kept.text else []
                whole.next_offset = kept.end if kept.text else page.start
                behind = format_page_range([other.number for other in found.pages[place:]])
                whole.remaining = merged_ranges(behind, found.remaining, rest())
                return whole
            whole.next_offset = found.next_offset
            remaining, more = found.remaining, rest
            if found.remaining or left <= 0:
                break
        assert whole is not None  # noqa: S101 - a range names a page at least
        whole.remaining = merged_ranges(remaining, more())
        return whole

    async def tables(
        self, file: DocumentFile, pages: str, max_cells: int, deadline: float, on_progress: Progress | None
    ) -> TablesFound:
        """Find tables as `reading.read_tables` does."""

        def ask(part: str, first: bool) -> tuple[Any, ...]:  # noqa: ARG001
            return _READ_TABLES, file, part, max_cells

        whole: TablesFound | None = None
        searched: list[str] = []
        more: Callable[[], str] = str
        remaining = ""
        async for found, rest in self._answers(file, pages, ask, deadline, on_progress):
            whole = whole or TablesFound(found.total_pages, found.title)
            whole.tables += found.tables
            _add(whole, found)
            searched.append(found.searched)
            remaining, more = found.remaining, rest
            cells = sum(len(table.rows) * len(table.columns) for table in whole.tables)
            if found.remaining or cells >= max_cells:
                break
        assert whole is not None  # noqa: S101 - a range names a page at least
        whole.searched = merged_ranges(*searched)
        whole.remaining = merged_ranges(remaining, more())
        return whole

    async def find(
        self,
        file: DocumentFile,
        query: str,
        regex: bool,
        pages: str,
        offset: int,
        most: int,
        deadline: float,
        on_progress: Progress | None,
    ) -> Matches:
        """Find text as `reading.find` does."""

        def ask(part: str, first: bool) -> tuple[Any, ...]:
            return _FIND, file, query, regex, part, offset if first else 0, most

        whole: Matches | None = None
        searched: list[str] = []
        more: Callable[[], str] = str
        remaining = ""
        async for found, rest in self._answers(file, pages, ask, deadline, on_progress):
            whole = whole or Matches(found.total_pages, found.title)
            room = most - len(whole.matches)
            _add(whole, found)
            if len(found.matches) > room:
                first = found.matches[room]
                whole.matches += found.matches[:room]
                whole.next_offset = first.start
                whole.remaining = merged_ranges(found.searched, found.remaining, rest(), since=first.number)
                searched.append(_before(found.searched, first.number))
                whole.searched = merged_ranges(*searched)
                return whole
            whole.matches += found.matches
            searched.append(found.searched)
            whole.next_offset = found.next_offset
            remaining, more = found.remaining, rest
            if found.remaining:
                break
        assert whole is not None  # noqa: S101 - a range names a page at least
        whole.searched = merged_ranges(*searched)
        whole.remaining = merged_ranges(remaining, more())
        return whole

    async def _answers(
        self,
        file: DocumentFile,
        pages: str,
        ask: Callable[[str, bool], tuple[Any, ...]],
        deadline: float,
        on_progress: Progress | None,
    ) -> AsyncIterator[tuple[Any, Callable[[], str]]]:
        """Give the answer for each part in order, and what tells the pages behind it; as many at once as workers."""
        numbers = await self._pool.run(_PAGE_NUMBERS, file, pages, deadline=deadline)
        ends = time.monotonic() + deadline  # the start of a worker is not held against its work
        parts = [numbers[start : start + _PAGES_AT_ONCE] for start in range(0, len(numbers), _PAGES_AT_ONCE)]
        done = 0
        while done < len(parts):
            group = parts[done : done + self._workers]
            calls = [ask(format_page_range(part), done + place == 0) for place, part in enumerate(group)]
            left = ends - time.monotonic()
            if done and left <= 0:
                return
            for answer in await self._all(calls, max(1.0, left)):
                done += 1
                if on_progress is not None:
                    await on_progress(min(done * _PAGES_AT_ONCE, len(numbers)), len(numbers))
                yield answer, partial(_from, numbers, done * _PAGES_AT_ONCE)

    async def _all(self, calls: Sequence[tuple[Any, ...]], deadline: float) -> list[Any]:
        if len(calls) == 1:
            return [await self._pool.run(*calls[0], deadline=deadline)]
        answers: list[Any] = [None] * len(calls)

        async def one(place: int) -> None:
            answers[place] = await self._pool.run(*calls[place], deadline=deadline)

        try:
            async with anyio.create_task_group() as group:
                for place in range(len(calls)):
                    group.start_soon(one, place)
        except BaseExceptionGroup as group_error:
            raise _first(group_error) from group_error
        return answers


def _from(numbers: Sequence[int], start: int) -> str:
    return format_page_range(list(numbers[start:]))


def _add(whole: Reading | TablesFound | Matches, found: Reading | TablesFound | Matches) -> None:
    """Put the notes and problems of a part to those of the whole."""
    whole.notes += [note for note in found.notes if note not in whole.notes]
    add_problems(whole.problems, found.problems)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _before(searched: str, number: int) -> str:
    numbers = range_numbers(searched)
    return format_page_range(numbers[: numbers.index(number) + 1])
