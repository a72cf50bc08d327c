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
    from mcp_context_resources.documents.citation import Citation
    from mcp_context_resources.documents.spec import FromDocument, Match, Matches
    from mcp_context_tools.document_views.arguments import ReadDocumentInput

_MOST: Final = 200
_SHOWN_BOXES: Final = 12
_BOXES_OF_CUT: Final = 3
_LEAST_CHARS: Final = 50
_LABEL_CHARS: Final = 100


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
    return shared.within(
        services.budget.max_chars, arguments.max_chars, lambda room: _found(found, room, services.budget.max_chars)
    )


async def passage(services: Services, place: Citation) -> ToolResult:
    """Return the text of a cited place, and where it goes on when it is too long for one answer."""
    found = await services.documents.passage(place)
    return shared.within(services.budget.max_chars, None, lambda room: _passage(found, room, services.budget.max_chars))


def _found(found: FromDocument[Matches], left: int, budget: int) -> ToolResult:
    content = found.content
    left -= 2 * len(compact_json(content.searched))
    untrusted = Untrusted()
    entries: list[dict[str, Any]] = []
    texts: list[str] = []
    shortened = False
    remaining, next_offset = content.remaining, content.next_offset
    for match in content.matches:
        entry, text = _entry(found, match), _marked(match, untrusted)
        needed = len(compact_json(entry)) + len(compact_json(text))
        if needed > left and entries:
            remaining = merged_ranges(content.searched, content.remaining, since=match.number)
            next_offset = match.start
            break
        if needed > left:
            entry, text, shortened = _shortened(entry, match, needed - left, untrusted)
        left -= needed
        entries.append(entry)
        texts.append(text)
    data: dict[str, Any] = {"searched_pages": content.searched, "matches": entries}
    if remaining:
        data["next"] = shared.going_on(found.ref, remaining, next_offset)
    pages = f"{content.searched or '-'} of {content.total_pages}"
    what = f"{len(entries)} match{'' if len(entries) == 1 else 'es'} on {shared.noun(found)} {pages}"
    return _result(found, what, data, texts, untrusted, budget, shortened=shortened)


def _passage(found: FromDocument[Matches], left: int, budget: int) -> ToolResult:
    (match,) = found.content.matches
    untrusted = Untrusted()
    entry, text = _entry(found, match), _marked(match, untrusted)
    needed = len(compact_json(entry)) + len(compact_json(text))
    shortened = False
    if needed > left:
        entry, text, shortened = _shortened(entry, match, needed - left, untrusted)
    data: dict[str, Any] = {"searched_pages": found.content.searched, "matches": [entry]}
    if shortened:
        data["next"] = {"document": place_uri(found.source.name, match.number, entry["cut_at"], match.end)}
    what = f"the cited passage on {shared.noun(found)} {match.number} of {found.content.total_pages}"
    return _result(found, what, data, [text], untrusted, budget, shortened=shortened)


def _result(
    found: FromDocument[Matches],
    what: str,
    content: dict[str, Any],
    texts: list[str],
    untrusted: Untrusted,
    budget: int,
    *,
    shortened: bool,
) -> ToolResult:
    data = shared.frame(found) | content
    notes = shared.few_notes(found.content.notes, budget)
    text = "\n".join([shared.heading(found, what, untrusted), *texts, *notes])
    if texts and shared.noun(found) == "page":
        text += "\nTo see a place on its page: view image with its uri as document."
    text += shared.more(data)
    data = shared.finished(data, found, notes, shortened=shortened)
    return ToolResult(f"{text}\n{provenance([found.ref])}", data)


def _marked(match: Match, untrusted: Untrusted) -> str:
    return untrusted.wrap(f"…{match.before}⟦{match.text}⟧{match.after}…", _label(match))


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
        entry["label"] = shared.cut(match.label, _LABEL_CHARS)
    if match.boxes:
        entry["boxes"] = [box.rounded() for box in match.boxes[:_SHOWN_BOXES]]
    return entry


def _label(match: Match) -> str:
    printed = f" ({shared.cut(match.label, _LABEL_CHARS)})" if match.label != str(match.number) else ""
    return f"page {match.number}{printed}, characters {match.start}-{match.end}"


def _shortened(
    entry: dict[str, Any], match: Match, over: int, untrusted: Untrusted
) -> tuple[dict[str, Any], str, bool]:
    """Cut the text of a single match that doesn't fit by `over` characters; tells whether there was any to cut."""
    cost = 2 * len(compact_json(match.text))
    kept = len(match.text) * max(cost - over, 0) // cost
    text = match.text[: max(kept, _LEAST_CHARS)]
    if len(text) == len(match.text):
        return entry, _marked(match, untrusted), False
    entry = entry | {"text": text, "after": "", "cut_at": match.start + len(text)}
    if "boxes" in entry:
        entry["boxes"] = entry["boxes"][:_BOXES_OF_CUT]
    return entry, untrusted.wrap(f"…{match.before}⟦{text}… (cut)", _label(match)), True
