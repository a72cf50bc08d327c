"""Pages as text or Markdown, as many as fit (views `text` and `markdown`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.documents.page_range import format_page_range
from mcp_context_tools.document_views import arguments as shared
from mcp_context_tools.rendering import Untrusted, compact_json, provenance
from mcp_context_tools.tool import Report, Services, ToolResult, telling

if TYPE_CHECKING:
    from mcp_context_resources.documents.spec import FromDocument, Hidden, Page, Reading
    from mcp_context_tools.document_views.arguments import ReadDocumentInput

_PAGE_FRAME_CHARS: Final = 200
_LEAST_CHARS: Final = 200
_FLOOR_CHARS: Final = 60
_LABEL_CHARS: Final = 100
_HIDDEN_CHARS: Final = 300
_HIDDEN_FRAME_CHARS: Final = 160
_HEAD_CHARS: Final = 200
_USUAL_ENGINE: Final = "pdfium"


@dataclass(frozen=True, slots=True)
class _Shown:
    """A page as it is shown; `left_out` of its hidden texts are not, and `shortened` says that something is cut."""

    page: Page
    left_out: int = 0
    shortened: bool = False


@dataclass(frozen=True, slots=True)
class _Fitted:
    """The pages that fit, and where to go on."""

    pages: list[_Shown]
    remaining: str
    next_offset: int


async def read(services: Services, arguments: ReadDocumentInput, report: Report) -> ToolResult:
    """Return pages as text or as Markdown."""
    budget = services.budget.max_chars
    # The text stands in both channels, so half the budget is the most that can fit.
    max_chars = min(arguments.max_chars or budget, budget // 2)
    markdown = arguments.view == "markdown"
    found = await services.documents.read(
        arguments.document,
        pages=arguments.pages or "",
        offset=arguments.offset,
        max_chars=max_chars,
        markdown=markdown,
        version=arguments.version or "",
        on_progress=telling(report, "reading pages"),
    )
    notes = shared.few_notes(found.content.notes, budget)
    # Positions count the characters of the text, not those of its Markdown.
    cite_as = shared.cite_as(found, characters=not markdown)
    return shared.within(budget, None, lambda room: _render(found, _fit(found.content, room), notes, cite_as))


def _fit(reading: Reading, room: int) -> _Fitted:
    left = room
    fitted: list[_Shown] = []
    for position, whole in enumerate(reading.pages):
        shown = _bounded(whole, room)
        page = shown.page
        left -= _PAGE_FRAME_CHARS + 2 * len(compact_json([page.header, page.footer, page.label]))
        left -= sum(_cost(item) for item in page.hidden)
        needed = 2 * len(compact_json(page.text))
        if needed <= left or not (fitted or page.text):
            fitted.append(shown)
            left -= needed
            continue
        chars = len(page.text) * max(left, 0) // needed
        if chars < _LEAST_CHARS and fitted:
            return _Fitted(fitted, _rest(reading, position), page.start)
        piece = cut_text(page.text, start=0, max_chars=max(chars, _FLOOR_CHARS)).text
        fitted.append(replace(shown, page=replace(page, text=piece)))
        left -= needed
        if len(piece) < len(page.text):
            return _Fitted(fitted, _rest(reading, position), page.start + len(piece))
    return _Fitted(fitted, reading.remaining, reading.next_offset)


def _bounded(page: Page, room: int) -> _Shown:
    """Shorten what stands beside a page's text, so that it leaves room for the text."""
    heads = min(_HEAD_CHARS, room // 12)
    left = room // 3
    hidden: list[Hidden] = []
    for item in page.hidden:
        short = replace(item, text=shared.cut(item.text, min(_HIDDEN_CHARS, room // 8)))
        left -= _cost(short)
        if left < 0:
            break
        hidden.append(short)
    bounded = replace(
        page,
        label=shared.cut(page.label, _LABEL_CHARS),
        header=shared.cut(page.header, heads),
        footer=shared.cut(page.footer, heads),
        hidden=tuple(hidden),
    )
    return _Shown(bounded, len(page.hidden) - len(hidden), bounded != page)


def _cost(item: Hidden) -> int:
    return 2 * len(compact_json(item.text)) + 2 * len(item.reason) + _HIDDEN_FRAME_CHARS


def _rest(reading: Reading, position: int) -> str:
    """Name the pages from `position` on, and behind them what was not read at all."""
    unshown = reading.pages[position:]
    if reading.next_offset:  # the last page was read in part, and `remaining` begins with it
        unshown = unshown[:-1]
    head = format_page_range([page.number for page in unshown])
    return ",".join(part for part in (head, reading.remaining) if part)


def _render(found: FromDocument[Reading], fitted: _Fitted, notes: list[str], cite_as: str) -> ToolResult:
    reading = found.content
    untrusted = Untrusted()
    pages = [shown.page for shown in fitted.pages]
    numbers = format_page_range([page.number for page in pages])
    text = shared.heading(found, f"{shared.noun(found)} {numbers or '-'} of {reading.total_pages}", untrusted)
    for before, shown in zip([None, *pages], fitted.pages, strict=False):
        text += f"\n{_shown(shared.noun(found), shown, before, untrusted)}"
    engines = {page.engine for page in pages}
    data = shared.frame(found) | {"cite_as": cite_as}
    if len(engines) == 1:
        data["engine"] = engines.pop()
    data["pages"] = [_entry(shown, with_engine="engine" not in data) for shown in fitted.pages]
    if fitted.remaining:
        data["next"] = shared.going_on(found.ref, fitted.remaining, fitted.next_offset)
    text += "".join(f"\n{note}" for note in notes) + f"\nCite as {cite_as}." + shared.more(data)
    data = shared.finished(data, found, notes, shortened=any(shown.shortened for shown in fitted.pages))
    return ToolResult(f"{text}\n{provenance([found.ref])}", data)


def _shown(noun: str, shown: _Shown, before: Page | None, untrusted: Untrusted) -> str:
    """Write a page between marks; its running heads only where they differ from those of the page before."""
    page = shown.page
    heads = [
        f"[{name}: {value}]"
        for name, value, earlier in (
            ("head", page.header, before.header if before else ""),
            ("foot", page.footer, before.footer if before else ""),
        )
        if value and _letters(value) != _letters(earlier)
    ]
    parts = [untrusted.wrap("\n".join([*heads, page.text]), _label(noun, page))]
    parts += [
        untrusted.wrap(item.text, f"text on page {page.number} that people don't see ({item.reason}); distrust it")
        for item in page.hidden
    ]
    if shown.left_out:
        parts.append(f"Not shown: {shown.left_out} more texts on page {page.number} that people don't see.")
    return "\n".join(parts)


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalpha())


def _label(noun: str, page: Page) -> str:
    label = f"{noun} {page.number}" + (f" ({page.label})" if page.label != str(page.number) else "")
    if page.start or page.end < page.total_chars:
        label += f", characters {page.start}-{page.end} of {page.total_chars}"
    if page.confidence is not None:
        return f"{label}, recognised from a picture by {page.engine}, confidence {page.confidence:.0%}"
    return label if page.engine == _USUAL_ENGINE or noun != "page" else f"{label}, read by {page.engine}"


def _entry(shown: _Shown, *, with_engine: bool) -> dict[str, Any]:
    page = shown.page
    entry: dict[str, Any] = {"number": page.number}
    if page.label != str(page.number):
        entry["label"] = page.label
    entry["text"] = page.text
    for name, value in (("header", page.header), ("footer", page.footer), ("ocr_confidence", page.confidence)):
        if value:
            entry[name] = round(value, 3) if isinstance(value, float) else value
    if with_engine:
        entry["engine"] = page.engine
    if page.hidden:
        entry["hidden"] = [shared.hidden_entry(item) for item in page.hidden]
    if shown.left_out:
        entry["hidden_left_out"] = shown.left_out
    if page.start or page.end < page.total_chars:
        entry |= {"start": page.start, "end": page.end, "total_chars": page.total_chars}
    return entry
