"""Listing the resources there are now: tables, documents, models, and the pages that hosts can show."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, Annotations, ListResourcesResult, PaginatedRequestParams, Resource

from mcp_context_resources.cursor import decode_cursor, encode_cursor
from mcp_context_resources.errors import ContextError, InvalidCursorError, InvalidInputError
from mcp_context_resources.provenance import source_uri
from mcp_context_resources.workspace.names import lookup_key
from mcp_context_tools.rendering import one_line
from mcp_server.apps.viewer import app_resources
from mcp_server.resources.templates import JSON, MARKDOWN
from mcp_server.wire.errors import told_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from mcp.server.context import ServerRequestContext

    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import Services
    from mcp_server.redaction.redacting import Redaction

    ListResources = Callable[
        [ServerRequestContext[Services], PaginatedRequestParams | None], Awaitable[ListResourcesResult]
    ]

_log = logging.getLogger("fresh_context")

PAGE: Final = 100
"""Most resources of one page of the list."""

_ORDER: Final = ("table", "document", "model", "app")
_MAX_CURSOR_CHARS: Final = 20_000
_MIME_TYPES: Final = {"table": MARKDOWN, "document": MARKDOWN, "model": JSON}
# A card of a model tells people something; what is in it helps no conversation.
_ANNOTATIONS: Final = {"model": Annotations(audience=["user"], priority=0.1)}


def resource_lister(redaction: Redaction | None) -> ListResources:
    """Make what answers `resources/list`, redacted where `redaction` is given.

    A page begins behind the last resource of the one before, wherever that would be now: files that come and go skip
    and repeat no other. A cursor of another making is -32602.
    """

    async def list_resources(
        context: ServerRequestContext[Services], params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        cursor = params.cursor if params is not None else None
        try:
            if cursor is not None and redaction is not None:
                cursor = str(redaction.call({"cursor": cursor}).arguments["cursor"])
            after = _place(cursor)
            everything = await _everything(context.lifespan_context)
        except ContextError as error:
            told = told_of(error, redaction)
            code = INVALID_PARAMS if isinstance(error, InvalidInputError) else INTERNAL_ERROR
            raise MCPError(code, str(told)) from error
        except Exception as error:
            _log.exception("listing resources failed")
            raise MCPError(INTERNAL_ERROR, "Listing failed inside the server; its log has details.") from error
        show = str if redaction is None else redaction.text
        titles = _titles(one for _, one in everything if not isinstance(one, Resource) and one.kind == "table")
        left = [item for item in everything if after is None or item[0] > after]
        page = left[:PAGE]
        shown = [one if isinstance(one, Resource) else _resource(one, titles, show) for _, one in page]
        following = None
        if len(left) > PAGE:
            (order, _), last = page[-1]
            # As it is written: folded, a secret is no longer known for one.
            following = encode_cursor(_ORDER[order], show(last.uri if isinstance(last, Resource) else last.name))
        return ListResourcesResult(resources=shown, next_cursor=following)

    return list_resources


_Place = tuple[int, str]


async def _everything(services: Services) -> list[tuple[_Place, Source | Resource]]:
    """Return everything there is, by kind and name."""
    catalogue = await services.tables.catalogue()
    models = await services.models.available(catalogue)
    sources = (*catalogue.of("table"), *catalogue.of("document"), *models)
    found: list[tuple[_Place, Source | Resource]] = [
        ((_ORDER.index(source.kind), lookup_key(source.name)), source) for source in sources
    ]
    found += [((_ORDER.index("app"), lookup_key(app.uri)), app) for app in app_resources()]
    return sorted(found, key=lambda item: item[0])


def _place(cursor: str | None) -> _Place | None:
    """Return the place of the last resource that was shown; that one itself may be gone by now."""
    if cursor is None:
        return None
    if len(cursor) > _MAX_CURSOR_CHARS:
        raise _strange()
    kind, name = decode_cursor(cursor, str, str)
    if kind not in _ORDER:
        raise _strange()
    return _ORDER.index(kind), lookup_key(name)


def _strange() -> InvalidCursorError:
    return InvalidCursorError("The cursor was not made by this server.", "Start again without a cursor.")


def _titles(tables: Iterable[Source]) -> dict[str, str]:
    """Return what people call tables, by name: the file, with as much of its path as tells it from others."""
    given = [(table, _file_title(table)) for table in tables]
    titles = Counter(title for _, title in given)
    files = Counter(table.file for table, _ in given)
    return {
        table.name: title if titles[title] == 1 else table.file if files[table.file] == 1 else table.name
        for table, title in given
    }


def _file_title(source: Source) -> str:
    if source.members:
        return source.name
    part = f"#{source.part}" if source.part else ""
    return source.file.removesuffix(part).rpartition("/")[2] + part


def _resource(source: Source, titles: dict[str, str], show: Callable[[str], str]) -> Resource:
    """Make a resource of a source; `show` redacts, and what it puts into a URI is turned back by reading."""
    annotations = _ANNOTATIONS.get(source.kind, Annotations())
    if source.modified_ns:  # a model on a server has no time
        annotations = annotations.model_copy(update={"last_modified": source.modified})
    name = show(source.name)
    return Resource(
        name=one_line(name),
        title=one_line(show(titles[source.name] if source.kind == "table" else source.name)),
        uri=source_uri(source.kind, name),
        description=one_line(show(f"{source.format} {source.kind}, {source.file}")),
        mime_type=_MIME_TYPES[source.kind],
        size=source.size or None,
        annotations=annotations,
    )
