"""What tables have to say to a question: their columns, the rows that were found, SQL, and figures computed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from mcp_context_resources.errors import ContextError, NotFoundError
from mcp_context_tools.context_pack.lookups import rows_like, suggestion
from mcp_context_tools.context_pack.spec import Block, Piece
from mcp_context_tools.rendering import compact_json
from mcp_context_tools.search_hits.places import row_sql
from mcp_context_tools.search_hits.quotes import matches_of, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.index.spec import Hit
    from mcp_context_resources.tables.spec import Column
    from mcp_context_tools.context_pack.spec import Gathered
    from mcp_context_tools.search_hits.paging import Found
    from mcp_context_tools.tool import Services

_MOST_TABLES: Final = 4
_MOST_ROWS: Final = 12
_COLUMNS_CHARS: Final = 600
_ROW_CHARS: Final = 600
_SECONDS: Final = 5.0
_CELL_CHARS: Final = 200
_MOST_GROUPS: Final = 10
_FACT_VALUE: Final = 2.0


async def read_tables(
    services: Services, question: str, found: Sequence[tuple[int, Found]], gathered: Gathered
) -> None:
    """Add a block for each table with hits: `found` are these with their ranks from 0.

    A table that can't be read any more is among `missing`.
    """
    by_table: dict[str, list[tuple[int, Found]]] = {}
    for rank, one in found:
        by_table.setdefault(one.hit.source.key, []).append((rank, one))

    async def read(ranked: list[tuple[int, Found]]) -> None:
        name = ranked[0][1].hit.source.name
        try:
            gathered.blocks.append(await _block(services, question, ranked))
        except NotFoundError:
            gathered.missing[name] = "it is gone since it was found"
        except ContextError as error:
            gathered.missing[name] = error.message

    async with anyio.create_task_group() as group:
        for ranked in list(by_table.values())[:_MOST_TABLES]:
            group.start_soon(read, ranked)
    for ranked in list(by_table.values())[_MOST_TABLES:]:
        gathered.missing.setdefault(ranked[0][1].hit.source.name, "less to do with the question")


async def _block(services: Services, question: str, ranked: Sequence[tuple[int, Found]]) -> Block:
    best, source = ranked[0][0], ranked[0][1].hit.source
    page = await services.tables.query(
        f"{row_sql(source.name, 1)}",
        None,
        max_rows=1,
        max_chars=_ROW_CHARS,
        max_cell_chars=_CELL_CHARS,
        seconds=_SECONDS,
    )
    columns = page.fetched.columns
    block = Block(source, page.sources[0], best, [])
    block.pieces.append(_piece(f"columns: {_listed(columns)}", best, kind="columns"))
    fitting = suggestion(question, source.name, columns)
    rows = [(rank, one.hit) for rank, one in ranked if one.hit.chunk.row is not None]
    sql = fitting.sql
    if rows and not fitting.certain:
        sql = _like_the_rows(source.name, [hit for _, hit in rows], columns, question) or sql
    computed = await _computed(services, sql) if fitting.certain else None
    if computed is not None:
        piece = _piece(f"computed from all its rows: {sql} = {computed}", best, kind="computed")
        piece.data |= {"sql": sql, "value": computed}
        piece.value = _FACT_VALUE
        block.pieces.append(piece)
    elif (result := await _result(services, sql)) is not None:
        shown = f" gives {result}" if result else ""
        piece = _piece(f"SQL: {sql}{shown}", best, kind="sql")
        piece.data |= {"sql": sql, "result": result}
        block.pieces.append(piece)
    for rank, hit in rows[:_MOST_ROWS]:
        text = " ".join(visible(hit.chunk.text).split())[:_ROW_CHARS]
        piece = _piece(f"row {hit.chunk.row}: {text}", rank, kind="row")
        piece.data |= {"row": hit.chunk.row, "text": text, "sql": row_sql(source.name, hit.chunk.row or 1)}
        block.pieces.append(piece)
    for order, piece in enumerate(block.pieces):
        piece.order = order
    return block


def _piece(text: str, rank: int, *, kind: str) -> Piece:
    return Piece(text, 0, float(rank), data={"kind": kind})


def _listed(columns: Sequence[Column]) -> str:
    listed: list[str] = []
    chars = 0
    for column in columns:
        entry = f"{visible(column.name)} {column.type}"
        chars += len(entry) + 2
        if listed and chars > _COLUMNS_CHARS:
            return f"{', '.join(listed)} and {len(columns) - len(listed)} more"
        listed.append(" ".join(entry.split())[:_CELL_CHARS])
    return ", ".join(listed)


def _like_the_rows(table: str, hits: Sequence[Hit], columns: Sequence[Column], question: str) -> str:
    """Return SQL for the rows that hold the matched words of the best row where they stand in one column's value."""
    for hit in hits:
        text = hit.chunk.text
        for start, end in sorted(matches_of(hit, question), key=lambda span: span[0] - span[1]):
            for column in columns:
                begins = text.find(f"{column.name}: ")
                value = begins + len(column.name) + 2
                ends = text.find("; ", value)
                if begins >= 0 and value <= start and end <= (ends if ends >= 0 else len(text)):
                    return rows_like(table, column.name, text[start:end])
    return ""


async def _computed(services: Services, sql: str) -> str | None:
    try:
        page = await services.tables.query(
            sql, None, max_rows=1, max_chars=_ROW_CHARS, max_cell_chars=_CELL_CHARS, seconds=_SECONDS
        )
    except ContextError:
        return None
    value = page.fetched.rows[0][0] if page.fetched.rows else None
    return None if value is None else _cell(value)


async def _result(services: Services, sql: str) -> str | None:
    """Return the few rows that a statement of figures gives, nothing of one that lists rows; None where it fails."""
    figures = sql.startswith("SELECT")
    try:
        page = await services.tables.query(
            sql if figures else f"EXPLAIN {sql}",
            None,
            max_rows=_MOST_GROUPS,
            max_chars=_ROW_CHARS,
            max_cell_chars=_CELL_CHARS,
            seconds=_SECONDS,
        )
    except ContextError:
        return None
    fetched = page.fetched
    if not figures:
        return ""
    rows = ", ".join(" ".join(visible(": ".join(map(_cell, row))).split()) for row in fetched.rows)
    return f"{rows}, …" if fetched.more else rows


def _cell(value: object) -> str:
    return value if isinstance(value, str) else compact_json(value)
