"""`search`: passages of documents and rows of tables, by words and by meaning."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio.to_thread
from pydantic import Field

from mcp_context_resources.index.request import SearchRequest
from mcp_context_tools.rendering import Untrusted, compact_json, cost, provenance, refs
from mcp_context_tools.search_hits.arguments import checked_query, folder_in_roots
from mcp_context_tools.search_hits.paging import (
    MOST_OF_A_SOURCE,
    cursor_after,
    folded,
    in_pages,
    place_at,
    request_key,
)
from mcp_context_tools.search_hits.places import heading_text, place_of, row_sql, shown_place
from mcp_context_tools.search_hits.quotes import QUOTE_CHARS, quote_of
from mcp_context_tools.search_hits.search_notes import how_searched, left_out_text, what_else
from mcp_context_tools.tool import Report, Services, Tool, ToolInput, ToolResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.index.request import SearchResults
    from mcp_context_resources.index.spec import Hit
    from mcp_context_resources.provenance import SourceRef
    from mcp_context_tools.search_hits.paging import Found, PageSpan

# As many hits are ever shown of one search, on all its pages.
_DEPTH: Final = 200
_OF_ONE_SOURCE: Final = 50
_COPIES: Final = 3
_SHORT_QUOTES: Final = (QUOTE_CHARS, 160, 80)


class SearchInput(ToolInput):
    """Arguments of `search`."""

    query: str = Field(min_length=1, max_length=10_000, description="Words, a question or an identifier; any language.")
    k: int = Field(default=10, ge=1, le=50, description="Most hits.")
    sources: list[str] = Field(default_factory=list, max_length=50, description="Only these names or globs.")
    kinds: list[Literal["document", "table"]] = Field(
        default_factory=list, max_length=2, description="Only these kinds."
    )
    folder: str = Field(default="", max_length=1_000, description="Only files below this folder.")
    modified_after: str = Field(default="", max_length=40, description="Only files changed since, such as 2026-01-31.")
    modified_before: str = Field(default="", max_length=40, description="Only files changed before.")
    cursor: str | None = Field(default=None, max_length=4_000, description="next_cursor; repeat the rest.")


async def _search(services: Services, arguments: SearchInput, report: Report) -> ToolResult:
    request = SearchRequest(
        checked_query(arguments.query),
        most=_DEPTH,
        per_source=_OF_ONE_SOURCE,
        names=tuple(arguments.sources),
        kind=arguments.kinds[0] if len(set(arguments.kinds)) == 1 else "",
        folder=await anyio.to_thread.run_sync(folder_in_roots, arguments.folder, services.workspace.roots),
        modified_after=arguments.modified_after,
        modified_before=arguments.modified_before,
        marked=0,
    )
    results = await services.index.search(request, on_progress=report)
    key, order, place = await anyio.to_thread.run_sync(_laid_out, request, results, arguments)
    page = order[place.shown : place.end]
    marked = await services.index.mark(request.text, [found.hit for found in page])
    order[place.shown : place.end] = [replace(found, hit=hit) for found, hit in zip(page, marked, strict=True)]
    return await anyio.to_thread.run_sync(_fitted, key, order, place, results, request, services)


def _laid_out(
    request: SearchRequest, results: SearchResults, arguments: SearchInput
) -> tuple[str, list[Found], PageSpan]:
    """Return what cursors belong to, the hits in the order of their pages, and the page that is asked for."""
    hits = results.answer.hits
    one_source = results.searched == 1 or len({hit.source.key for hit in hits}) == 1
    pages = in_pages(folded(hits), arguments.k, arguments.k if one_source else MOST_OF_A_SOURCE)
    key = request_key(request, arguments.k)
    place = place_at(arguments.cursor, key, pages)
    return key, [found for page in pages for found in page], place


def _fitted(
    key: str,
    order: list[Found],
    place: PageSpan,
    results: SearchResults,
    request: SearchRequest,
    services: Services,
) -> ToolResult:
    """Show the page, as much of it as fits."""
    max_chars = services.budget.max_chars
    untrusted = Untrusted()
    shown = place.end
    for quote_chars in _SHORT_QUOTES:
        shown = place.end
        while True:
            page = order[place.shown : shown]
            cursor = cursor_after(key, order, shown) if shown < len(order) else None
            entries = [_entry(found, quote_chars, request.text, services) for found in page]
            result = _render(page, entries, place.shown, order[shown:], cursor, results, request, untrusted)
            excess = cost(result.text, result.data) - max_chars
            if excess <= 0:
                return result
            if len(page) <= 1:
                break
            shown = place.shown + max(1, min(len(page) - 1, len(page) * max_chars // (max_chars + excess)))
    return result


def _render(
    page: Sequence[Found],
    entries: Sequence[tuple[dict[str, Any], str]],
    before: int,
    rest: Sequence[Found],
    cursor: str | None,
    results: SearchResults,
    request: SearchRequest,
    untrusted: Untrusted,
) -> ToolResult:
    lines = [f"{number}. {line}" for number, (_, line) in enumerate(entries, start=before + 1)]
    used = _refs(page)
    data: dict[str, Any] = {"hits": [entry for entry, _ in entries], "mode": results.mode, "searched": results.searched}
    text = (
        f"{untrusted.warning}\n{untrusted.wrap(chr(10).join(lines), 'hits')}" if page else what_else(results, request)
    )
    if not page:
        data["hint"] = text
    more = {ref.name: count for ref, count in _more(page, rest)}
    if more:
        data["more"] = [{"source": name, "hits": count} for name, count in more.items()]
        text += "\nMore hits in " + ", ".join(f"{name} ({count})" for name, count in more.items()) + "."
    data["truncated"] = cursor is not None
    if cursor is not None:
        data["next_cursor"] = cursor
        text += f"\nMore: repeat the call with cursor={compact_json(cursor)}."
    text += f"\n{how_searched(results)}"
    if results.notes:
        data["notes"] = list(results.notes)
        text += "".join(f"\n{note}" for note in results.notes)
    if results.left_out:
        data["left_out"] = list(results.left_out)
        text += f"\n{left_out_text(results)}"
    data["sources"] = refs(used)
    return ToolResult(f"{text}\n{provenance(used)}" if used else text, data)


def _entry(found: Found, quote_chars: int, query: str, services: Services) -> tuple[dict[str, Any], str]:
    private = services.private
    """Write a hit for both channels."""
    hit = found.hit
    source, chunk = hit.source, hit.chunk
    quote = quote_of(hit, quote_chars, query=query, private=private)
    uri = place_of(source, chunk, quote.start, quote.end)
    entry: dict[str, Any] = {"source": source.name, "kind": source.kind, "uri": uri}
    if chunk.page is not None:
        entry["page"] = chunk.page
        line = shown_place(source, chunk.page, chunk.start + quote.start, chunk.start + quote.end)
    elif chunk.row is not None:
        entry |= {"row": chunk.row, "sql": row_sql(services.tables.dialect, source.name, chunk.row)}
        line = f"table {source.name}, row {chunk.row} [{entry['sql']}]"
    else:
        line = f"table {source.name}"
    if heading := heading_text(chunk.heading, private):
        entry["heading"] = heading
        line += f" › {heading}"
    entry |= {"quote": quote.text, "score": round(hit.score, 3), "modified": source.modified_text}
    line += f" (score {hit.score:.2f}, modified {entry['modified']})\n   {quote.marked}"
    if quote.matches:
        entry["matches"] = list(quote.matches)
    if found.copies:
        entry["also_in"] = [_copy(copy) for copy in found.copies[:_COPIES]]
        over = len(found.copies) - _COPIES
        line += "\n   also in: " + "; ".join(_copy_text(copy) for copy in found.copies[:_COPIES])
        if over > 0:
            entry["more_copies"] = over
            line += f"; and {over} more"
    return entry, line


def _copy(hit: Hit) -> dict[str, Any]:
    place: dict[str, Any] = {"source": hit.source.name, "uri": place_of(hit.source, hit.chunk)}
    return place | ({"row": hit.chunk.row} if hit.chunk.row is not None else {})


def _copy_text(hit: Hit) -> str:
    chunk, name = hit.chunk, hit.source.name
    return f"{name}, row {chunk.row}" if chunk.row is not None else f"{name}, page {chunk.page}" if chunk.page else name


def _refs(page: Sequence[Found]) -> list[SourceRef]:
    return list({found.hit.source.key: found.hit.source.ref() for found in page}.values())


def _more(page: Sequence[Found], rest: Sequence[Found]) -> list[tuple[SourceRef, int]]:
    """Count, for each source on a page, the hits that come later."""
    counts: dict[str, int] = {}
    for found in rest:
        counts[found.hit.source.key] = counts.get(found.hit.source.key, 0) + 1
    return [(ref, counts[ref.uri]) for ref in _refs(page) if ref.uri in counts]


SEARCH: Final = Tool(
    name="search",
    title="Search",
    description=(
        "Find passages of documents and rows of tables by words and meaning, across languages: quotes with page or"
        " row. Changed files are read first."
    ),
    input=SearchInput,
    run=_search,
)
