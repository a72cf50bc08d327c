"""Arguments of `read_document`, and what its views share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from mcp_context_resources.documents.citation import place_uri
from mcp_context_tools.rendering import Untrusted, compact_json, cost, one_line, refs
from mcp_context_tools.tool import ToolInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.documents.spec import FromDocument, Hidden
    from mcp_context_resources.provenance import SourceRef
    from mcp_context_tools.tool import ToolResult

_FRAME_CHARS: Final = 1_000
_MOST_TRIES: Final = 12
_MOST_NOTES: Final = 8
_NOTE_CHARS: Final = 300
_NOTES_SHARE: Final = 10
_TITLE_CHARS: Final = 200

_Number = Annotated[float, Field(allow_inf_nan=False)]


def _as_text(value: object) -> object:
    """Take a bare number for the page it means."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class ReadDocumentInput(ToolInput):
    """Arguments of `read_document`."""

    document: str = Field(
        min_length=1,
        max_length=2_000,
        description="Name from list_sources, or a cited place: document://NAME/page/3#chars=120-240.",
    )
    pages: Annotated[str | None, BeforeValidator(_as_text)] = Field(
        default=None,
        max_length=1_000,
        description="Such as 5, 2-4, 7- or 1-3,8; printed labels as iv, A-3, =12; default all.",
    )
    view: Literal["text", "markdown", "tables", "image", "outline", "properties", "find"] = Field(
        default="text",
        description=(
            "text; markdown (headings, lists, tables, links); tables (each can be queried by SQL under its name); image"
            " (one page as PNG); outline; properties (metadata, form fields, annotations, attachments); find."
        ),
    )
    offset: int = Field(
        default=0, ge=0, description="To go on inside the first page (or the outline): as the answer before says."
    )
    max_chars: int | None = Field(default=None, ge=100, description="Most characters of content to return.")
    find: str | None = Field(default=None, max_length=1_000, description="What view find looks for.")
    regex: bool = Field(default=False, description="Take find for a Python regular expression.")
    region: list[_Number] | None = Field(
        default=None,
        min_length=4,
        max_length=4,
        description="For image: left, top, right, bottom in points from the page's top left corner; default all.",
    )
    dpi: int = Field(default=110, ge=24, le=600, description="For image: dots per inch.")
    version: str | None = Field(
        default=None, max_length=64, description="Fingerprint of the pages before, to go on in the same version."
    )


def heading(found: FromDocument[Any], what: str, untrusted: Untrusted) -> str:
    """Begin an answer: the document, what follows, the warning, and the title the document gives itself."""
    title = cut(found.content.title, _TITLE_CHARS)
    shown = f"\n{untrusted.wrap(title, 'title')}" if title else ""
    return f"{one_line(found.source.name)}: {what}. {untrusted.warning}{shown}"


def noun(found: FromDocument[Any]) -> str:
    """Say what the parts of a document are."""
    return found.reader.noun


def frame(found: FromDocument[Any]) -> dict[str, Any]:
    """Begin the structured content of an answer."""
    return {
        "document": found.source.name,
        "title": cut(found.content.title, _TITLE_CHARS),
        "total_pages": found.content.total_pages,
        "untrusted": True,
    }


def going_on(ref: SourceRef, pages: str, offset: int) -> dict[str, Any]:
    """Say where an answer goes on, for `next`."""
    return {"pages": pages, "offset": offset, "version": ref.fingerprint}


def more(data: dict[str, Any]) -> str:
    """Say in words where an answer goes on; an empty string where it doesn't."""
    if "next" not in data:
        return ""
    arguments = ", ".join(f"{name}={compact_json(value)}" for name, value in data["next"].items())
    return f"\nMore: call read_document again with {arguments}."


def finished(
    data: dict[str, Any], found: FromDocument[Any], notes: list[str], *, shortened: bool = False
) -> dict[str, Any]:
    """End the structured content of an answer; `shortened` tells that something was cut that `next` doesn't give."""
    if notes:
        data["notes"] = notes
    data["truncated"] = shortened or "next" in data
    data["sources"] = refs([found.ref])
    return data


def within(budget: int, most: int | None, render: Callable[[int], ToolResult]) -> ToolResult:
    """Render an answer that costs at most `budget` characters in both channels together.

    `render` makes one with about so much room for content, in both channels; `most` is the most characters of content
    wanted in one. Where what must be said costs more than the budget, the shortest answer is returned.
    """
    room = budget - _FRAME_CHARS
    if most is not None:
        room = min(room, 2 * most)
    for _ in range(_MOST_TRIES):
        result = render(room)
        over = cost(result.text, result.data) - budget
        if over <= 0 or not room:
            return result
        room = max(0, room - over)
    return render(0)


def few_notes(notes: Sequence[str], budget: int) -> list[str]:
    """Return the first notes, as many as may stand beside the content, and say how many more there are."""
    left = budget // _NOTES_SHARE
    shown: list[str] = []
    for note in notes[:_MOST_NOTES]:
        text = cut(note, min(_NOTE_CHARS, budget // _NOTES_SHARE))
        if len(text) > left:
            break
        left -= len(text)
        shown.append(text)
    others = len(notes) - len(shown)
    return [*shown, f"{others} more note{'' if others == 1 else 's'} left out."] if others else shown


def cut(text: str, most: int) -> str:
    """Return a text with at most `most` characters, the last of them an ellipsis where it is longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…" if most > 0 else ""


def hidden_entry(hidden: Hidden) -> dict[str, str]:
    """Show hidden text for what it is."""
    return {"why": hidden.reason, "text": hidden.text}


def cite_as(found: FromDocument[Any], *, characters: bool) -> str:
    """Say how pages of the document are cited, and `characters` of them where those shown are those counted."""
    page = place_uri(found.source.name, 0).removesuffix("0") + "N"
    return f"{page}#chars=A-B" if characters else page
