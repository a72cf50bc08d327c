"""`list_sources`: what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
from pydantic import Field

from mcp_context_resources.cursor import decode_cursor, encode_cursor
from mcp_context_resources.errors import InvalidCursorError
from mcp_context_resources.workspace.name_matching import NamePattern
from mcp_context_resources.workspace.names import lookup_key
from mcp_context_tools.rendering import compact_json, cost, csv_line, size_text
from mcp_context_tools.tool import Report, Services, Tool, ToolInput, ToolResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.spec import PageCount
    from mcp_context_resources.tables.spec import RowCount
    from mcp_context_resources.workspace.source import Source

_PAGE: Final = 100
_NOTICES: Final = 10
_ORDER: Final = ("table", "document", "model")
_HEADER: Final = ("kind", "name", "format", "size", "rows_or_pages", "modified", "file", "problem")


class ListSourcesInput(ToolInput):
    """Arguments of `list_sources`."""

    kind: Literal["table", "document", "model"] | None = Field(default=None, description="Only this kind.")
    pattern: str | None = Field(
        default=None, max_length=500, description="Only names or file paths that hold this text or match this glob."
    )
    cursor: str | None = Field(default=None, max_length=4_000, description="next_cursor of the previous page.")


async def _list_sources(services: Services, arguments: ListSourcesInput, _report: Report) -> ToolResult:
    catalogue = await services.tables.catalogue()
    models = sorted(await services.models.available(catalogue), key=lambda source: lookup_key(source.name))
    everything = [*catalogue.of("table"), *catalogue.of("document"), *models]
    pattern = NamePattern(arguments.pattern or "")
    wanted = [
        source
        for source in everything
        if arguments.kind in (None, source.kind) and pattern.matches(source.name, source.file)
    ]
    start = _start(arguments.cursor, wanted)
    page = wanted[start : start + _PAGE]
    details = await _details(services, page)
    notices = list(catalogue.notices[:_NOTICES]) if start == 0 else []
    if start == 0 and len(catalogue.notices) > _NOTICES:
        notices.append(f"… and {len(catalogue.notices) - _NOTICES} more.")
    shown = len(page)
    while True:
        result = _render(
            page[:shown], details, (len(wanted), len(everything)), notices, more=start + shown < len(wanted)
        )
        excess = cost(result.text, result.data) - services.budget.max_chars
        if excess <= 0 or shown <= 1:
            return result
        shown = max(1, min(shown - 1, shown * services.budget.max_chars // (services.budget.max_chars + excess)))


async def _details(services: Services, page: Sequence[Source]) -> dict[str, RowCount | PageCount]:
    found: dict[str, RowCount | PageCount] = {}

    async def tables() -> None:
        sources = [source for source in page if source.kind == "table"]
        if sources:
            rows = await services.tables.count_rows(sources)
            found.update({source.uri: count for source, count in zip(sources, rows, strict=True)})

    async def documents() -> None:
        sources = [source for source in page if source.kind == "document"]
        if sources:
            pages = await services.documents.page_counts(sources)
            found.update({source.uri: count for source, count in zip(sources, pages, strict=True)})

    async with anyio.create_task_group() as group:
        group.start_soon(tables)
        group.start_soon(documents)
    return found


def _entry(source: Source, detail: RowCount | PageCount | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "kind": source.kind,
        "name": source.name,
        "uri": source.uri,
        "format": source.format,
        "size": source.size,
        "modified": source.modified,
        "file": source.file,
    }
    for key in ("rows", "pages"):
        if (count := getattr(detail, key, None)) is not None:
            entry[key] = count
    if detail is not None and detail.problem:
        entry["problem"] = detail.problem
    return entry


def _render(
    page: Sequence[Source], details: dict[str, Any], totals: tuple[int, int], notices: Sequence[str], *, more: bool
) -> ToolResult:
    entries = [_entry(source, details.get(source.uri)) for source in page]
    text = _listing(entries, *totals)
    data: dict[str, Any] = {"sources": entries, "total": totals[0], "truncated": more}
    if notices:
        text += "\nNot served: " + "; ".join(notices)
        data["notices"] = list(notices)
    if more:
        data["next_cursor"] = encode_cursor(page[-1].kind, page[-1].name)
        text += f"\nMore: call list_sources with cursor={compact_json(data['next_cursor'])}."
    return ToolResult(text, data)


def _listing(entries: Sequence[dict[str, Any]], matching: int, everything: int) -> str:
    """Write entries as CSV, and how many there are."""
    if not entries:
        return f"None of the {everything} sources matches. Call list_sources without filters to see all."
    lines = [csv_line(_HEADER)]
    for entry in entries:
        size, count = size_text(entry["size"]), entry.get("rows", entry.get("pages"))
        shown = (entry["kind"], entry["name"], entry["format"], size, count, entry["modified"], entry["file"])
        lines.append(csv_line((*shown, entry.get("problem"))))
    all_of_them = f" that match, {everything} in all." if matching < everything else "."
    return f"{''.join(lines)}{len(entries)} of {matching} sources{all_of_them}"


def _start(cursor: str | None, wanted: Sequence[Source]) -> int:
    """Return the position behind the source a cursor names; that one itself may be gone by now."""
    if cursor is None:
        return 0
    kind, name = decode_cursor(cursor, str, str)
    if kind not in _ORDER:
        raise InvalidCursorError("The cursor was not made by this server.", "Start again without a cursor.")
    last = _ORDER.index(kind), lookup_key(name)
    places = ((_ORDER.index(source.kind), lookup_key(source.name)) for source in wanted)
    return next((position for position, place in enumerate(places) if place > last), len(wanted))


LIST_SOURCES: Final = Tool(
    name="list_sources",
    title="List sources",
    description=(
        "List the tables, documents and local models in the served folders, as they are now: name, format, size,"
        " rows or pages, modified. Call this first."
    ),
    input=ListSourcesInput,
    run=_list_sources,
)
