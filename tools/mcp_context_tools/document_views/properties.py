"""View properties: what a document says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.rendering import Untrusted, compact_json, cost, provenance
from mcp_context_tools.tool import Report, Services, ToolResult, telling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp_context_resources.documents.spec import FromDocument, Properties
    from mcp_context_tools.document_views.arguments import ReadDocumentInput

_LEAST_CHARS: Final = 40
_LEAST_ITEM_CHARS: Final = 60
_JOINT_CHARS: Final = 4
_NAMED_PARTS: Final = 6


async def read(services: Services, arguments: ReadDocumentInput, report: Report) -> ToolResult:
    """Return the properties; of long ones as much as fits."""
    budget = services.budget.max_chars
    found = await services.documents.properties(
        arguments.document, on_progress=telling(report, "looking at the document")
    )
    notes = shared.few_notes(found.content.notes, budget)
    return shared.within(budget, None, lambda room: _render(found, room, notes))


def _render(found: FromDocument[Properties], room: int, notes: list[str]) -> ToolResult:
    properties = found.content
    values = _fitted(properties.values, room)
    shortened = values != properties.values
    if shortened:
        notes = [*notes, _what_is_cut(properties.values, values, named=found.reader.fixed_properties)]
    untrusted = Untrusted()
    lines = [f"{name}: {value if isinstance(value, str) else compact_json(value)}" for name, value in values.items()]
    text = shared.heading(found, f"properties; {properties.total_pages} {shared.noun(found)}s", untrusted)
    text += f"\n{untrusted.wrap(chr(10).join(lines), 'properties')}" + "".join(f"\n{note}" for note in notes)
    data = shared.frame(found) | {"properties": values}
    return ToolResult(f"{text}\n{provenance([found.ref])}", shared.finished(data, found, notes, shortened=shortened))


def _what_is_cut(whole: dict[str, Any], shown: dict[str, Any], *, named: bool) -> str:
    """Say what was cut: `named` where the names are those of this program, and no file's content."""
    if not named:
        return "Some properties are shortened."
    parts = []
    for name, value in whole.items():
        if name not in shown:
            parts.append(f"no {name}")
        elif shown[name] != value:
            of = isinstance(value, list | dict)
            parts.append(f"{len(shown[name])} of {len(value)} {name}" if of else f"the beginning of {name}")
    return f"Shown only: {', '.join(parts)}." if len(parts) <= _NAMED_PARTS else "Some properties are shortened."


def _fitted(values: dict[str, Any], room: int) -> dict[str, Any]:
    """Cut the longest values until all fit; names that don't fit even then are left out."""
    trimmed: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    least = 0
    for name, value in values.items():
        whole = _cut(value, max(room, _LEAST_CHARS))
        size = _size(whole)
        needed = 2 * len(compact_json(name)) + _JOINT_CHARS + min(size, _LEAST_CHARS)
        if least + needed > room:
            continue
        least += needed
        trimmed[name], sizes[name] = whole, size
    spare = room - least
    wanted = sorted((max(0, size - _LEAST_CHARS), name) for name, size in sizes.items())
    for place, (more, name) in enumerate(wanted):
        share = spare // (len(wanted) - place)
        if more > share:
            trimmed[name] = _cut(trimmed[name], share + _LEAST_CHARS)
        spare -= min(more, share)
    return trimmed


def _size(value: Any) -> int:
    return cost(compact_json(value), value)


def _cut(value: Any, most: int) -> Any:
    """Return the beginning of a value, with about `most` characters in both channels; numbers stay as they are."""
    if isinstance(value, list):
        return [item for _, item in _first(enumerate(value), most)]
    if isinstance(value, dict):
        return dict(_first(value.items(), most))
    if not isinstance(value, str):
        return value if _size(value) <= most else _cut(str(value), most)
    beginning = value[:most]
    size = _size(beginning)
    kept = len(beginning) * most // max(size, most)
    return shared.cut(value, kept)


def _first(items: Iterable[tuple[Any, Any]], left: int) -> list[tuple[Any, Any]]:
    """Take the first items of a list or dictionary; of the very first at least its beginning."""
    kept: list[tuple[Any, Any]] = []
    for name, item in items:
        joint = _JOINT_CHARS + (_size(name) if isinstance(name, str) else 0)
        size = _size(item) + joint
        if size > left:
            if not kept and left - joint >= _LEAST_ITEM_CHARS:
                kept.append((name, _cut(item, left - joint)))
            break
        left -= size
        kept.append((name, item))
    return kept
