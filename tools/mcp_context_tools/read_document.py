"""`read_document`: pages of a document."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.documents.page_range import format_page_range
from mcp_context_tools.rendering import Untrusted, compact_json, provenance, refs
from mcp_context_tools.tool import Report, Services, Tool, ToolInput, ToolResult, telling

if TYPE_CHECKING:
    from mcp_context_resources.documents.service import DocumentPages
    from mcp_context_resources.documents.spec import Page, Reading

# Room for what surrounds the pages, and for what surrounds each of them, in both channels.
_FRAME_CHARS: Final = 1_500
_PAGE_FRAME_CHARS: Final = 350


def _as_text(value: object) -> object:
    """Take a bare number for the page it means."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class ReadDocumentInput(ToolInput):
    """Arguments of `read_document`."""

    document: str = Field(min_length=1, max_length=1_000, description="Name from list_sources.")
    pages: Annotated[str | None, BeforeValidator(_as_text)] = Field(
        default=None, max_length=1_000, description="Such as 5, 2-4, 7- or 1-3,8; default all."
    )
    view: Literal["text"] = Field(default="text", description="How to see the pages.")
    offset: int = Field(default=0, ge=0, description="Character of the first page to start at, to go on in a page.")
    max_chars: int | None = Field(default=None, ge=100, description="Most characters of page text to return.")


@dataclass(frozen=True, slots=True)
class _Fitted:
    """The pages that fit, and where to go on."""

    pages: list[Page]
    remaining: str
    next_offset: int


async def _read_document(services: Services, arguments: ReadDocumentInput, report: Report) -> ToolResult:
    budget = services.budget.max_chars
    # The text stands in both channels, so half the budget is the most that can fit.
    max_chars = min(arguments.max_chars or budget, budget // 2)
    found = await services.documents.read(
        arguments.document,
        pages=arguments.pages or "",
        offset=arguments.offset,
        max_chars=max_chars,
        on_progress=telling(report, "reading pages"),
    )
    return _render(found, _fit(found, budget))


def _fit(found: DocumentPages, budget: int) -> _Fitted:
    reading = found.reading
    left = budget - _FRAME_CHARS - 2 * len(compact_json(reading.title))
    fitted: list[Page] = []
    for position, page in enumerate(reading.pages):
        left -= _PAGE_FRAME_CHARS
        needed = 2 * len(compact_json(page.text))
        if needed <= left:
            fitted.append(page)
            left -= needed
            continue
        room = max(1, len(page.text) * max(left, 0) // needed) if page.text else 0
        if room < 200 and fitted:
            next_offset = page.start
        else:
            piece = cut_text(page.text, start=0, max_chars=room).text
            fitted.append(replace(page, text=piece))
            next_offset = page.start + len(piece)
        return _Fitted(fitted, _rest(reading, position), next_offset)
    return _Fitted(fitted, reading.remaining, reading.next_offset)


def _rest(reading: Reading, position: int) -> str:
    """Name the pages from `position` on, and behind them what was not read at all."""
    unshown = reading.pages[position:]
    if reading.next_offset:  # the last page was read in part, and `remaining` begins with it
        unshown = unshown[:-1]
    head = format_page_range([page.number for page in unshown])
    return ",".join(part for part in (head, reading.remaining) if part)


def _render(found: DocumentPages, fitted: _Fitted) -> ToolResult:
    reading, name = found.reading, found.source.name
    untrusted = Untrusted()
    title = f"\n{untrusted.wrap(reading.title, 'title')}" if reading.title else ""
    numbers = format_page_range([page.number for page in fitted.pages])
    text = f"{name}: page {numbers or '-'} of {reading.total_pages}. {untrusted.warning}{title}\n"
    text += "\n".join(untrusted.wrap(page.text, _label(page)) for page in fitted.pages)
    notes = list(reading.notes)
    data: dict[str, Any] = {
        "document": name,
        "title": reading.title,
        "total_pages": reading.total_pages,
        "pages": [_entry(page) for page in fitted.pages],
        "truncated": bool(fitted.remaining),
        "untrusted": True,
    }
    text += "".join(f"\n{note}" for note in notes)
    if notes:
        data["notes"] = notes
    if fitted.remaining:
        data["next"] = {"pages": fitted.remaining, "offset": fitted.next_offset}
        text += f"\nMore: call read_document with pages={compact_json(fitted.remaining)}, offset={fitted.next_offset}."
    data["sources"] = refs([found.ref])
    return ToolResult(f"{text}\n{provenance([found.ref])}", data)


def _label(page: Page) -> str:
    label = f"page {page.number}" + (f" (printed {page.label})" if page.label != str(page.number) else "")
    if page.start or page.end < page.total_chars:
        label += f", characters {page.start}-{page.end} of {page.total_chars}"
    return label if page.engine == "pdfium" else f"{label}, read by {page.engine}"


def _entry(page: Page) -> dict[str, Any]:
    entry: dict[str, Any] = {"number": page.number, "label": page.label, "text": page.text, "engine": page.engine}
    if page.start or page.end < page.total_chars:
        entry |= {"start": page.start, "end": page.end, "total_chars": page.total_chars}
    return entry


READ_DOCUMENT: Final = Tool(
    name="read_document",
    title="Read a document",
    description=(
        "Read pages of a PDF as text, page by page. Give pages when you know them; when the answer is cut it says how"
        " to go on. Cite as document name and page number."
    ),
    input=ReadDocumentInput,
    run=_read_document,
)
