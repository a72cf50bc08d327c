"""A search index over scripted feeds, and what tests ask of it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

from mcp_context_resources.index.service import SearchIndex, SearchRequest
from mcp_context_resources.index.settings import IndexSettings
from mcp_context_resources.index.sync.schedule import Schedule
from tests.support.scripted_feeds import ScriptedEmbedder, ScriptedFeed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mcp_context_resources.index.request import SearchResults
    from mcp_context_resources.index.store import Index

AT_ONCE: Final = Schedule(look_again=0.01, retry=0.0, elsewhere=0.0, abandoned=0.0, gone=0.0, known=0.0)


def service(
    index: Index,
    *feeds: ScriptedFeed,
    embedder: ScriptedEmbedder | None = None,
    schedule: Schedule = AT_ONCE,
    **settings: Any,
) -> SearchIndex:
    return SearchIndex(
        index, feeds, embedder or ScriptedEmbedder(name=""), IndexSettings.model_validate(settings), schedule=schedule
    )


async def found(search: SearchIndex, text: str, **request: Any) -> list[str]:
    return texts(await search.search(SearchRequest(text, **request)))


def texts(results: SearchResults) -> list[str]:
    return [hit.chunk.text for hit in results.answer.hits]


@asynccontextmanager
async def running(*services: SearchIndex) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        for one in services:
            group.start_soon(one.run)
        yield
        group.cancel_scope.cancel()


async def until(true: Callable[[], object]) -> None:
    with anyio.fail_after(10):
        while not true():
            await anyio.lowlevel.checkpoint()
