"""Statement preparation: from SQL to what an engine needs to run it, its values in place and its tables found."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.tables.embedded_texts import texts_of, vectors_of
from mcp_context_resources.tables.missing_table import MissingTableError, suggest_tables
from mcp_context_resources.tables.page_cursor import PageCursor
from mcp_context_resources.tables.parameters import bind, by_identifier
from mcp_context_resources.tables.spec import Statement
from mcp_context_resources.workspace.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from mcp_context_resources.provenance import SourceRef
    from mcp_context_resources.tables.embedded_texts import QueryEmbedder
    from mcp_context_resources.tables.engine import TableEngine
    from mcp_context_resources.tables.model_tables.service import ModelTables
    from mcp_context_resources.tables.spec import Fetched, ParsedStatement
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import DerivedTables
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace

    Values = Sequence[Any] | Mapping[str, Any] | None
    """The values of a statement's placeholders."""

MAX_SQL_CHARS: Final = 100_000
"""Longest statement that is run."""

_EVERY_TABLE_AT_MOST: Final = 500
_KEPT_STATEMENTS: Final = 64


@dataclass(frozen=True, slots=True)
class Ready:
    """A statement ready to run: over which tables by which names, from which place of its result, until when."""

    statement: Statement
    tables: dict[str, Source]
    refs: list[SourceRef]
    place: PageCursor
    ends: float
    catalogue: Catalogue
    _notes: tuple[str, ...]

    @property
    def sources(self) -> list[Source]:
        """The tables, each once."""
        return list(dict.fromkeys(self.tables.values()))

    @property
    def direct(self) -> bool:
        """Whether earlier pages were read without copies."""
        return self.place.direct == 1

    def read(self, fetched: Fetched) -> PageCursor:
        """Return where the rows that were read begin, and note with them what was left out."""
        fetched.notes += [*self._notes, *fetched.left_out]
        beyond = len(self.catalogue.of("table")) - _EVERY_TABLE_AT_MOST
        if self.statement.every_table and beyond > 0:
            fetched.notes.append(f"Left out: {beyond:,} tables beyond the first {_EVERY_TABLE_AT_MOST}.")
        return self.place if self.place.skip else replace(self.place, direct=int(fetched.direct))


class Preparation:
    """Prepares statements over an engine's tables, those made of documents (`derived`) and those of models."""

    def __init__(
        self,
        engine: TableEngine,
        workspace: Workspace,
        catalogue: Callable[[], Awaitable[Catalogue]],
        *,
        derived: DerivedTables | None,
        mapped: ModelTables,
        embedder: QueryEmbedder | None,
        parse_seconds: float,
    ) -> None:
        self._engine = engine
        self._workspace = workspace
        self._catalogue = catalogue
        self._derived = derived
        self._mapped = mapped
        self._embedder = embedder
        self._parse_seconds = parse_seconds
        self._parsed: dict[str, ParsedStatement] = {}

    async def parse(self, sql: str) -> ParsedStatement:
        """Parse a statement and admit it; raises `InvalidInputError`, `SqlError`, `SqlRefusedError`."""
        if not sql.strip():
            raise InvalidInputError("The statement is empty.", "Write a SELECT; list_sources names the tables.")
        if len(sql) > MAX_SQL_CHARS:
            raise InvalidInputError(f"The statement is longer than {MAX_SQL_CHARS:,} characters.", "Shorten it.")
        parsed = self._parsed.get(sql)
        if parsed is None:
            try:
                parsed = await self._engine.admit(sql, deadline=self._parse_seconds)
            except MissingTableError as error:  # of an engine that looks names up at once
                catalogue = await self._catalogue()
                raise suggest_tables(error, lambda name: catalogue.near("table", name)) from error
            # Paging repeats a statement; what it means depends on its text alone.
            self._parsed[sql] = parsed
            if len(self._parsed) > _KEPT_STATEMENTS:
                self._parsed.pop(next(iter(self._parsed)))
        return parsed

    async def prepare(
        self,
        statement: ParsedStatement,
        parameters: Values,
        cursor: str | None,
        ends: float,
        on_progress: Progress | None,
    ) -> Ready:
        """Put values in the places for them, find the tables, and embed the texts that are to be embedded.

        `ends` is on the clock of `time.monotonic`. Raises `InvalidCursorError`, `StaleCursorError`,
        `InvalidInputError`, and what making tables of documents and running models raises.
        """
        bound = bind(statement.sql, statement.parameters, parameters, self._engine.dialect.literal)
        reads = statement.tables or statement.every_table or statement.embeds
        catalogue = await self._catalogue() if reads else Catalogue(())
        named = await self._tables_of(statement, catalogue, on_progress)
        tables = list(dict.fromkeys(named.values()))
        request = hashlib.sha256(f"{statement.explain}{bound.strip().rstrip('; ')}".encode()).hexdigest()[:16]
        versions = hashlib.sha256("".join(sorted(t.fingerprint for t in tables)).encode()).hexdigest()[:16]
        place = PageCursor.open(cursor, request, versions)
        vectors: tuple[tuple[str, str], ...] = ()
        if statement.embeds:
            started = time.monotonic()
            texts = texts_of(statement, by_identifier(parameters))
            vectors = await vectors_of(self._embedder, catalogue, texts, self._mapped.embedded_by(tables))
            ends += time.monotonic() - started  # a model that had to be loaded is not the statement's fault
        refs = [table.ref() for table in tables]
        notes = tuple(await self._mapped.notes(tables, catalogue))
        work = Statement(bound, statement.every_table, statement.explain, statement.pivots, vectors)
        return Ready(work, named, refs, place, ends, catalogue, notes)

    async def table(self, catalogue: Catalogue, name: str, on_progress: Progress | None) -> Source:
        """Return the table of that name or URI; raises `NotFoundError`, `AccessDeniedError`."""
        source = await self._derived_table(catalogue, name, on_progress) or self._mapped_table(catalogue, name)
        return source or self._workspace.resolve(catalogue, "table", name)

    async def _derived_table(self, catalogue: Catalogue, name: str, on_progress: Progress | None) -> Source | None:
        """Return a table that is made of another source; a file of that name comes first."""
        bare = name.removeprefix("table://")
        if self._derived is None or catalogue.find("table", bare) is not None:
            return None
        return await self._derived.table(catalogue, bare, on_progress)

    def _mapped_table(self, catalogue: Catalogue, name: str) -> Source | None:
        found = catalogue.find("table", unquote(name.removeprefix("table://")) if "://" in name else name)
        return found if found is not None and self._mapped.is_mapped(found) else None

    async def _tables_of(
        self, statement: ParsedStatement, catalogue: Catalogue, on_progress: Progress | None
    ) -> dict[str, Source]:
        """Return the tables a statement reads, by the names it calls them (any Unicode form, any case)."""
        named: dict[str, Source] = {}
        if statement.every_table:
            named = {source.name: source for source in catalogue.of("table")[:_EVERY_TABLE_AT_MOST]}
        for name in statement.tables:
            source = catalogue.find("table", name) or await self._derived_table(catalogue, name, on_progress)
            if source is None:
                continue
            # The engine compares names by ASCII case alone, so another spelling needs a view of its own.
            known = next((other for other in named if _ascii_lower(other) == _ascii_lower(name)), None)
            named[known or name] = source
        for source in named.values():
            if not self._mapped.is_mapped(source):
                self._workspace.check(source)
        return named


def _ascii_lower(name: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in name)
