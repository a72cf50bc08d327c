"""What a table is to a search: its columns, what they hold, and which of them hold words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import DeadlineExceededError, OutOfMemoryError
from mcp_context_resources.index.spec import Chunk
from mcp_context_tools.rendering import cell_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mcp_context_resources.index.spec import IndexedSource
    from mcp_context_resources.tables.dialect import Dialect
    from mcp_context_resources.tables.spec import Column, Fetched

    Query = Callable[[str, int, int], Awaitable[Fetched]]
    """Runs a statement; takes the most rows and the most characters of a cell."""

MAX_SCHEMA_CHARS: Final = 1_500
"""Most characters of a chunk that says what a table is."""

_MEASURED: Final = 200
_MEASURED_ROWS: Final = 100_000
_VALUES: Final = 6
_VALUE_CHARS: Final = 40
_NAME_CHARS: Final = 200
_COLUMN_CHARS: Final = 300
_REPEATED: Final = 5
_VARIED: Final = 1_000
_FEW: Final = 1_000
# Two words, one of four letters or more, or Japanese, Chinese or Korean writing: codes and marks have none of these.
_WORDS: Final = (
    r"\p{L}{2,}[^\p{L}\p{N}]+\p{L}{2,}|(?:^|[^\p{L}\p{N}_])\p{L}\p{Ll}{3,}(?:$|[^\p{L}\p{N}_])"
    r"|[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー]{2,}"
)
_WITHOUT_RANGE: Final = ("BLOB", "BOOLEAN", "[", "(", "MAP", "STRUCT", "UNION", "BIT")


@dataclass(frozen=True, slots=True)
class ColumnContent:
    """What a column holds: values as text, the commonest first or the least and the greatest (`ranges`).

    `words` tells that its values are words that one row or few have, or that only few rows have any.
    """

    name: str
    type: str
    values: tuple[str, ...] = ()
    ranges: bool = False
    words: bool = False


@dataclass(frozen=True, slots=True)
class TableContent:
    """A table as far as a search needs to know it; `rows` is None where they weren't counted."""

    rows: int | None
    columns: tuple[ColumnContent, ...]

    @property
    def has_words(self) -> bool:
        """Whether rows are worth finding one by one."""
        return any(column.words for column in self.columns)


async def table_content(query: Query, name: str, dialect: Dialect) -> TableContent:
    """Measure a table with one statement, of its first rows alone where all take too long; raises as `query` does."""
    relation = dialect.identifier(name)
    columns = (await query(dialect.rows(relation, limit=0), 1, 1)).columns
    measured = columns[:_MEASURED]
    try:
        row = (await query(_statement(measured, relation, dialect), 1, _VALUES * (_VALUE_CHARS + 10))).rows[0]
        rows = int(row[0])
    except (DeadlineExceededError, OutOfMemoryError):
        first = f"({dialect.rows(relation, limit=_MEASURED_ROWS)})"
        row, rows = (await query(_statement(measured, first, dialect), 1, _VALUES * (_VALUE_CHARS + 10))).rows[0], None
    found = [_content(column, row[1 + 4 * place : 5 + 4 * place]) for place, column in enumerate(measured)]
    found += [ColumnContent(_name(column), column.type) for column in columns[_MEASURED:]]
    return TableContent(rows, tuple(found))


def schema_chunks(source: IndexedSource, content: TableContent) -> list[Chunk]:
    """Write what a table is, in as many chunks as it takes to name every column."""
    rows = "" if content.rows is None else f", {content.rows:,} rows"
    title = f"Table {_cut(source.name, _NAME_CHARS)} ({_cut(source.file, _NAME_CHARS)}){rows}. Columns: "
    texts: list[str] = []
    text = title
    for column in content.columns:
        line = _column_line(column)
        if len(text) + len(line) > MAX_SCHEMA_CHARS:
            texts.append(text.rstrip("; "))
            text = title
        text += f"{line}; "
    return [Chunk("schema", one.rstrip("; ")) for one in (*texts, text)]


def is_readable(column: Column) -> bool:
    """Tell whether a column's values are for people: vectors and binary data are not."""
    return "BLOB" not in column.type and not any(
        column.type.startswith(kind) and column.type.endswith("]")
        for kind in ("FLOAT", "DOUBLE", "TINYINT", "UTINYINT")
    )


def _statement(columns: Sequence[Column], relation: str, dialect: Dialect) -> str:
    aggregates = ["count(*)"]
    for column in columns:
        name = dialect.identifier(column.name)
        text = dialect.text(name, 2000)
        if _is_text(column):
            shown = dialect.text(name, _VALUE_CHARS + 1)
            aggregates += [f"count({name})", dialect.distinct_count(text), dialect.frequent_values(shown, _VALUES)]
            aggregates.append(dialect.count_of(dialect.matches(text, _WORDS)))
        elif is_readable(column) and not any(mark in column.type.replace("DECIMAL(", "") for mark in _WITHOUT_RANGE):
            aggregates += ["0", "0", dialect.text_range(name), "0"]
        else:
            aggregates += ["0", "0", "NULL", "0"]
    return f"SELECT {', '.join(aggregates)} FROM {relation}"  # noqa: S608 - names are quoted by the dialect


def _content(column: Column, measured: Sequence[Any]) -> ColumnContent:
    filled, distinct, values, words = measured
    if isinstance(values, str):
        values = json.loads(values)
    texts = [_cut(cell_line(value), _VALUE_CHARS) for value in values or () if value is not None]
    # Few values cost little, and a remark here and there is what people look for.
    varied = distinct * _REPEATED >= filled or distinct >= _VARIED or filled <= _FEW
    is_text = _is_text(column)
    return ColumnContent(
        _name(column),
        column.type,
        tuple(dict.fromkeys(filter(None, texts))),
        ranges=not is_text,
        words=is_text and words * 3 >= filled > 0 and varied,
    )


def _is_text(column: Column) -> bool:
    return "VARCHAR" in column.type or column.type.startswith(("ENUM", "JSON"))


def _column_line(column: ColumnContent) -> str:
    held = ""
    if column.values:
        held = " " + (" to " if column.ranges else ", ").join(column.values)
    return f"{column.name} ({_cut(column.type, _VALUE_CHARS)}){held}"[:_COLUMN_CHARS]


def _name(column: Column) -> str:
    return _cut(cell_line(column.name), _NAME_CHARS)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
