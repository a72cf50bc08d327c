"""View outline: the headings of a document with their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.rendering import Untrusted, compact_json, provenance
from mcp_context_tools.tool import Report, Services, ToolResult

if TYPE_CHECKING:
    from mcp_context_resources.documents.spec import OutlineEntry
    from mcp_context_tools.document_views.arguments import ReadDocumentInput

_MOST: Final = 2_000


async def read(services: Services, arguments: ReadDocumentInput, report: Report) -> ToolResult:
    """Return headings, as many as fit."""
    del report
    budget = services.budget.max_chars
    found = await services.documents.outline(arguments.document, skip=arguments.offset, most=_MOST)
    outline = found.content
    left = min(arguments.max_chars * 2 if arguments.max_chars else budget, budget) - shared.FRAME_CHARS
    left -= 2 * len(compact_json(outline.title))
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
    notes = list(outline.notes)
    if not outline.entries and not arguments.offset:
        notes.append("This document has no outline; view markdown shows headings page by page.")
    if len(entries) < len(outline.entries) or outline.more:
        data["next"] = {"offset": arguments.offset + len(entries)}
    untrusted = Untrusted()
    text = shared.heading(found, f"outline; {outline.total_pages} {shared.noun(found)}s", untrusted)
    if lines:
        text += f"\n{untrusted.wrap(chr(10).join(lines), f'outline: heading, {shared.noun(found)}')}"
    text += "".join(f"\n{note}" for note in notes) + shared.more(data)
    return ToolResult(f"{text}\n{provenance([found.ref])}", shared.finished(data, found, notes))


def _line(entry: OutlineEntry) -> str:
    page = "" if entry.page is None else f"  {entry.page}"
    printed = f" ({entry.label})" if entry.page is not None and entry.label != str(entry.page) else ""
    return f"{'  ' * (entry.level - 1)}{entry.title}{page}{printed}"


def _entry(entry: OutlineEntry) -> dict[str, Any]:
    found: dict[str, Any] = {"level": entry.level, "title": entry.title}
    if entry.page is not None:
        found["page"] = entry.page
        if entry.label != str(entry.page):
            found["label"] = entry.label
    return found
