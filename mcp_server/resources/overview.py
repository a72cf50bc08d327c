"""Overview of a document as a resource: what it is, its outline, and its first pages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.documents.citation import place_uri
from mcp_context_resources.errors import UnreadableSourceError
from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.rendering import Untrusted, compact_json, one_line, provenance, refs, size_text
from mcp_context_tools.tool import ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp_context_resources.documents.spec import FromDocument, Outline, OutlineEntry, Page, Reading
    from mcp_context_tools.tool import Report, Services
    from mcp_server.resources.targets import Target

T = TypeVar("T")

_FIRST_PAGES: Final = 3
# Properties tell what is on which pages: to know it, every page is looked at.
_LOOKED_THROUGH: Final = 100
_MOST_HEADINGS: Final = 200
_MOST_LEVELS: Final = 4
_HEADING_CHARS: Final = 120
_VALUE_CHARS: Final = 200
_LEAST_CHARS: Final = 200
_MARKS_CHARS: Final = 100
_PROPERTIES_SHARE: Final = 12
_OUTLINE_SHARE: Final = 4


async def read_document(services: Services, target: Target, report: Report) -> ToolResult:
    """Return properties, outline and the first pages of a document in Markdown, as much as fits the budget.

    Raises what `Documents.read` does.
    """
    del report
    documents, most = services.documents, services.budget.max_chars
    reading = await _beginning(services, target)
    outline = await documents.outline(target.name, skip=0, most=_MOST_HEADINGS, source=target.source)
    notes = shared.few_notes(reading.content.notes, most)
    values = {"title": _value(reading.content.title)} if reading.content.title else {}
    if reading.content.total_pages <= _LOOKED_THROUGH:
        properties = await documents.properties(target.name)
        values |= {name: _value(value) for name, value in properties.content.values.items()}
    else:
        notes.append("To see more properties of this long document: read_document with view properties.")
    shown = shared.within(most, None, lambda room: _render(reading, outline.content, values, room, notes))
    if services.private is not None:  # names of properties tell redaction what they are
        shown = replace(
            shown, data=shown.data | {"properties": dict(_fitting(values.items(), most // _PROPERTIES_SHARE))}
        )
    return shown


async def _beginning(services: Services, target: Target) -> FromDocument[Reading]:
    """Read the first pages; only a few where their text must be recognised, since that takes seconds for each."""
    most, source = services.budget.max_chars, target.source
    # Of a page that is laid out, headings and lists are guesses; its plain text can be cited to the character.
    markdown = source is not None and not services.documents.readers.of(source.format).paged
    found = await services.documents.read(
        target.name, pages=f"1-{_FIRST_PAGES}", max_chars=most, markdown=markdown, source=source
    )
    reading = found.content
    left = most - sum(len(page.text) for page in reading.pages)
    recognised = any(page.confidence is not None for page in reading.pages)
    if recognised or reading.remaining or left <= 0 or reading.total_pages <= _FIRST_PAGES:
        return found
    try:
        more = await services.documents.read(
            target.name, pages=f"{_FIRST_PAGES + 1}-", max_chars=left, markdown=markdown, source=source
        )
    except UnreadableSourceError as error:
        reading.notes.append(error.message)
    else:
        reading.pages += more.content.pages
        reading.notes += more.content.notes
    return found


def _render(
    found: FromDocument[Reading], outline: Outline, properties: dict[str, str], room: int, notes: list[str]
) -> ToolResult:
    reading, source = found.content, found.source
    untrusted, noun = Untrusted(), shared.noun(found)
    pages = f"{reading.total_pages:,} {noun}{'' if reading.total_pages == 1 else 's'}"
    about = f"{source.format}, {pages}, {size_text(source.size)}, modified {source.modified}"
    parts = [f"# {one_line(source.name)}", f"{about}. {untrusted.warning}"]
    values = _fitting((f"{name}: {value}" for name, value in properties.items()), room // _PROPERTIES_SHARE)
    if values:
        parts += ["## Properties", untrusted.wrap("\n".join(values), "properties")]
    headings = _fitting(map(_heading, outline.entries), room // _OUTLINE_SHARE)
    if headings:
        parts += ["## Outline", untrusted.wrap("\n".join(headings), f"outline: heading, {noun}")]
        if (others := len(outline.entries) + outline.more - len(headings)) > 0:
            notes = [*notes, f"{others:,} more headings: read_document with view outline and offset {len(headings)}."]
    room -= sum(len(compact_json(part)) for part in parts)
    shown = _first(reading.pages, room)
    parts.append("## Text")
    parts += [untrusted.wrap(page.text.strip("\n"), _label(noun, page)) for page in shown]
    if hidden := [page.number for page in shown if page.hidden]:
        notes = [*notes, f"People don't see some of the text of {noun} {hidden[0]}; read_document tells which."]
    parts += notes
    parts.append(_way_on(found, shown))
    parts.append(provenance([found.ref]))
    data = {"untrusted": True, "total_pages": reading.total_pages, "sources": refs([found.ref])}
    return ToolResult("\n\n".join(parts), data)


def _first(pages: list[Page], left: int) -> list[Page]:
    """Return the first pages that fit, the last of them cut if need be."""
    shown: list[Page] = []
    for page in pages:
        needed = len(compact_json(page.text)) + _MARKS_CHARS
        if needed > left:
            chars = len(page.text) * max(left - _MARKS_CHARS, 0) // max(needed, 1)
            if chars >= _LEAST_CHARS or not shown:
                shown.append(replace(page, text=cut_text(page.text, start=0, max_chars=max(chars, _LEAST_CHARS)).text))
            break
        shown.append(page)
        left -= needed
    return shown


def _way_on(found: FromDocument[Reading], shown: list[Page]) -> str:
    """Say where the rest is, and how pages are cited."""
    total, noun = found.content.total_pages, shared.noun(found)
    last = shown[-1] if shown else None
    first = 1 if last is None else last.number if last.end < last.total_chars else last.number + 1
    lines = []
    if first <= total:
        rest = f"{first}" if first == total else f"{first}-{total}"
        lines.append(
            f"Not shown: {noun} {rest}. Go on with {place_uri(found.source.name, first)}, or read_document with"
            f" pages={compact_json(rest)}."
        )
    if noun == "page":
        lines.append(f"A page as it looks: {shared.cite_as(found, characters=False)}/image.")
    lines.append(f"Cite as {shared.cite_as(found, characters=noun == 'page')}.")
    return "\n".join(lines)


def _label(noun: str, page: Page) -> str:
    printed = f" ({shared.cut(page.label, _HEADING_CHARS)})" if page.label != str(page.number) else ""
    cut = ", cut" if page.end < page.total_chars else ""
    seen = "" if page.confidence is None else f", recognised from a picture, confidence {page.confidence:.0%}"
    return f"{noun} {page.number}{printed}{cut}{seen}"


def _value(value: Any) -> str:
    return shared.cut(value if isinstance(value, str) else compact_json(value), _VALUE_CHARS)


def _heading(entry: OutlineEntry) -> str:
    page = "" if entry.page is None else f", {entry.page}"
    return f"{'  ' * (min(entry.level, _MOST_LEVELS) - 1)}- {shared.cut(entry.title, _HEADING_CHARS)}{page}"


def _fitting(items: Iterable[T], left: int) -> list[T]:
    """Return the first items, as many as fit."""
    shown: list[T] = []
    for item in items:
        left -= len(compact_json(item))
        if left < 0:
            break
        shown.append(item)
    return shown
