"""View outline: the headings of a document with their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.rendering import Untrusted, compact_json, provenance
from mcp_context_tools.tool import Report, Services, ToolResult

if TYPE_CHECKING:
    from mcp_context_resources.documents.spec import FromDocument, Outline, OutlineEntry
    from mcp_context_tools.document_views.arguments import ReadDocumentInput

_MOST: Final = 2_000
_MOST_LEVELS: Final = 12
_TITLE_CHARS: Final = 300


async def read(services: Services, arguments: ReadDocumentInput, report: Report) -> ToolResult:
    """Return headings, as many as fit."""
    del report
    budget = services.budget.max_chars
    found = await services.documents.outline(
        arguments.document, skip=arguments.offset, most=_MOST, version=arguments.version or ""
    )
    notes = shared.few_notes(found.content.notes, budget)
    if not found.content.entries:
        notes.append(
            "There are no more headings."
            if arguments.offset
            else "This document has no outline; view markdown shows headings page by page."
        )
    return shared.within(budget, arguments.max_chars, lambda room: _render(found, room, arguments.offset, notes))


def _render(found: FromDocument[Outline], left: int, offset: int, notes: list[str]) -> ToolResult:
    outline = found.content
    entries: list[dict[str, Any]] = []
    lines: list[str] = []
    for item in outline.entries:
        entry, line = _entry(item), _line(item)
        left -= len(compact_json(entry)) + len(compact_json(line)) + 1
        if left < 0 and entries:
            break
        entries.append(entry)
        lines.append(line)
    data = shared.frame(found) | {"outline": entries}
    if len(entries) < len(outline.entries) or outline.more:
        data["next"] = {"offset": offset + len(entries), "version": found.ref.fingerprint}
    untrusted = Untrusted()
    text = shared.heading(found, f"outline; {outline.total_pages} {shared.noun(found)}s", untrusted)
    if lines:
        text += f"\n{untrusted.wrap(chr(10).join(lines), f'outline: heading, {shared.noun(found)}')}"
    text += "".join(f"\n{note}" for note in notes) + shared.more(data)
    return ToolResult(f"{text}\n{provenance([found.ref])}", shared.finished(data, found, notes))


def _line(entry: OutlineEntry) -> str:
    page = "" if entry.page is None else f"  {entry.page}"
    printed = f" ({entry.label})" if entry.page is not None and entry.label != str(entry.page) else ""
    indent = "  " * (min(entry.level, _MOST_LEVELS) - 1)
    return f"{indent}{shared.cut(entry.title, _TITLE_CHARS)}{page}{printed}"


def _entry(entry: OutlineEntry) -> dict[str, Any]:
    found: dict[str, Any] = {"level": entry.level, "title": shared.cut(entry.title, _TITLE_CHARS)}
    if entry.page is not None:
        found["page"] = entry.page
        if entry.label != str(entry.page):
            found["label"] = entry.label
    return found
