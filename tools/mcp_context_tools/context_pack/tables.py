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
from mcp_context_tools.text_cutting import cut_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp_context_resources.index.spec import Hit
    from mcp_context_resources.tables.spec import Column, Fetched
    from mcp_context_tools.context_pack.lookups import Suggestion
    from mcp_context_tools.context_pack.spec import Gathered
    from mcp_context_tools.search_hits.paging import Found
    from mcp_context_tools.tool import Services

_MOST_TABLES: Final = 4
_MOST_ROWS: Final = 12
_COLUMNS_CHARS: Final = 600
_ROW_CHARS: Final = 600
_SECONDS: Final = 5.0
_CELL_CHARS: Final = 200
_MOST_LOOKED_AT: Final = 3
_WHOLE_CELL_CHARS: Final = 2_000
_ROW_TOTAL_CHARS: Final = 100_000


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
    best, source, dialect = ranked[0][0], ranked[0][1].hit.source, services.tables.dialect
    page = await services.tables.query(
        row_sql(dialect, source.name, 1),
        None,
        max_rows=1,
        max_chars=_ROW_CHARS,
        max_cell_chars=_CELL_CHARS,
        seconds=_SECONDS,
    )
    columns = page.fetched.columns
    block = Block(source, page.sources[0], best, [])
    block.pieces.append(_piece(f"columns: {_listed(columns)}", best, kind="columns"))
    fitting = suggestion(dialect, question, source.name, columns)
    rows = [(rank, one.hit) for rank, one in ranked if one.hit.chunk.row is not None]
    computed = await _computed(services, fitting) if fitting.certain else None
    if computed is not None:
        piece = _piece(f"computed from all its rows: {fitting.sql} = {computed}", best, kind="computed")
        piece.data |= {"sql": fitting.sql, "value": computed}
        block.pieces.append(piece)
        block.answers = "named" if fitting.names_table else "alone"
    else:
        like = "" if fitting.certain else await _like_the_rows(services, question, source.name, rows)
        if await _can_run(services, sql := like or fitting.sql):
            piece = _piece(f"SQL: {sql}", best, kind="sql")
            piece.data["sql"] = sql
            block.pieces.append(piece)
    for rank, hit in rows[:_MOST_ROWS]:
        text = cut_whole(" ".join(visible(hit.chunk.text).split()), _ROW_CHARS, services.private)
        piece = _piece(f"row {hit.chunk.row}: {text}", rank, kind="row")
        piece.data |= {"row": hit.chunk.row, "text": text, "sql": row_sql(dialect, source.name, hit.chunk.row or 1)}
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
        listed.append(cut_whole(" ".join(entry.split()), _CELL_CHARS))
    return ", ".join(listed)


async def _like_the_rows(services: Services, question: str, table: str, rows: Sequence[tuple[int, Hit]]) -> str:
    """Return SQL for the rows that hold the matched words of the best row in the column in which it has them."""
    for _, hit in rows[:_MOST_LOOKED_AT]:
        fetched = await _fetched(services, row_sql(services.tables.dialect, table, hit.chunk.row or 1))
        if fetched is None or not fetched.rows:
            continue
        cells = [(len(value), name.name, value.casefold()) for name, value in _texts(fetched)]
        for start, end in sorted(matches_of(hit, question), key=lambda span: span[0] - span[1]):
            words = hit.chunk.text[start:end]
            # Of several columns with the words the one with the shortest value says little else.
            if holders := [(chars, name) for chars, name, value in cells if words.casefold() in value]:
                return rows_like(services.tables.dialect, table, min(holders)[1], words)
    return ""


def _texts(fetched: Fetched) -> Iterator[tuple[Column, str]]:
    """Give the columns of the first row with what stands in them."""
    for column, value in zip(fetched.columns, fetched.rows[0], strict=True):
        if value is not None:
            yield column, _cell(value)


async def _computed(services: Services, fitting: Suggestion) -> str | None:
    """Return what a statement gives; None where it fails, gives nothing or isn't the only answer."""
    if fitting.holds:
        sure = await _fetched(services, fitting.holds)
        if sure is None or not sure.rows or not sure.rows[0][0]:
            return None
    fetched = await _fetched(services, fitting.sql)
    if fetched is None or not fetched.rows or fetched.more:
        return None
    texts = list(_texts(fetched))
    if len(fetched.columns) == 1:
        return cut_whole(texts[0][1], _CELL_CHARS, services.private) if texts else None
    shown = "; ".join(f"{column.name}: {cut_whole(text, _CELL_CHARS, services.private)}" for column, text in texts)
    return cut_whole(" ".join(visible(shown).split()), _ROW_CHARS, services.private)


async def _fetched(services: Services, sql: str) -> Fetched | None:
    """Return the first row of what a statement gives, with cells whole as far as they are read; None if it fails."""
    try:
        page = await services.tables.query(
            sql,
            None,
            max_rows=1,
            max_chars=_ROW_TOTAL_CHARS,
            max_cell_chars=_WHOLE_CELL_CHARS,
            seconds=_SECONDS,
        )
    except ContextError:
        return None
    return page.fetched


async def _can_run(services: Services, sql: str) -> bool:
    return await _fetched(services, f"EXPLAIN {sql}") is not None


def _cell(value: object) -> str:
    return value if isinstance(value, str) else compact_json(value)
