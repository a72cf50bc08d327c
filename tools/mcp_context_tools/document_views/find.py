"""View find, and cited passages: places in a document with the text around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.citation import place_uri
from mcp_context_resources.documents.page_range import merged_ranges
from mcp_context_resources.errors import InvalidInputError
from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.rendering import Untrusted, compact_json, provenance
from mcp_context_tools.tool import Report, Services, ToolResult, telling

if TYPE_CHECKING:
    from mcp_context_resources.documents.citation import Place
    from mcp_context_resources.documents.service import FromDocument
    from mcp_context_resources.documents.spec import Match, Matches
    from mcp_context_tools.document_views.arguments import ReadDocumentInput

_MOST: Final = 200
_SHOWN_BOXES: Final = 12


async def read(services: Services, arguments: ReadDocumentInput, report: Report) -> ToolResult:
    """Return where a text stands in a document, as many places as fit."""
    if not arguments.find:
        raise InvalidInputError("There is nothing to find.", "Give the words to look for in find.")
    found = await services.documents.find(
        arguments.document,
        arguments.find,
        regex=arguments.regex,
        pages=arguments.pages or "",
        offset=arguments.offset,
        most=_MOST,
        version=arguments.version or "",
        on_progress=telling(report, "searching pages"),
    )
    budget = services.budget.max_chars
    room = min(arguments.max_chars * 2 if arguments.max_chars else budget, budget)
    return _render(found, room, lambda shown, pages: f"{shown} match{'' if shown == 1 else 'es'} on page {pages}")


async def passage(services: Services, place: Place) -> ToolResult:
    """Return the text of a cited place."""
    found = await services.documents.passage(place)
    return _render(found, services.budget.max_chars, lambda _shown, pages: f"the cited passage on page {pages}")


def _render(found: FromDocument[Matches], room: int, what: Any) -> ToolResult:
    content = found.content
    left = room - shared.FRAME_CHARS - 2 * len(compact_json([content.title, content.notes, content.searched]))
    untrusted = Untrusted()
    entries: list[dict[str, Any]] = []
    texts: list[str] = []
    remaining, next_offset = content.remaining, content.next_offset
    for place, match in enumerate(content.matches):
        entry = _entry(found, match)
        text = untrusted.wrap(f"…{match.before}⟦{match.text}⟧{match.after}…", _label(match))
        left -= len(compact_json(entry)) + len(compact_json(text))
        if left < 0 and entries:
            remaining = merged_ranges(content.searched, content.remaining, since=match.number)
            next_offset = match.start
            break
        if left < 0 and not place:
            entry, text = _shortened(entry, match, left, untrusted)
        entries.append(entry)
        texts.append(text)
    data = shared.frame(found) | {"searched_pages": content.searched, "matches": entries}
    if remaining:
        data["next"] = shared.going_on(found.ref, remaining, next_offset)
    pages = f"{content.searched or '-'} of {content.total_pages}"
    text = "\n".join([shared.heading(found, what(len(entries), pages), untrusted), *texts, *content.notes])
    if entries:
        text += "\nTo see a place on its page: view image with its uri as document."
    text += shared.more(data)
    return ToolResult(f"{text}\n{provenance([found.ref])}", shared.finished(data, found, content.notes))


def _entry(found: FromDocument[Matches], match: Match) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "uri": place_uri(found.source.name, match.number, match.start, match.end),
        "page": match.number,
        "start": match.start,
        "end": match.end,
        "before": match.before,
        "text": match.text,
        "after": match.after,
    }
    if match.label != str(match.number):
        entry["label"] = match.label
    if match.boxes:
        entry["boxes"] = [box.rounded() for box in match.boxes[:_SHOWN_BOXES]]
    return entry


def _label(match: Match) -> str:
    printed = f" ({match.label})" if match.label != str(match.number) else ""
    return f"page {match.number}{printed}, characters {match.start}-{match.end}"


def _shortened(entry: dict[str, Any], match: Match, over: int, untrusted: Untrusted) -> tuple[dict[str, Any], str]:
    """Cut the text of a single match that doesn't fit."""
    kept = max(100, len(match.text) + over // 2)
    text = match.text[:kept]
    entry = entry | {"text": text, "cut_at": match.start + len(text)}
    return entry, untrusted.wrap(f"…{match.before}⟦{text}… (cut)", _label(match))
