"""View properties: what a document says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.rendering import Untrusted, compact_json, cost, provenance
from mcp_context_tools.tool import Report, Services, ToolResult, telling

if TYPE_CHECKING:
    from mcp_context_tools.document_views.arguments import ReadDocumentInput

_LEAST_ITEMS: Final = 3


async def read(services: Services, arguments: ReadDocumentInput, report: Report) -> ToolResult:
    """Return the properties; of long lists as much as fits."""
    budget = services.budget.max_chars
    found = await services.documents.properties(
        arguments.document, on_progress=telling(report, "looking at the document")
    )
    properties = found.content
    notes = list(properties.notes)
    values = _shortened(properties.values, budget - shared.FRAME_CHARS, notes)
    untrusted = Untrusted()
    lines = [f"{name}: {value if isinstance(value, str) else compact_json(value)}" for name, value in values.items()]
    text = shared.heading(found, f"properties; {properties.total_pages} {shared.noun(found)}s", untrusted)
    text += f"\n{untrusted.wrap(chr(10).join(lines), 'properties')}" + "".join(f"\n{note}" for note in notes)
    data = shared.frame(found) | {"properties": values}
    return ToolResult(f"{text}\n{provenance([found.ref])}", shared.finished(data, found, notes))


def _shortened(values: dict[str, Any], room: int, notes: list[str]) -> dict[str, Any]:
    """Shorten the longest lists until all fits."""
    values = dict(values)
    cut: set[str] = set()
    while cost(compact_json(values), values) > room:
        lists = [name for name, value in values.items() if isinstance(value, list) and len(value) > _LEAST_ITEMS]
        if not lists:
            break
        longest = max(lists, key=lambda name: len(compact_json(values[name])))
        values[longest] = values[longest][: max(_LEAST_ITEMS, len(values[longest]) * 3 // 4)]
        cut.add(longest)
    notes += [f"Of {name} only the first {len(values[name])} are shown." for name in sorted(cut)]
    return values
