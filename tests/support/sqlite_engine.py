"""A second engine of SQL: SQLite over one live database, whose tables have no version and are read as they are."""

from __future__ import annotations

import csv
import json
import math
import re
import sqlite3
import statistics
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread

from mcp_context_resources.errors import DeadlineExceededError, InvalidInputError, SqlError, SqlRefusedError
from mcp_context_resources.tables.missing_table import MissingTableError
from mcp_context_resources.tables.result_rows import fetch_rows
from mcp_context_resources.tables.spec import (
    Column,
    ColumnProfile,
    Exported,
    Fetch,
    Parameter,
    ParsedStatement,
    Profile,
    RowCount,
)
from mcp_context_resources.workspace.source import Live, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mcp_context_resources.cache import Cache
    from mcp_context_resources.tables.dialect import TimeStep
    from mcp_context_resources.tables.spec import Export, Fetched, Statement
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.workspace import Workspace

READING: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
OF_VALUES: Final = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR", bytes: "BLOB"}
# Texts, names and remarks, in which nothing is a placeholder; then placeholders.
TOKENS: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/
    | (?P<name>\$[A-Za-z_]\w*) | \$(?P<number>\d+) | (?P<next>\?)""",
    re.VERBOSE | re.DOTALL,
)
NO_TABLE: Final = re.compile(r"no such table: (?:main\.)?(\S+)")


@dataclass(frozen=True, slots=True)
class SqliteDialect:
    """SQLite's dialect; what it has no function for is defined in `functions`."""

    name: str = "SQLite SQL"

    def identifier(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def short_identifier(self, name: str) -> str:
        return self.identifier(name)

    def literal(self, value: object) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bool | int):
            return f"({int(value)})"
        if isinstance(value, float) and math.isfinite(value):
            return f"({value!r})"
        if isinstance(value, str) and "\0" not in value:
            return "'" + value.replace("'", "''") + "'"
        raise InvalidInputError(f"A parameter of type {type(value).__name__} has no SQL literal.", "Use a number.")

    def rows(
        self,
        relation: str,
        *,
        where: str = "",
        order_by: str = "",
        limit: int | None = None,
        offset: int | None = None,
    ) -> str:
        parts = [f"SELECT * FROM {relation}"]
        parts += [f"WHERE {where}"] * bool(where) + [f"ORDER BY {order_by}"] * bool(order_by)
        parts += [f"LIMIT {-1 if limit is None else limit}"] + [f"OFFSET {offset}"] * (offset is not None)
        return " ".join(parts)

    def all_columns_but(self, column: str) -> str:
        return f"*, NULL AS {self.identifier(column)}"

    def group_by(self, keys: Sequence[str]) -> str:
        return f"GROUP BY {', '.join(keys)}"

    def count_of(self, condition: str) -> str:
        return f"count(*) FILTER (WHERE {condition})"

    def contains(self, expression: str, text: str) -> str:
        return f"instr(lower({self.text(expression)}), lower({self.literal(text)})) > 0"

    def matches(self, expression: str, pattern: str) -> str:
        return f"matches({expression}, {self.literal(pattern)})"

    def text(self, expression: str, most: int | None = None) -> str:
        text = f"CAST({expression} AS TEXT)"
        return text if most is None else f"substr({text}, 1, {most})"

    def number_of_text(self, expression: str) -> str:
        return f"number_of({expression})"

    def cut_time(self, expression: str, step: TimeStep) -> str:
        return f"cut_time({expression}, '{step}')"

    def date(self, expression: str) -> str:
        return f"date({expression})"

    def median(self, expression: str) -> str:
        return self.quantile(expression, 0.5)

    def quantile(self, expression: str, share: float) -> str:
        return f"quantile({expression}, {share})"

    def distinct_count(self, expression: str) -> str:
        return f"count(DISTINCT {expression})"

    def frequent_values(self, expression: str, most: int) -> str:
        return f"frequent({expression}, {most})"

    def text_range(self, expression: str) -> str:
        return f"json_array({self.text(f'min({expression})')}, {self.text(f'max({expression})')})"


class Quantile:
    def __init__(self) -> None:
        self.values: list[float] = []
        self.share = 0.5

    def step(self, value: float | None, share: float) -> None:
        self.share = share
        if value is not None:
            self.values.append(value)

    def finalize(self) -> float | None:
        if len(self.values) < 2:
            return self.values[0] if self.values else None
        return statistics.quantiles(self.values, n=4, method="inclusive")[round(self.share * 4) - 1]


