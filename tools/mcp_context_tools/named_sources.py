"""Named sources: what an argument names, however people spell it: pasted, dragged in, quoted, as path or URI."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote, urlsplit

import anyio.to_thread

from mcp_context_resources.documents.citation import parse_place
from mcp_context_resources.errors import AccessDeniedError, NotFoundError
from mcp_context_resources.workspace.name_matching import called

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp_context_resources.tables.service import TableDescription
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import Services

_QUOTES: Final = ('""', "''", "``", "“”", "‘’", "„“", "«»", "「」", "『』", "<>", "＜＞", "＂＂")
_MENTION: Final = re.compile(r"@(?:[\w.-]{1,64}:(?=\w+://))?(?=.)")
_ESCAPED: Final = re.compile(r"\\([ ()&'\[\]])")
_DRIVE: Final = re.compile(r"/[A-Za-z]:/")


def spellings(given: str) -> list[str]:
    """Return what a name may stand for, as it was given first: without blanks and quotes, mention or file URI around.

    A path may have its blanks escaped as shells do, and begin with `~`.
    """
    found = [given.strip()]
    for plainer in (_unquoted, _unmentioned, _unquoted, _unescaped, _path, os.path.expanduser):
        found.append(plainer(found[-1]).strip())
    return [name for name in dict.fromkeys(found) if name]


def _unquoted(name: str) -> str:
    while len(name) > 2 and f"{name[0]}{name[-1]}" in _QUOTES:
        name = name[1:-1].strip()
    return name


def _unmentioned(name: str) -> str:
    return _MENTION.sub("", name, count=1) if name.startswith("@") else name


def _unescaped(name: str) -> str:
    return _ESCAPED.sub(r"\1", name)


def _path(name: str) -> str:
    """Return the path of a file URI (RFC 8089)."""
    if not name[:8].lower().startswith("file:"):
        return name
    path = unquote(urlsplit(name).path)
    return path[1:] if _DRIVE.match(path) else path


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
