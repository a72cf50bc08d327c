"""SQL tables made of the tables in documents, each when it is first asked for."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from typing_extensions import override

from mcp_context_resources.cut_text import first_names
from mcp_context_resources.documents.table_names import parse_table_name, table_prefixes
from mcp_context_resources.errors import InvalidInputError, NotFoundError
from mcp_context_resources.workspace.catalogue import DerivedTables
from mcp_context_resources.workspace.names import lookup_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from mcp_context_resources.cache import Cache
    from mcp_context_resources.documents.reader import DocumentReaders
    from mcp_context_resources.documents.spec import DocumentTable, FromDocument, TablesFound
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source

FORMAT: Final = "cells"
"""What the files made here are to the reader of tables."""

_VERSION: Final = 3
_NAMED: Final = 8


class SqlTables(DerivedTables):
    """Takes tables out of documents, each once for a version of its document (see `DerivedTables`).

    `find` looks for the tables on pages of the document of a name. `settings` says what decides, besides the
    `readers`, how tables come out, such as an encoding: what was kept under others is not used.
    `is_locked` tells a document that needs a password. Its tables are kept under names that
    only this server can make, so that no later one, which may not have the password, gives them out.
    """

    def __init__(
        self,
        find: Callable[[str, str, Progress | None], Awaitable[FromDocument[TablesFound]]],
        cache: Cache,
        *,
        readers: DocumentReaders,
        settings: str,
        is_locked: Callable[[Source], bool],
    ) -> None:
        self._find = find
        self._cache = cache
        self._readers = readers
        self._settings = settings
        self._is_locked = is_locked
        self._salt = secrets.token_hex(16)
        # Which document each prefix meant so far: as long as this server lives it never means another one.
        self._held: dict[str, str] = {}

    def prefixes(self, names: Iterable[str]) -> dict[str, str]:
        """Return what the names of the documents' tables begin with, by document name; see `table_prefixes`.

        A document keeps its prefix, and no other ever gets it, as long as this object lives.
        """
        given = table_prefixes(names, self._held)
        self._held.update(given)
        return given

    @override
    async def table(self, catalogue: Catalogue, name: str, on_progress: Progress | None = None) -> Source | None:
        parsed = parse_table_name(name)
        if parsed is None:
            return None
        prefix, part, page = parsed
        documents = {document.name: document for document in catalogue.of("document")}
        prefixes = self.prefixes(documents)
        by_key = {lookup_key(own): document for document, own in prefixes.items()}
        document_name = by_key.get(lookup_key(prefix))
        if document_name is None:
            return None
        document = documents[document_name]
        file = self._cache.get(self._file_name(document, part))
        if file is None:
            file = await self._made(document, part, page, on_progress)
        return replace(
            document,
            kind="table",
            name=f"{prefixes[document_name]}_{part}",
            location=file,
            file=f"{document.file}#{part}",
            format=FORMAT,
            origin=document.path,
            part=part,
        )

    async def _made(self, document: Source, part: str, page: int, on_progress: Progress | None) -> Path:
        try:
            found = await self._find(document.name, str(page), on_progress)
        except InvalidInputError as error:
            raise NotFoundError(error.message, error.hint) from error
        tables = {table.part: table for table in found.content.tables}
        if part not in tables:
            there = f"It has {first_names(list(tables), _NAMED)}." if tables else "It has no tables."
            raise NotFoundError(
                f"Page {page} of {document.name!r} has no table {part!r}.",
                f'{there} read_document with view "tables" lists them.',
            )
        for table in tables.values():
            await anyio.to_thread.run_sync(self._write, found.source, table)
        path = self._cache.get(self._file_name(document, part))
        if path is None:  # the document changed in between: what was found is of the new version
            path = self._cache.get(self._file_name(found.source, part))
        if path is None:
            raise NotFoundError(f"{part} of {document.name!r} could not be kept.", "Raise storage.max_cache_bytes.")
        return path

    def _write(self, document: Source, table: DocumentTable) -> None:
        pages = f"page {table.pages[0]}" + (f" to {table.pages[-1]}" if len(table.pages) > 1 else "")
        # The caption is the file's words, which don't belong among ours.
        notes = [f"Taken from {document.name}, {pages}."]
        if not table.header_rows:
            notes.append("It has no header line: the columns are named by their position.")
        with self._cache.create(self._file_name(document, table.part)) as file:
            file.write(f'{{"columns": {_json(table.columns)}, "notes": {_json(notes)}, "rows": ['.encode())
            # Row by row: one call for all of them would stop the server's other threads meanwhile.
            for number, row in enumerate(table.rows[table.header_rows :]):
                file.write(f"{',' if number else ''}\n{_json(row)}".encode())
            file.write(b"]}")

    def _file_name(self, document: Source, part: str) -> str:
        made_with = f"{_VERSION}\0{self._readers.version(document.format)}\0{self._settings}"
        made_of = f"{document.fingerprint}\0{part}\0{made_with}"
        if self._is_locked(document):
            made_of += f"\0{self._salt}"
        return f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.json"


def _json(value: Sequence[str]) -> str:
    return json.dumps(value, ensure_ascii=False)
