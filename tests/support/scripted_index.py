"""A `SearchIndex` that finds what a test tells it to, or what shares words with the query, over a real workspace."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mcp_context_resources.charts.service import Charts
from mcp_context_resources.documents.reader import DOCUMENT_FORMATS
from mcp_context_resources.documents.service import Documents
from mcp_context_resources.index.request import BuildState, SearchResults
from mcp_context_resources.index.spec import Chunk, Hit, IndexAnswer, IndexedSource
from mcp_context_resources.models.formats import MODEL_FORMATS
from mcp_context_resources.models.service import Models
from mcp_context_resources.provenance import source_uri
from mcp_context_resources.tables.local_engine import LocalEngine
from mcp_context_resources.tables.reader import COMPANIONS, TABLE_FORMATS
from mcp_context_resources.tables.service import Tables
from mcp_context_resources.workspace.workspace import Workspace
from mcp_context_tools.relevance import About
from mcp_context_tools.tool import Services
from tests.support.serving import settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from mcp_context_resources.index.request import SearchRequest
    from mcp_context_resources.index.spec import SearchMode

MODIFIED = 1_760_000_000_000_000_000


@dataclass
class ScriptedIndex:
    """Answers with the hits of `chunks` that share words with the query, the more the better; all where `every`."""

    chunks: list[tuple[IndexedSource, Chunk]] = field(default_factory=list)
    every: bool = False
    mode: SearchMode = "hybrid"
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    reading: int = 0
    asked: list[SearchRequest] = field(default_factory=list)

    def add(self, name: str, *texts: str, kind: str = "document", page: int = 1, version: str = "1") -> None:
        """Add passages of a page that follow each other with a blank line between them."""
        source = indexed(name, kind=kind, version=version)
        start = 0
        for text in texts:
            self.chunks.append((source, Chunk("text", text, page=page, start=start, end=start + len(text))))
            start += len(text) + 2

    async def search(self, request: SearchRequest, *, on_progress: object = None) -> SearchResults:  # noqa: ARG002
        """Answer as `SearchIndex.search` does."""
        self.asked.append(request)
        wanted = About.of(request.text).all
        scored = []
        for source, chunk in self.chunks:
            if request.names and not {source.name, source.key} & set(request.names):
                continue
            if request.kind and source.kind != request.kind:
                continue
            shared = wanted & About.of(chunk.text).all
            if shared or self.every:
                score = len(shared) / max(1, len(wanted))
                scored.append(Hit(chunk, source, score or 0.1, matched=_matched(request.text, chunk.text)))
        hits = tuple(sorted(scored, key=lambda hit: -hit.score)[: request.most])
        reached = {source.key for source, _ in self.chunks}
        state = BuildState(len(reached), len(reached), 0, len(self.chunks), building=bool(self.left_out))
        answer = IndexAnswer(hits, len(hits), tuple(sorted(wanted)), len(self.chunks), len(self.chunks))
        return SearchResults(answer, self.mode, state, self.left_out, self.notes, len(reached), self.reading)

    async def mark(self, text: str, hits: Sequence[Hit]) -> list[Hit]:
        """Answer as `SearchIndex.mark` does."""
        return [replace(hit, matched=_matched(text, hit.chunk.text)) for hit in hits]


def indexed(name: str, *, kind: str = "document", version: str = "1") -> IndexedSource:
    """Make a version of a source as an index knows it."""
    known: Any = kind
    return IndexedSource(source_uri(known, name), known, name, name, version, MODIFIED)


def _matched(query: str, text: str) -> tuple[tuple[int, int], ...]:
    places = []
    for word in sorted(set(query.casefold().replace("?", " ").split())):
        at = text.casefold().find(word)
        if at >= 0 and len(word) > 2:
            places.append((at, at + len(word)))
    return tuple(sorted(places))


@asynccontextmanager
async def services_with(index: ScriptedIndex, *roots: Path, cache: Path, **sections: Any) -> AsyncIterator[Services]:
    """Run the services of a server over `roots`, with `index` in the place of the search index."""
    settings = settings_for(*roots, cache=cache, **sections)
    workspace = Workspace(
        settings.workspace,
        {"table": TABLE_FORMATS, "document": DOCUMENT_FORMATS, "model": MODEL_FORMATS},
        companions=COMPANIONS,
    )
    folder, most = settings.storage.folder(), settings.storage.max_cache_bytes
    documents = Documents(workspace, settings.documents, folder, most)
    models = Models(workspace, settings.models, folder, most)
    engine = LocalEngine(workspace, settings.tables, folder, most)
    tables = Tables(engine, workspace, settings.tables, folder, most, documents.sql_tables)
    try:
        known: Any = index
        yield Services(workspace, tables, documents, models, known, Charts(settings.charts), settings.budget)
    finally:
        for noun in (tables, documents, models):
            await noun.aclose()


async def report(done: float, total: float | None = None, message: str | None = None) -> None:
    """Hear of progress and do nothing."""


async def index_documents(services: Services, index: ScriptedIndex, names: Sequence[str], *, chars: int = 600) -> None:
    """Cut the pages of documents into passages, at paragraphs."""
    for name in names:
        reading = (await services.documents.read(name, max_chars=1_000_000)).content
        for page in reading.pages:
            start = 0
            while start < len(page.text):
                end = page.text.rfind("\n", start + 1, start + chars)
                end = len(page.text) if end < 0 or len(page.text) - start <= chars else end
                text = page.text[start:end]
                begin = start + len(text) - len(text.lstrip())
                if text.strip():
                    piece = text.strip()
                    index.chunks.append(
                        (indexed(name), Chunk("text", piece, page=page.number, start=begin, end=begin + len(piece)))
                    )
                start = end
