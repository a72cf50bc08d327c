"""Targets of URIs: `document://report.pdf/page/3/image` is a view of a place in a source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, unquote

import anyio.to_thread

from mcp_context_resources.documents.citation import Citation, parse_place
from mcp_context_resources.errors import InvalidInputError, NotFoundError
from mcp_context_resources.models.registry import is_called
from mcp_context_resources.workspace.name_matching import near_names

if TYPE_CHECKING:
    from mcp_context_resources.provenance import Kind
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import Services

View = Literal["table", "schema", "document", "page", "passage", "image", "model"]
"""What of a source is shown."""

MAX_URI_CHARS: Final = 16_000
"""The longest URI that is looked at; a path has at most 4,096 bytes, each three characters when it is encoded."""

_SCHEMA: Final = "/schema"
_IMAGE: Final = "/image"
_HINT: Final = "Call list_sources, or list the resources, to see what there is."
_NOWHERE: Final = Citation("")
# A printed label such as A-3 is one page.
_SEVERAL: Final = re.compile(r"[,，、]|^\s*[0-9]*\s*[-–—−〜~]\s*[0-9]*\s*$")


@dataclass(frozen=True, slots=True)
class Target:
    """A view of a source, or of a place in it.

    `name` is the source's own name; of a table that only exists once it is asked for, the name that was given.
    `source` is None for such a table. Of a document, `place` says which pages and which characters.
    """

    view: View
    name: str
    source: Source | None = None
    place: Citation = _NOWHERE


async def target_of(services: Services, uri: str) -> Target:
    """Return what a URI names: the source of the longest name that is there, and the view of it.

    Names may be percent-encoded or not. Whether a table made of a document exists is told by reading it.

    Raises `NotFoundError` (with near names), `InvalidInputError` for what names nothing that could be there, and
    `AccessDeniedError` for a path that leads outside the served folders.
    """
    if len(uri) > MAX_URI_CHARS:
        raise InvalidInputError(f"The URI has more than {MAX_URI_CHARS:,} characters.", _HINT)
    scheme, separator, rest = uri.partition("://")
    if separator and rest and scheme == "table":
        return await _table(services, rest)
    if separator and rest and scheme == "document":
        catalogue = await anyio.to_thread.run_sync(services.workspace.catalogue)
        return await anyio.to_thread.run_sync(_document, services, catalogue, rest)
    if separator and rest and scheme == "model":
        return await _model(services, rest)
    raise NotFoundError(
        f"There is no resource {uri[:200]!r}.", "URIs begin with table://, document://, model:// or result://."
    )


async def _table(services: Services, rest: str) -> Target:
    catalogue = await services.tables.catalogue()
    if (source := _named(catalogue, "table", rest)) is not None:
        return Target("table", source.name, source)
    view: View = "table"
    if rest.endswith(_SCHEMA):
        view, rest = "schema", rest.removesuffix(_SCHEMA)
        if (source := _named(catalogue, "table", rest)) is not None:
            return Target(view, source.name, source)
    return Target(view, unquote(rest))


def _document(services: Services, catalogue: Catalogue, rest: str) -> Target:
    if (source := _named(catalogue, "document", rest)) is not None:
        services.workspace.check(source)
        return Target("document", source.name, source, Citation(source.name))
    name, slash, tail = rest.rpartition("/page/")
    if slash and (source := _named(catalogue, "document", name)) is not None:
        rest = f"{quote(source.name)}{slash}{tail}"  # what wasn't encoded may hold what begins a fragment
    path, mark, fragment = rest.partition("#")
    pictured = path.endswith(_IMAGE)
    found = parse_place(f"document://{path.removesuffix(_IMAGE)}{mark}{fragment}")
    source = services.workspace.resolve(catalogue, "document", found.name)
    place = Citation(source.name, found.pages, found.start, found.end)
    if (pictured or place.start is not None) and _SEVERAL.search(place.pages):
        raise InvalidInputError(
            f"{place.pages[:200]!r} names several pages; a picture and #chars= are of one.",
            f"Write {source.uri}/page/1{_IMAGE if pictured else '#chars=120-240'}.",
        )
    if pictured and not place.pages:
        raise InvalidInputError(f"document://{path[:200]} names no page.", f"Write {source.uri}/page/1/image.")
    return Target(_view(place, pictured=pictured), source.name, source, place)


def _view(place: Citation, *, pictured: bool) -> View:
    if pictured:
        return "image"
    if place.start is not None:
        return "passage"
    return "page" if place.pages else "document"


async def _model(services: Services, rest: str) -> Target:
    sources = await services.models.available(await services.tables.catalogue())
    wanted = unquote(rest)
    for name in (rest, wanted):
        for source in sources:
            if is_called(source, name):
                return Target("model", source.name, source)
    near = near_names(wanted, (source.name for source in sources))
    raise NotFoundError(
        f"There is no model named {wanted[:200]!r}.", f"Did you mean {', '.join(near)}?" if near else _HINT
    )


def _named(catalogue: Catalogue, kind: Kind, rest: str) -> Source | None:
    """Return the source that all of this is the name of, percent-encoded or as it is."""
    return catalogue.find(kind, unquote(rest)) or catalogue.find(kind, rest)
