"""Row counts: how many rows tables have, where that is quick to find out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio

from mcp_context_resources.errors import ContextError, DeadlineExceededError, SourceBusyError
from mcp_context_resources.tables.spec import EngineLimits, RowCount, TableSpec
from mcp_context_resources.workers.batch import COUNTING_SECONDS, ask_each
from mcp_context_resources.workers.function import WorkerFunction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.access import Access
    from mcp_context_resources.tables.discovery import Discovery
    from mcp_context_resources.workers.pool import WorkerPool
    from mcp_context_resources.workspace.source import Source

_COUNT_ROWS: Final[WorkerFunction[list[RowCount], Sequence[TableSpec], EngineLimits]] = WorkerFunction(
    "mcp_context_resources.tables.duckdb_engine.profiles:count_rows"
)
_COPYING_SECONDS: Final = 5.0
_COPIED_BYTES: Final = 16 << 20


class RowCounts:
    """Counts rows, each table once for a version of its file."""

    def __init__(self, pool: WorkerPool, limits: EngineLimits, discovery: Discovery, access: Access) -> None:
        self._pool = pool
        self._limits = limits
        self._discovery = discovery
        self._access = access
        self._known: dict[str, RowCount] = {}

    async def of(self, tables: Sequence[Source]) -> list[RowCount]:
        """Count the rows of tables, in their order; `unknown` for those that would take long.

        A file that a worker dies of is named as a problem and costs the others nothing.
        """
        new = [table for table in tables if table.fingerprint not in self._known]
        async with anyio.create_task_group() as group:
            group.start_soon(self._count_all, [table for table in new if not self._access.is_loaded(table)])
            group.start_soon(self._copy_and_count, [table for table in new if self._access.is_loaded(table)])
        counts = [self._known.get(table.fingerprint, RowCount(None, unknown=True)) for table in tables]
        # What there was no time for is tried again the next time.
        self._known = {key: count for key, count in self._known.items() if not count.unknown}
        return counts

    async def _count_all(self, tables: Sequence[Source]) -> None:
        for table, count in await ask_each(tables, self._count, lambda problem: RowCount(None, problem=problem)):
            self._known[table.fingerprint] = count

    async def _copy_and_count(self, tables: Sequence[Source]) -> None:
        """Have small files that are loaded copied, as far as the time for it allows, and count their rows."""
        ends = time.monotonic() + _COPYING_SECONDS
        ready = []
        for table in tables:
            if (problem := self._discovery.problem(table.fingerprint)) is not None:
                self._known[table.fingerprint] = RowCount(None, problem=problem.message, unknown=True)
                continue
            if self._access.at_once(table, table.name) is None:
                if table.size > _COPIED_BYTES or time.monotonic() > ends:
                    continue
                try:
                    await self._access.one(table, table.name, ends, None)
                except DeadlineExceededError:
                    continue
                except ContextError as error:
                    passing = isinstance(error, SourceBusyError)
                    reason = error.message.splitlines()[0]
                    self._known[table.fingerprint] = RowCount(None, problem=reason, unknown=passing)
                    continue
            ready.append(table)
        await self._count_all(ready)

    async def _count(self, tables: Sequence[Source]) -> list[RowCount]:
        specs = [self._access.at_once(table, table.name) or self._access.bare(table, table.name) for table in tables]
        return await self._pool.run(_COUNT_ROWS, specs, self._limits, deadline=COUNTING_SECONDS)
