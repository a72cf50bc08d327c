"""Result rows: those of a result under way that were asked for, with digests that tell whether earlier ones changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from mcp_context_resources.errors import StaleCursorError
from mcp_context_resources.tables.json_values import CellCutter
from mcp_context_resources.tables.spec import Column, Fetch, Fetched

if TYPE_CHECKING:
    from collections.abc import Sequence

_BATCH_ROWS: Final = 1_000


class ResultCursor(Protocol):
    """Gives the rows of a result one after the other, as Python's database interface (PEP 249) has it."""

    def fetchmany(self, size: int, /) -> Sequence[tuple[Any, ...]]:
        """Return the next rows, at most so many; none at the end."""


def fetch_rows(cursor: ResultCursor, columns: list[Column], fetch: Fetch) -> Fetched:
    """Fetch the rows asked for of a result under way; raises `StaleCursorError` where earlier ones have changed."""
    result = Fetched(columns)
    digest = _skip(cursor, fetch)
    cutter = CellCutter(fetch.max_cell_chars)
    chars = 0
    while batch := cursor.fetchmany(min(_BATCH_ROWS, fetch.max_rows + 1 - len(result.rows))):
        for row in batch:
            if len(result.rows) == fetch.max_rows or chars > fetch.max_chars:
                result.more, result.cells_cut = True, cutter.cut
                return result
            digest = _chain(digest, row)
            values = cutter.row(row)
            chars += sum(len(str(value)) for value in values) + len(values)
            result.rows.append(values)
            result.digests.append(digest)
    result.cells_cut = cutter.cut
    return result


def _skip(cursor: ResultCursor, fetch: Fetch) -> str:
    """Pass over the rows already delivered, and make sure that they are still the same ones."""
    digest, left = "", fetch.skip
    while left and (batch := cursor.fetchmany(min(_BATCH_ROWS, left))):
        left -= len(batch)
        for row in batch:
            digest = _chain(digest, row)
    if digest != fetch.skip_digest:
        raise StaleCursorError(
            "The rows no longer come in the order in which the earlier ones were read.",
            "Add an ORDER BY that decides every tie, and start again without a cursor.",
        )
    return digest


def _chain(digest: str, row: tuple[Any, ...]) -> str:
    return hashlib.blake2b(f"{digest}{row!r}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
