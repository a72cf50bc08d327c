"""Services: what the tools work with, opened and closed."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from mcp_context_resources.charts.service import Charts
from mcp_context_resources.documents.reader import DocumentReaders
from mcp_context_resources.documents.service import Documents
from mcp_context_resources.errors import ConfigurationError
from mcp_context_resources.index.expired_indexes import remove_unused
from mcp_context_resources.index.service import SearchIndex
from mcp_context_resources.index.worker_index import WorkerIndex
from mcp_context_resources.models.formats import MODEL_FORMATS
from mcp_context_resources.models.service import Models
from mcp_context_resources.tables.local_engine import LocalEngine
from mcp_context_resources.tables.reader import TableReaders
from mcp_context_resources.tables.service import Tables
from mcp_context_resources.workspace.workspace import Workspace
from mcp_context_tools.index_feeds.documents import DocumentFeed
from mcp_context_tools.index_feeds.embedder import ModelEmbedder
from mcp_context_tools.index_feeds.tables import TableFeed
from mcp_context_tools.row_tasks.embed import QueryVectors
from mcp_context_tools.tool import Services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from mcp_context_resources.models.runtime import ModelRuntime
    from mcp_context_resources.tables.engine import TableEngine
    from mcp_server.settings import Settings


@dataclass(frozen=True, slots=True)
class Engines:
    """The nouns over a workspace, and the folder of their search index; `open_services` sees to their end."""

    services: Services
    index_folder: Path


def make_workspace(settings: Settings) -> Workspace:
    """Return the folders served, with every kind of file that is known.

    Raises `ConfigurationError` for a root that doesn't exist, where there is none, and for a plugin that isn't there.
    """
    tables = TableReaders(settings.tables.plugins)
    documents = DocumentReaders(settings.documents.plugins).endings
    workspace = Workspace(
        settings.workspace,
        {"table": tables.endings, "document": documents, "model": MODEL_FORMATS},
        companions=tables.companions,
    )
    if not len(workspace.roots):
        raise ConfigurationError("No folder to serve was given.", "Name one: fresh-context serve ~/Documents")
    return workspace


def make_engines(
    settings: Settings,
    workspace: Workspace,
    table_engine: TableEngine | None = None,
    model_runtimes: Sequence[ModelRuntime] = (),
) -> Engines:
    """Make the nouns over a workspace; no process is started yet.

    `table_engine` runs SQL in the place of the local engine; `model_runtimes` have models besides those of this machine
    and of the servers that the settings name.
    """
    cache, most = settings.storage.folder(), settings.storage.max_cache_bytes
    scope = _scope(settings)
    documents = Documents(workspace, settings.documents, cache, most)
    models = Models(workspace, settings.models, cache, most, model_runtimes)
    engine = table_engine or LocalEngine(workspace, settings.tables, cache, most)
    tables = Tables(engine, workspace, settings.tables, cache, most, documents.sql_tables, QueryVectors(models), scope)
    charts = Charts(settings.charts)
    folder = _index_folder(cache, workspace, scope)
    index = SearchIndex(
        WorkerIndex(folder, settings.index),
        (DocumentFeed(documents, workspace, settings.index), TableFeed(tables, settings.index)),
        ModelEmbedder(models, tables.catalogue, unit=settings.index.metric == "cosine"),
        settings.index,
    )
    return Engines(Services(workspace, tables, documents, models, index, charts, settings.budget), folder)


@asynccontextmanager
async def open_services(settings: Settings, engines: Engines) -> AsyncIterator[Services]:
    """Open the nouns; processes start on first use and end with the block.

    Where a folder was searched before, its index is brought up to date in the background.
    """
    services, folder = engines.services, engines.index_folder
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(services.index.run)
            group.start_soon(
                anyio.to_thread.run_sync, remove_unused, folder.parent, folder, settings.storage.max_cache_bytes
            )
            yield services
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await close_engines(engines)
            if settings.documents.passwords:  # nothing behind a password outlives the server that was told it
                await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


async def close_engines(engines: Engines) -> None:
    """Stop all processes of the nouns."""
    services = engines.services
    async with anyio.create_task_group() as group:
        for engine in (services.index, services.tables, services.documents, services.models, services.charts):
            group.start_soon(engine.aclose)


def _index_folder(cache: Path, workspace: Workspace, scope: str) -> Path:
    """Servers that read the same in the same folders share an index."""
    seed = "\0".join((*(str(root.path) for root in workspace.roots), scope))
    return cache / "index" / hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _scope(settings: Settings) -> str:
    """Tell servers apart that read different things in the same folders; one that knows passwords is like no other."""
    own = secrets.token_hex(16) if settings.documents.passwords else ""
    return "\0".join((*settings.workspace.ignore, own))
