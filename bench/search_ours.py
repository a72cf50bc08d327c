"""The product's own search: a folder of files, indexed and asked as the server does it, in this process."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bench.search_scores import DEPTH
from bench.search_vectors import KeptVectors
from mcp_context_resources.budget import BudgetSettings
from mcp_context_resources.charts.service import Charts
from mcp_context_resources.charts.settings import ChartSettings
from mcp_context_resources.documents.reader import DOCUMENT_FORMATS
from mcp_context_resources.documents.service import Documents
from mcp_context_resources.documents.settings import DocumentSettings
from mcp_context_resources.index.service import SearchIndex, SearchRequest
from mcp_context_resources.index.settings import IndexSettings
from mcp_context_resources.index.worker_index import WorkerIndex
from mcp_context_resources.models.service import Models
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.tables.local_engine import LocalEngine
from mcp_context_resources.tables.reader import COMPANIONS, TABLE_FORMATS
from mcp_context_resources.tables.service import Tables
from mcp_context_resources.tables.settings import TableSettings
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_context_resources.workspace.workspace import Workspace
from mcp_context_tools.index_feeds.documents import DocumentFeed
from mcp_context_tools.index_feeds.embedder import ModelEmbedder
from mcp_context_tools.index_feeds.tables import TableFeed
from mcp_context_tools.tool import Services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from mcp_context_resources.index.spec import SearchMode

_MOST_FILES: Final = 1_000_000
_CACHE_BYTES: Final = 1 << 33


def write_files(folder: Path, documents: Mapping[str, str]) -> dict[str, str]:
    """Write a Markdown file for each document, its name a number; return the documents by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for number, (key, text) in enumerate(documents.items()):
        name = f"{number:06}.md"
        (folder / name).write_text(text, encoding="utf-8")
        files[name] = key
    return files


@asynccontextmanager
async def opened_services(folder: Path, cache: Path, settings: IndexSettings | None = None) -> AsyncIterator[Services]:
    """Open what the tools work with over a folder, but for vectors that are kept from run to run."""
    settings = settings or IndexSettings()
    workspace = Workspace(
        WorkspaceSettings(roots=(folder,), max_files=_MOST_FILES),
        {"table": TABLE_FORMATS, "document": DOCUMENT_FORMATS},
        companions=COMPANIONS,
    )
    documents = Documents(workspace, DocumentSettings(), cache, _CACHE_BYTES)
    models = Models(workspace, ModelSettings(), cache, _CACHE_BYTES)
    local = LocalEngine(workspace, TableSettings(), cache, _CACHE_BYTES)
    tables = Tables(local, workspace, TableSettings(), cache, _CACHE_BYTES, documents.sql_tables)
    charts = Charts(ChartSettings())
    vectors = KeptVectors(ModelEmbedder(models, tables.catalogue))
    feeds = (DocumentFeed(documents, workspace, settings), TableFeed(tables, settings))
    index = SearchIndex(WorkerIndex(cache / "index", settings), feeds, vectors, settings)
    try:
        yield Services(workspace, tables, documents, models, index, charts, BudgetSettings())
    finally:
        for engine in (index, tables, documents, models, charts):
            await engine.aclose()
        vectors.close()


@asynccontextmanager
async def opened(folder: Path, cache: Path, settings: IndexSettings | None = None) -> AsyncIterator[SearchIndex]:
    """Open the search over a folder."""
    async with opened_services(folder, cache, settings) as services:
        yield services.index


async def rank(
    search: SearchIndex, queries: Sequence[str], mode: SearchMode, *, pages: bool = False
) -> list[list[tuple[str, int | None]]]:
    """Return file and page of the best hits of each query, each once: the best files, or the best `pages` of any."""
    most, per_source = (3 * DEPTH, 3 * DEPTH) if pages else (DEPTH, 1)
    found = []
    for query in queries:
        results = await search.search(SearchRequest(query, most=most, per_source=per_source, mode=mode))
        hits = ((hit.source.file, hit.chunk.page) for hit in results.answer.hits)
        found.append(list(dict.fromkeys(hits)))
    return found