class Frequent:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.most = 0

    def step(self, value: str | None, most: int) -> None:
        self.most = most
        if value is not None:
            self.counts[value] += 1

    def finalize(self) -> str:
        return json.dumps([value for value, _ in self.counts.most_common(self.most)], ensure_ascii=False)


def number_of(text: object) -> float | None:
    try:
        return float(str(text).strip())
    except ValueError:
        return None


def cut_time(moment: str | None, step: TimeStep) -> str | None:
    if moment is None:
        return None
    year, month, *_ = moment.split("-")
    quarter = f"{year}-{(int(month) - 1) // 3 * 3 + 1:02}-01"
    beginnings = {"hour": f"{moment[:13]}:00:00", "day": moment[:10], "week": moment[:10], "quarter": quarter}
    return beginnings.get(step) or {"month": f"{year}-{month}-01", "year": f"{year}-01-01"}[step]


class SqliteEngine:
    """Serves the tables of a database that others may be writing to; statements run in threads of this process."""

    row_files = None
    reading_version = sqlite3.sqlite_version

    def __init__(self, database: Path, workspace: Workspace, results: Cache) -> None:
        self.dialect = SqliteDialect()
        self._database = database
        self._workspace = workspace
        self._results = results

    def warm_up(self) -> None:
        """There is no process to start."""

    async def aclose(self) -> None:
        """There is nothing to stop."""

    async def catalogue(self) -> Catalogue:
        return await anyio.to_thread.run_sync(self._catalogue)

    def _catalogue(self) -> Catalogue:
        others = self._workspace.catalogue()
        with self._connection(time.monotonic() + 5, lambda *_: sqlite3.SQLITE_OK) as connection:
            rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        tables = [
            Source("table", name, None, f"{self._database.name}#{name}", "sqlite", Live(), part=name)
            for (name,) in rows
        ]
        return replace(others, sources=(*tables, *(source for source in others.sources if source.kind != "table")))

    async def admit(self, sql: str, *, deadline: float) -> ParsedStatement:
        return await anyio.to_thread.run_sync(self._admit, sql, deadline)

    def _admit(self, sql: str, deadline: float) -> ParsedStatement:
        explain = re.match(r"\s*EXPLAIN\s+(?!QUERY)", sql, re.IGNORECASE)
        query = sql[explain.end() :] if explain else sql
        if not re.match(r"\s*(?:SELECT|WITH|VALUES)\b", query, re.IGNORECASE):
            raise SqlRefusedError("Only one read-only query at a time is run.", "Write a SELECT.")
        places: list[Parameter] = []
        for found in TOKENS.finditer(query):
            if (shown := found["name"] or found["number"] or found["next"]) is None:
                continue
            number = str(1 + sum(place.identifier.isdigit() for place in places)) if shown == "?" else shown
            at = len(query[: found.start()].encode())
            places.append(Parameter(at, len(found[0].encode()), number.removeprefix("$")))
        bound = TOKENS.sub(lambda found: found[0] if found.lastgroup is None else "NULL", query)
        tables: dict[str, None] = {}

        def judge(action: int, first: str | None, *_: str | None) -> int:
            if action == sqlite3.SQLITE_READ and first:
                tables[first] = None
            return sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY

        with self._connection(time.monotonic() + deadline, judge) as connection:
            connection.execute(f"EXPLAIN {bound}").fetchall()
        return ParsedStatement(query, tuple(tables), False, tuple(places), explain="EXPLAIN" if explain else "")

    async def query(
        self,
        statement: Statement,
        tables: Mapping[str, Source],
        fetch: Fetch,
        *,
        ends: float,
        direct: bool = False,
        on_progress: Progress | None = None,
    ) -> Fetched:
        del tables, direct, on_progress
        return await anyio.to_thread.run_sync(self._query, statement, fetch, ends)

    def _query(self, statement: Statement, fetch: Fetch, ends: float) -> Fetched:
        started = time.perf_counter()
        with self._connection(ends) as connection:
            sql = f"EXPLAIN QUERY PLAN {statement.sql}" if statement.explain else statement.sql
            columns = self._columns(connection, sql)
            fetched = fetch_rows(connection.execute(sql), columns, fetch)
        fetched.seconds = time.perf_counter() - started
        return fetched

    async def export(
        self,
        statement: Statement,
        tables: Mapping[str, Source],
        fetch: Fetch,
        wanted: Export,
        *,
        ends: float,
        direct: bool = False,
        on_progress: Progress | None = None,
    ) -> tuple[Fetched, Exported]:
        fetched = await self.query(statement, tables, fetch, ends=ends, direct=direct, on_progress=on_progress)
        return fetched, await anyio.to_thread.run_sync(self._export, statement, wanted, ends)

    def _export(self, statement: Statement, wanted: Export, ends: float) -> Exported:
        if wanted.format == "parquet":
            raise InvalidInputError("SQLite saves no parquet.", "Save as csv or json.")
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        with self._connection(ends) as connection:
            result = connection.execute(statement.sql)
            names = [name for name, *_ in result.description]
            rows = result.fetchall()
        if wanted.format == "csv":
            writer.writerows([names, *rows])
        else:
            text.writelines(f"{json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)}\n" for row in rows)
        content = text.getvalue().encode()
        if len(content) > wanted.max_bytes:
            raise InvalidInputError("The result does not fit.", "Filter more.")
        with self._results.create(wanted.name) as file:
            file.write(content)
        return Exported(len(rows), len(content))

    async def profile(
        self,
        table: Source,
        others: Sequence[Source],
        *,
        example_rows: int,
        max_cell_chars: int,
        ends: float,
        on_progress: Progress | None = None,
    ) -> Profile:
        del others, on_progress
        return await anyio.to_thread.run_sync(self._profile, table.part, example_rows, max_cell_chars, ends)

    def _profile(self, table: str, example_rows: int, max_cell_chars: int, ends: float) -> Profile:
        name = self.dialect.identifier(table)
        with self._connection(ends) as connection:
            (rows,) = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
            columns = []
            for column in self._columns(connection, f"SELECT * FROM {name}"):
                cell = self.dialect.identifier(column.name)
                filled, distinct, least, most = connection.execute(
                    f"SELECT count({cell}), count(DISTINCT {cell}), CAST(min({cell}) AS TEXT),"
                    f" CAST(max({cell}) AS TEXT) FROM {name}"
                ).fetchone()
                unique = distinct == rows > 1
                columns.append(
                    ColumnProfile(column.name, column.type, rows - filled, distinct, least, most, unique=unique)
                )
            fetch = Fetch(0, "", example_rows, 1_000_000, max_cell_chars)
            examples = fetch_rows(connection.execute(f"SELECT * FROM {name} LIMIT {example_rows}"), [], fetch)
        return Profile(rows, columns, examples.rows)

    async def count_rows(self, tables: Sequence[Source]) -> list[RowCount]:
        def count() -> list[RowCount]:
            with self._connection(time.monotonic() + 3) as connection:
                names = [self.dialect.identifier(table.part) for table in tables]
                counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in names]
            return [RowCount(rows) for (rows,) in counts]

        return await anyio.to_thread.run_sync(count)

    def _columns(self, connection: sqlite3.Connection, sql: str) -> list[Column]:
        """Name the columns of a result; their types are told by their values, as everywhere in SQLite."""
        result = connection.execute(sql)
        names = [name for name, *_ in result.description]
        first = result.fetchmany(100)
        kinds = [
            next((OF_VALUES[type(c)] for c in cells if c is not None), "VARCHAR") for cells in zip(*first, strict=True)
        ]
        return [Column(*pair) for pair in zip(names, kinds or ["VARCHAR"] * len(names), strict=True)]

    @contextmanager
    def _connection(self, ends: float, judge: Any = None) -> Iterator[sqlite3.Connection]:
        """Open the database to read; errors inside the block become ours."""
        uri = f"{self._database.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.create_aggregate("quantile", 2, Quantile)  # type: ignore[arg-type] # it takes any values
            connection.create_aggregate("frequent", 2, Frequent)  # type: ignore[arg-type] # as above
            connection.create_function("number_of", 1, number_of)
            connection.create_function("cut_time", 2, cut_time)
            connection.set_authorizer(judge or _reads_only)
            connection.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
            try:
                yield connection
            except sqlite3.Error as error:
                raise _explained(error) from error


def _reads_only(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY


def _explained(error: sqlite3.Error) -> Exception:
    message = str(error)
    if message == "interrupted":
        return DeadlineExceededError("The statement was stopped after its limit.", "Filter more.")
    if "not authorized" in message or "prohibited" in message:
        return SqlRefusedError("The statement does more than read.", "Write a SELECT.")
    if missing := NO_TABLE.search(message):
        return MissingTableError(message, "", missing[1])
    return SqlError(message)
