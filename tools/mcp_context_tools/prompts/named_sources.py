"""The source that an argument of a prompt names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio.to_thread

from mcp_context_resources.documents.citation import parse_place
from mcp_context_resources.errors import AccessDeniedError, NotFoundError
from mcp_context_resources.workspace.name_matching import called
from mcp_context_tools.source_spellings import spellings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp_context_resources.tables.service import TableDescription
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import Services

T = TypeVar("T")


async def named_document(services: Services, given: str) -> tuple[Source, str]:
    """Return the document of a name, URI or path, and the pages that a URI names; one may leave out its ending.

    Raises `NotFoundError`, `AccessDeniedError`, and `InvalidInputError` for a place that is none.
    """
    catalogue = await anyio.to_thread.run_sync(services.workspace.catalogue)

    async def find(name: str) -> tuple[Source, str]:
        place = parse_place(name)
        whole = place.whole if place.whole and catalogue.find("document", place.whole) is not None else ""
        wanted = whole or place.name
        try:
            found = await anyio.to_thread.run_sync(services.workspace.resolve, catalogue, "document", wanted)
        except NotFoundError as error:
            only = called(error.wanted, catalogue.of("document"))
            if error.candidates or len(only) != 1:
                raise
            found = only[0]
        return found, "" if whole else place.pages

    return await _first_found(given, find)


async def named_table(services: Services, given: str, *, example_rows: int, max_cell_chars: int) -> TableDescription:
    """Describe the table of a name, URI or path; raises as `Tables.describe`."""

    async def describe(name: str) -> TableDescription:
        return await services.tables.describe(name, example_rows=example_rows, max_cell_chars=max_cell_chars)

    return await _first_found(given, describe)


async def _first_found(given: str, find: Callable[[str], Awaitable[T]]) -> T:
    """Return what is found by the first spelling that leads somewhere; the plainest one's error where none does."""
    *before, last = spellings(given)
    for name in before:
        try:
            return await find(name)
        except (NotFoundError, AccessDeniedError):
            continue
    return await find(last)
