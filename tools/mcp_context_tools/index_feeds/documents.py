"""Documents as the search index sees them: read page by page, cut into passages."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from mcp_context_resources.documents.page_problems import add_problems, problem_notes
from mcp_context_resources.index.chunks.chunker import VERSION, Chunker, OutlineHeading
from mcp_context_resources.index.feed import ChunkBatch
from mcp_context_resources.workspace.ignore_rules import ignore_spec
from mcp_context_tools.index_feeds.listed_files import Listed, indexed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from mcp_context_resources.documents.service import Documents
    from mcp_context_resources.documents.spec import Page, Reading
    from mcp_context_resources.index.settings import IndexSettings
    from mcp_context_resources.index.spec import Chunk, IndexedSource
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace

# A short document is read in one go; a long one goes on in slices that several workers share.
_FIRST_CHARS: Final = 50_000
_AT_ONCE_CHARS: Final = 400_000
_HEADINGS_AT_ONCE: Final = 20_000
_MOST_HEADINGS: Final = 100_000
_CUT_CHUNKS: Final = 200
_CUT_SECONDS: Final = 3.0


class DocumentFeed:
    """The documents of a workspace (see `Feed`)."""

    def __init__(self, documents: Documents, workspace: Workspace, settings: IndexSettings) -> None:
        self._documents = documents
        self._workspace = workspace
        self._settings = settings
        own = documents.settings
        made_with = VERSION, settings.chunk_chars, settings.max_source_chars, own.ocr, own.ocr_languages, own.encoding
        self._made_with = "\0".join(map(str, made_with))
        self._locked = [ignore_spec([item.get_secret_value().partition("=")[0]]) for item in own.passwords]
        # No other server, which may not have the password, gives out what this one has read with it.
        self._secret = secrets.token_hex(16)
        self._listed = Listed(self.sources)

    async def sources(self) -> list[IndexedSource]:
        """Return every document there is now."""
        catalogue = await anyio.to_thread.run_sync(self._workspace.catalogue)
        return self._listed.remember(catalogue, "document", self._indexed)

    @property
    def limit(self) -> str:
        """Say that there are more files than are served."""
        return self._listed.limit

    async def unchanged(self, sources: Sequence[IndexedSource]) -> list[IndexedSource]:
        """Return those of some sources, listed before, whose files are still the same version now."""
        return await anyio.to_thread.run_sync(self._listed.unchanged, sources)

    async def chunks(self, source: IndexedSource, first: int) -> AsyncIterator[ChunkBatch]:
        """Read a version of a document and cut it, from chunk number `first` on.

        Raises `SourceChangedError`, and as `Documents.read` does.
        """
        cutting = _Cutting(self._settings, first)
        file = await self._begin(source, cutting)
        offset, pages = 0, ""
        reading: Reading | None = None
        while reading is None or reading.remaining:
            most = _AT_ONCE_CHARS if reading else _FIRST_CHARS
            found = await self._documents.read(source.key, pages=pages, offset=offset, max_chars=most, source=file)
            reading = found.content
            add_problems(cutting.problems, reading.problems)
            pages, offset = reading.remaining, reading.next_offset
            for page in reading.pages:
                ends = page.end >= page.total_chars
                await anyio.to_thread.run_sync(cutting.add, page, ends)
                if cutting.is_due:
                    yield cutting.cut(page.number, reading.total_pages)
                if cutting.is_full:
                    break
            if cutting.is_full:
                break
        yield cutting.last(reading)

    async def _begin(self, source: IndexedSource, cutting: _Cutting) -> Source:
        """Read the outline of the file, and make sure that it is the version asked for."""
        entries: list[OutlineHeading] = []
        file = await self._listed.file(source)
        reader = self._documents.readers.of(file.format)
        more = reader.outlined
        while more and len(entries) < _MOST_HEADINGS:
            found = await self._documents.outline(source.key, skip=len(entries), most=_HEADINGS_AT_ONCE, source=file)
            outline = found.content
            entries += [OutlineHeading(entry.level, entry.title, entry.page or 0) for entry in outline.entries]
            more = bool(outline.more and outline.entries)
        cutting.begin(entries, markdown=reader.markdown)
        return file

    def _indexed(self, source: Source) -> IndexedSource:
        made_with = f"{self._made_with}\0{self._documents.readers.version(source.format)}"
        if any(pattern.match_file(source.file) for pattern in self._locked):
            made_with += f"\0{self._secret}"
        return indexed(source, "document", made_with)


class _Cutting:
    """A document being cut: what was cut and not handed over yet, and how much may still come."""

    def __init__(self, settings: IndexSettings, first: int) -> None:
        self._settings = settings
        self._skip = first
        self._chunker = Chunker(settings.chunk_chars)
        self._ready: list[Chunk] = []
        self._left = settings.max_source_chars
        self._since = time.monotonic()
        self.problems: dict[str, list[int]] = {}

    def begin(self, outline: list[OutlineHeading], *, markdown: bool) -> None:
        self._chunker = Chunker(self._settings.chunk_chars, outline, markdown=markdown)

    def add(self, page: Page, ends: bool) -> None:
        text = page.text[: self._left]
        self._left -= len(page.text)
        chunks = self._chunker.add(page.number, text, ends=ends or self.is_full)
        skipped = min(self._skip, len(chunks))
        self._skip -= skipped
        self._ready += chunks[skipped:]

    @property
    def is_due(self) -> bool:
        return len(self._ready) >= _CUT_CHUNKS or time.monotonic() - self._since > _CUT_SECONDS

    @property
    def is_full(self) -> bool:
        return self._left <= 0

    def cut(self, done: int, total: int, note: str = "") -> ChunkBatch:
        ready, self._ready = tuple(self._ready), []
        self._since = time.monotonic()
        return ChunkBatch(ready, done, total, note)

    def last(self, reading: Reading) -> ChunkBatch:
        notes = problem_notes(self.problems)
        if reading.remaining or (reading.pages and reading.pages[-1].number < reading.total_pages) or self._left < 0:
            most = self._settings.max_source_chars
            notes.insert(0, f"Only the first {most:,} characters are searchable.")
        return self.cut(reading.total_pages, reading.total_pages, " ".join(notes))
