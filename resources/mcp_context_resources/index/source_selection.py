"""Source selection: which sources a search is about."""

from __future__ import annotations

import posixpath
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote

from mcp_context_resources.errors import InvalidInputError, NotFoundError
from mcp_context_resources.provenance import source_uri
from mcp_context_resources.workspace.name_matching import GLOB_MARKS, NamePattern, fitting, folded, near_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp_context_resources.index.request import SearchRequest
    from mcp_context_resources.index.spec import IndexedSource
    from mcp_context_resources.index.sync.source_listing import Listing

_PLACE: Final = re.compile(r"(document|table)://(?P<name>[^#]+?)(?:/page/[^/#]+)?(?:#.*)?", re.DOTALL)
_WHOLE: Final = re.compile(r"(document|table)://(?P<name>[^#]+)(?:#.*)?", re.DOTALL)
_SHOWN_FOLDERS: Final = 3


class SourceSelection:
    """The sources that a request lets answer; worked out once for each listing."""

    def __init__(self, request: SearchRequest) -> None:
        self._request = request
        self._last: tuple[Listing, list[IndexedSource]] | None = None

    def of(self, listing: Listing) -> list[IndexedSource]:
        """Return them for a listing; raises as `select_sources` does."""
        if self._last is None or self._last[0] is not listing:
            self._last = (listing, select_sources(listing, self._request))
        return self._last[1]


def select_sources(listing: Listing, request: SearchRequest) -> list[IndexedSource]:
    """Return the sources that a request lets answer.

    Raises `NotFoundError`, with near names, for a source or folder that isn't there, `InvalidInputError` for a date
    that is none.
    """
    sources: Iterable[IndexedSource] = _named(listing, request.names) if request.names else listing.all()
    if request.kind:
        sources = [source for source in sources if source.kind == request.kind]
    if request.modified_after:
        first = _nanoseconds(request.modified_after)
        sources = [source for source in sources if source.modified >= first]
    if request.modified_before:
        end = _nanoseconds(request.modified_before)
        sources = [source for source in sources if source.modified < end]
    if folder := _folder(listing, request.folder):
        sources = [source for source in sources if folded(source.file).startswith(folder)]
    if request.pattern:
        pattern = NamePattern(request.pattern)
        sources = [source for source in sources if pattern.matches(source.name, source.file)]
    return list(sources)


def _folder(listing: Listing, asked: str) -> str:
    """Return how paths of files below a folder begin, folded; nothing for the folder of all."""
    shown = posixpath.normpath(asked.replace("\\", "/").strip("/") or ".")
    if shown == ".":
        return ""
    start = f"{folded(shown)}/"
    files = [source.file for source in listing.all()]
    if not files or any(folded(file).startswith(start) for file in files):
        return start
    folders = {file[:place] for file in files for place, sign in enumerate(file) if sign == "/"}
    near = near_names(shown, sorted(folders))
    if not near:
        near = sorted(folder for folder in folders if "/" not in folder)[:_SHOWN_FOLDERS]
    raise NotFoundError(
        f"There is no folder {asked[:200]!r} with documents or tables.",
        f"Did you mean {', '.join(near)}?" if near else "No file lies in a folder below the served ones.",
    )


def _named(listing: Listing, names: Iterable[str]) -> list[IndexedSource]:
    found: dict[str, IndexedSource] = {}
    everything: list[IndexedSource] = []
    for name in names:
        keys = dict.fromkeys((name, source_uri("document", name), source_uri("table", name)))
        named = [source for key in keys if (source := listing.get(key)) is not None]
        named = named or _cited(name, listing)
        if not named:
            everything = everything or listing.all()
            named = _called(name, everything)
        found.update((source.key, source) for source in named)
    return list(found.values())


def _cited(name: str, listing: Listing) -> list[IndexedSource]:
    """Return the source of a place in one, such as `document://guide.pdf/page/3#chars=10-90`."""
    for form in (_WHOLE, _PLACE):
        if match := form.fullmatch(name):
            kind: Literal["document", "table"] = "table" if match[1] == "table" else "document"
            if source := listing.get(source_uri(kind, unquote(match["name"]))):
                return [source]
    return []


def _called(name: str, sources: list[IndexedSource]) -> list[IndexedSource]:
    wanted = folded(name)
    named = [source for source in sources if wanted in (folded(source.name), folded(source.file))]
    if not named and GLOB_MARKS & set(name):
        pattern = NamePattern(name)
        named = [source for source in sources if pattern.matches(source.name, source.file)]
    if not named:
        near = near_names(name, (source.name for source in sources))
        hint = f"Did you mean {', '.join(near)}?" if near else "Call list_sources to see what there is."
        raise NotFoundError(
            f"There is no document or table named {name[:200]!r}.",
            hint,
            wanted=name,
            candidates=[source.ref() for source in fitting(name, sources)],
        )
    return named


def _nanoseconds(text: str) -> int:
    """Read an ISO date or time, UTC unless it says otherwise, as nanoseconds since 1970."""
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"{text[:100]!r} is not a date.", "Write it as 2026-11-21 or 2026-11-21T08:30:00Z."
        ) from error
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
