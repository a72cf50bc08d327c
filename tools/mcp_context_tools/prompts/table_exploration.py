"""`explore_table`: what a table holds, with the results of statements that were run a moment ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio

from mcp_context_resources.errors import ContextError, DeadlineExceededError
from mcp_context_tools.context_pack.pack_text import secret_word
from mcp_context_tools.named_sources import named_table
from mcp_context_tools.prompts.exploration_sql import statements
from mcp_context_tools.prompts.languages import wording_for
from mcp_context_tools.prompts.prompt import Draft
from mcp_context_tools.prompts.wording import Wording, filled
from mcp_context_tools.rendering import Untrusted, csv_line
from mcp_context_tools.text_cutting import Room, one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mcp_context_resources.tables.service import QueryPage, TableDescription
    from mcp_context_resources.tables.spec import Column, ColumnProfile, JoinPartner
    from mcp_context_tools.prompts.exploration_sql import SuggestedStatement
    from mcp_context_tools.tool import Services

_SECONDS: Final = 5.0
_EXAMPLE_ROWS: Final = 3
_CELL_CHARS: Final = 80
_SHOWN_ROWS: Final = 12
_RESULT_CHARS: Final = 4_000
_COLUMNS_SHARE: Final = 0.45
_EXAMPLES_SHARE: Final = 0.15
_NOTES: Final = 8
_NOTE_CHARS: Final = 300
_FRAME_TOKENS: Final = 150
_HEADER: Final = ("column", "type", "nulls", "distinct", "unique", "min", "max", "most_frequent")


async def write_exploration(services: Services, given: Mapping[str, str], max_tokens: int) -> Draft:
    """Write `explore_table` of its `table`."""
    described = await named_table(services, given["table"], example_rows=_EXAMPLE_ROWS, max_cell_chars=_CELL_CHARS)
    profile, name = described.profile, described.source.name
    partner = await _partner(services, profile.partners)
    tried = await _tried(services, statements(name, profile, partner, services.tables.dialect))
    wording = wording_for(" ".join(_values(described)), name)
    written = _Written(described, wording, max_tokens)
    written.columns()
    written.examples()
    written.joins()
    written.notes()
    for statement, page, total in tried:
        written.result(statement, page, total)
    text = filled(wording.explore, name=name, context=written.text())
    joined = (statement.subject for statement, *_ in tried if statement.about == "joined")
    return Draft(text, {"tables": [written.data, *written.results]}, (name, *joined))


async def _partner(services: Services, partners: Sequence[JoinPartner]) -> tuple[JoinPartner, Sequence[Column]] | None:
    """Return the likeliest table to join with, and its columns."""
    for partner in partners[:2]:
        dialect = services.tables.dialect
        page = await _ran(services, dialect.rows(dialect.identifier(partner.table), limit=0))
        if page is not None:
            return partner, page.fetched.columns
    return None


async def _tried(
    services: Services, made: Sequence[SuggestedStatement]
) -> list[tuple[SuggestedStatement, QueryPage | None, int | None]]:
    """Run statements side by side; one that fails is dropped, of one that takes too long the result is None.

    The number is of all rows without the statement's limit, where it has what counts them.
    """
    pages: dict[int, QueryPage | None] = {}
    totals: dict[int, int] = {}

    async def run(number: int, sql: str) -> None:
        try:
            pages[number] = await _ran(services, sql, slow_is_none=True)
        except ContextError:
            return

    async def count(number: int, sql: str) -> None:
        page = await _ran(services, sql)
        if page is not None and page.fetched.rows:
            totals[number] = int(page.fetched.rows[0][0])

    async with anyio.create_task_group() as group:
        for number, statement in enumerate(made):
            group.start_soon(run, number, statement.sql)
            if statement.counting:
                group.start_soon(count, number, statement.counting)
    return [(statement, pages[number], totals.get(number)) for number, statement in enumerate(made) if number in pages]


async def _ran(services: Services, sql: str, *, slow_is_none: bool = False) -> QueryPage | None:
    """Run a statement for a few seconds; None where it fails, or with `slow_is_none` only where it takes longer."""
    try:
        return await services.tables.query(
            sql, None, max_rows=_SHOWN_ROWS * 2, max_chars=_RESULT_CHARS, max_cell_chars=_CELL_CHARS, seconds=_SECONDS
        )
    except ContextError as error:
        if slow_is_none and not isinstance(error, DeadlineExceededError):
            raise
        return None


def _values(described: TableDescription) -> Iterable[str]:
    """Give words of a table that tell its language: names of columns and what stands in them."""
    for column in described.profile.columns:
        yield column.name
        yield from (value for value, _ in column.frequent)
    for row in described.profile.examples:
        yield from (cell for cell in row if isinstance(cell, str))


class _Written:
    """Writes the parts of the context, each as far as there is room; `data` and `results` are the same as data."""

    def __init__(self, described: TableDescription, wording: Wording, max_tokens: int) -> None:
        self._profile = described.profile
        self._name = described.source.name
        self._wording = wording
        self._word = secret_word(())
        self._untrusted = Untrusted(self._word)
        self._room = Room(max_tokens - _FRAME_TOKENS)
        self._column_tokens = int(max_tokens * _COLUMNS_SHARE)
        self._example_tokens = int(max_tokens * _EXAMPLES_SHARE)
        self._lines: list[str] = []
        self._ran = 0
        self.data: dict[str, Any] = {}
        self.results: list[dict[str, Any]] = []
        ref = described.ref
        self._head = wording.line(
            "table",
            name=self._name,
            rows=f"{self._profile.rows:,} {wording.noun('row', self._profile.rows)}",
            columns=f"{len(self._profile.columns)} {wording.noun('column', len(self._profile.columns))}",
            format=described.source.format,
            file=quoted(ref.file),
            modified=ref.modified or "live",
            read_at=ref.read_at,
        )

    def columns(self) -> None:
        room = Room(min(self._column_tokens, self._room.left))
        before = room.left
        lines = [csv_line(_HEADER)]
        for column in self._profile.columns:
            line = _column_line(column)
            if not room.take(line) and len(lines) > 1:
                break
            lines.append(line)
        self._room.left -= before - room.left
        shown = self._profile.columns[: len(lines) - 1]
        more = len(self._profile.columns) - len(shown)
        self._lines.append(f"{self._wording.says['all_columns']}\n{''.join(lines)}".rstrip())
        if more:
            noun = self._wording.noun("column", more)
            self._lines.append(self._wording.line("columns_cut", count=more, noun=noun, name=self._name))
        self.data["columns"] = [
            {
                "name": column.name,
                "min": column.minimum,
                "max": column.maximum,
                "most_frequent": [list(pair) for pair in column.frequent],
            }
            for column in shown
        ]

    def examples(self) -> None:
        """Show the first rows, as many as take a small share; of a wide table perhaps none."""
        names = [column.name for column in self._profile.columns]
        rows = self._profile.examples
        while rows:
            body = csv_line(names) + "".join(csv_line(row) for row in rows)
            head = self._wording.line("first_rows", count=len(rows), noun=self._wording.noun("row", len(rows)))
            part = f"{head}\n{body}".rstrip()
            if Room(self._example_tokens).take(part) and self._room.take(part):
                self._lines.append(part)
                self.results.append({"columns": names, "rows": rows})
                return
            rows = rows[:-1]

    def joins(self) -> None:
        lines = [self._wording.says["joins"]]
        for partner in self._profile.partners:
            line = self._wording.line(
                "join",
                column=one_line(partner.column, _CELL_CHARS),
                table=partner.table,
                other=one_line(partner.other_column, _CELL_CHARS),
                found=partner.found,
                checked=partner.checked,
            )
            if self._room.take(line):
                lines.append(line)
        if len(lines) > 1:
            self._lines.append("\n".join(lines))

    def notes(self) -> None:
        for note in self._profile.notes[:_NOTES]:
            line = one_line(note, _NOTE_CHARS)
            if self._room.take(line):
                self._lines.append(line)

    def result(self, statement: SuggestedStatement, page: QueryPage | None, total: int | None) -> None:
        """Show a statement and what it gave; fewer rows where there is less room, and not at all without any.

        `total` is how many rows there would be without its limit, where that is known.
        """
        says = self._wording.says
        about = self._wording.line(
            statement.about, column=one_line(statement.subject, _CELL_CHARS), table=statement.subject
        )
        head = f"{self._wording.line('sql', number=self._ran + 1, about=about)}\n{statement.sql}"
        if page is None:
            part = f"{head}\n{self._wording.line('slow', seconds=f'{_SECONDS:g}')}"
            if self._room.take(part):
                self._ran += 1
                self._lines.append(part)
            return
        names = [column.name for column in page.fetched.columns]
        for count in (2 * _SHOWN_ROWS, _SHOWN_ROWS, _SHOWN_ROWS // 2, 2):
            rows = page.fetched.rows[:count]
            body = csv_line(names) + "".join(csv_line(row) for row in rows) if rows else f"{says['no_rows']}\n"
            more = f"{says['more_rows']}\n" if rows and (len(page.fetched.rows) > count or page.fetched.more) else ""
            if total is not None and total > len(rows):
                more = f"{self._wording.line('newest', shown=len(rows), total=f'{total:,}')}\n"
            part = f"{head}\n{body}{more}".rstrip()
            if self._room.take(part):
                self._ran += 1
                self._lines.append(part)
                self.results.append({"columns": names, "rows": rows})
                return

    def text(self) -> str:
        """Return all of it between marks: names of columns come from the file, too."""
        told = [self._wording.line("marks", word=self._word), self._untrusted.wrap("\n".join(self._lines), self._head)]
        return "\n".join([*told, self._wording.says["sql_note"]] if self._ran else told)


def _column_line(column: ColumnProfile) -> str:
    frequent = "; ".join(f"{one_line(value, 40)} ({count:,})" for value, count in column.frequent)
    ends = (None if end is None else one_line(end, 40) for end in (column.minimum, column.maximum))
    unique = "yes" if column.unique else None
    return csv_line((column.name, column.type, column.nulls, column.distinct, unique, *ends, frequent or None))
