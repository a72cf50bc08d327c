"""Tables as the search index sees them: what each is, and its rows where they hold words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread

from mcp_context_resources.errors import NotFoundError, SourceChangedError, SqlError
from mcp_context_resources.index.feed import ChunkBatch
from mcp_context_tools.index_feeds.listed_files import Listed, indexed
from mcp_context_tools.index_feeds.row_text import row_chunks
from mcp_context_tools.index_feeds.table_profile import is_readable, schema_chunks, table_content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from mcp_context_resources.index.settings import IndexSettings
    from mcp_context_resources.index.spec import Chunk, IndexedSource
    from mcp_context_resources.tables.service import Tables
    from mcp_context_resources.tables.spec import Fetched
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.index_feeds.table_profile import TableContent

VERSION: Final = 1
"""To be raised with every change of how tables are written."""

_ROWS_AT_ONCE: Final = 5_000
_CHARS_AT_ONCE: Final = 2_000_000
_MAX_CELL_CHARS: Final = 20_000
_CUT_CHUNKS: Final = 500


class TableFeed:
    """The tables of a workspace (see `Feed`).

    Of every table there is what it is: name, file, columns, values. Rows are there one by one where a column holds
    words that one row or few of them have: not of tables of figures and codes, nor of a folder whose files are tables
    themselves, which have the rows.
    """

    def __init__(self, tables: Tables, settings: IndexSettings) -> None:
        self._tables = tables
        self._settings = settings
        made_with = VERSION, settings.chunk_chars, settings.max_rows, tables.settings.encoding, tables.reading_version
        self._made_with = "\0".join(map(str, made_with))
        self._listed = Listed(self.sources)

    async def sources(self) -> list[IndexedSource]:
        """Return every table there is now."""
        catalogue = await self._tables.catalogue()
        return self._listed.remember(catalogue, "table", self._indexed)

    async def unchanged(self, sources: Sequence[IndexedSource]) -> list[IndexedSource]:
        """Return those of some sources, listed before, whose files are still the same version now."""
        return await anyio.to_thread.run_sync(self._listed.unchanged, sources)

    async def chunks(self, source: IndexedSource, first: int) -> AsyncIterator[ChunkBatch]:
        """Describe a version of a table and read its rows, from chunk number `first` on.

        Raises `SourceChangedError`, `NotFoundError`, and as `Tables.query` does.
        """
        reader = _Reader(self._tables, await self._current(source))
        content = await table_content(reader.query, source.name, self._tables.dialect)
        most = self._settings.max_rows if content.has_words and not reader.has_rows_elsewhere else 0
        total = most if content.rows is None else min(most, content.rows)
        schema = schema_chunks(source, content)
        skip = min(first, len(schema))
        yield ChunkBatch(tuple(schema[skip:]), 0, total)
        skip = first - skip
        async for chunks, done in self._rows(reader, source.name, content, total):
            skipped = min(skip, len(chunks))
            skip -= skipped
            for start in range(skipped, len(chunks), _CUT_CHUNKS):
                yield ChunkBatch(tuple(chunks[start : start + _CUT_CHUNKS]), done, total)
        if total and content.rows is not None and content.rows > total:
            note = f"Only the first {total:,} of {content.rows:,} rows are searchable one by one."
            yield ChunkBatch((), total, total, note)

    async def _rows(
        self, reader: _Reader, name: str, content: TableContent, total: int
    ) -> AsyncIterator[tuple[list[Chunk], int]]:
        """Read rows in the order of the file, some at a time, with how many were read so far."""
        dialect = self._tables.dialect
        relation = dialect.identifier(name)
        done = 0
        while done < total:
            wanted = min(_ROWS_AT_ONCE, total - done)
            fetched = await reader.query(dialect.rows(relation, limit=wanted, offset=done), wanted, _MAX_CELL_CHARS)
            yield self._row_chunks(fetched, content, done), done + len(fetched.rows)
            done += len(fetched.rows)
            if not fetched.rows:
                return

    def _row_chunks(self, fetched: Fetched, content: TableContent, before: int) -> list[Chunk]:
        kept = [place for place, column in enumerate(fetched.columns) if is_readable(column)]
        worded = [place for place, column in enumerate(content.columns) if column.words]
        names = [content.columns[place].name for place in kept]
        chunks: list[Chunk] = []
        for number, row in enumerate(fetched.rows, start=before + 1):
            if any(row[place] not in (None, "") for place in worded):
                chunks += row_chunks(number, names, [row[place] for place in kept], self._settings.chunk_chars)
        return chunks

    async def _current(self, source: IndexedSource) -> Source:
        """Return the table as it was listed last, if it is this version; raises `SourceChangedError`, `NotFoundError`.

        Every statement tells the version that it read, so a later change is not missed.
        """
        return await self._listed.file(source)

    def _indexed(self, source: Source) -> IndexedSource:
        return indexed(source, "table", self._made_with)


class _Reader:
    """Reads one version of a table."""

    def __init__(self, tables: Tables, source: Source) -> None:
        self._tables = tables
        self._source = source

    @property
    def has_rows_elsewhere(self) -> bool:
        """Whether its files are tables themselves: those of a folder that isn't partitioned."""
        return bool(self._source.members) and not self._source.partitioned

    async def query(self, sql: str, most: int, max_cell_chars: int) -> Fetched:
        """Run a statement; raises `SourceChangedError` where it read another version, and as `Tables.query` does."""
        try:
            page = await self._tables.query(
                sql, None, max_rows=most, max_chars=_CHARS_AT_ONCE, max_cell_chars=max_cell_chars
            )
        except SqlError:
            await self._check_is_there()
            raise
        self._check([ref.fingerprint for ref in page.sources])
        return page.fetched

    async def _check_is_there(self) -> None:
        """Raise what is the matter where a statement fails because the table is no longer what it was."""
        found = (await self._tables.catalogue()).find("table", self._source.name)
        if found is None:
            raise NotFoundError(f"There is no table {self._source.name!r} any more.", "It was removed or renamed.")
        self._check([found.fingerprint])

    def _check(self, versions: Sequence[str]) -> None:
        if list(versions) != [self._source.fingerprint]:
            raise SourceChangedError(f"{self._source.name!r} changed while it was read.", "It is read anew.")
