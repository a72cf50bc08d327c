"""`summarize_document`: a document's text with its places, or where its parts begin if it is long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.page_range import format_page_range
from mcp_context_resources.errors import ContextError
from mcp_context_tools.context_pack.pack_text import secret_word
from mcp_context_tools.named_sources import named_document
from mcp_context_tools.prompts.document_sections import Sections, outline_lines, read_sections
from mcp_context_tools.prompts.languages import wording_for
from mcp_context_tools.prompts.prompt import Draft
from mcp_context_tools.prompts.wording import Wording, filled
from mcp_context_tools.rendering import Untrusted
from mcp_context_tools.text_cutting import name_for_calls, one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp_context_tools.tool import Services

_FRAME_TOKENS: Final = 300
_OUTLINE_SHARE: Final = 6
_NOTES: Final = 4
_NOTE_CHARS: Final = 300
_TITLE_CHARS: Final = 200


async def write_summary(services: Services, given: Mapping[str, str], max_tokens: int) -> Draft:
    """Write `summarize_document` of its `document` and, where only some are meant, its `pages`."""
    source, cited = await named_document(services, given["document"])
    pages = given.get("pages", "").strip().strip("\"'") or cited
    outline_tokens = max_tokens // _OUTLINE_SHARE
    sections = await read_sections(services, source, pages, max_tokens - outline_tokens - _FRAME_TOKENS)
    wording = wording_for("\n".join(excerpt.text for excerpt in sections.excerpts), source.name)
    word = secret_word(excerpt.text for excerpt in sections.excerpts)
    untrusted = Untrusted(word)
    lines = [wording.line("marks", word=word), file_line(sections, wording)]
    if sections.unshown:
        lines += contents(sections, wording, untrusted, outline_tokens)
    lines += excerpt_lines(sections, untrusted)
    lines += what_is_missing(sections, wording)
    if sections.unshown and await _has_local_model(services):
        lines.append(wording.line("locally", name=name_for_calls(source)))
    template = wording.summarize_part if sections.unshown else wording.summarize
    text = filled(template, what=_what(sections, wording), context="\n".join(lines))
    return Draft(text, sources=(source.name,))


def file_line(sections: Sections, wording: Wording) -> str:
    """Say which file it is, how long, and when it was changed and read."""
    ref = sections.ref
    return wording.line(
        "file",
        name=quoted(ref.name),
        count=sections.total,
        noun=wording.noun(sections.noun, sections.total),
        file=quoted(ref.file),
        modified=ref.modified,
        read_at=ref.read_at,
    )


def contents(sections: Sections, wording: Wording, untrusted: Untrusted, tokens: int) -> list[str]:
    """Write the title that the document gives itself and its outline, as far as they go."""
    lines, more = outline_lines(sections, tokens)
    if more and lines:
        lines.append(wording.line("outline_cut", count=more, noun=wording.noun("heading", more)))
    if title := one_line(sections.title, _TITLE_CHARS):
        lines.insert(0, title)
    return [untrusted.wrap("\n".join(lines), wording.says["outline"])] if lines else []


def excerpt_lines(sections: Sections, untrusted: Untrusted) -> list[str]:
    """Write the passages between marks, each with its place."""
    shown = []
    for excerpt in sections.excerpts:
        label = excerpt.place(sections.ref.name)
        if sections.noun == "section" and excerpt.label != str(excerpt.page):
            label += f" › {one_line(excerpt.label, _TITLE_CHARS)}"
        shown.append(untrusted.wrap(excerpt.text, label))
    return shown


def what_is_missing(sections: Sections, wording: Wording) -> list[str]:
    """Say what isn't shown, and how it can be read."""
    lines = []
    if sections.unshown:
        noun, pages = _pages(sections, sections.unshown, wording)
        lines.append(wording.line("not_shown", noun=noun, pages=pages, name=name_for_calls(sections.source)))
    if sections.hidden:
        noun, pages = _pages(sections, sections.hidden, wording)
        lines.append(wording.line("hidden", noun=noun, pages=pages))
    lines += [one_line(note, _NOTE_CHARS) for note in sections.notes[:_NOTES]]
    if sections.noun == "page":
        lines.append(wording.says["pictures"])
    return lines


def _what(sections: Sections, wording: Wording) -> str:
    name = quoted(sections.ref.name)
    if len(sections.wanted) == sections.total:
        return wording.line("document", name=name)
    noun, pages = _pages(sections, format_page_range(sections.wanted), wording)
    return wording.line("pages_of", noun=noun, pages=pages, name=name)


def _pages(sections: Sections, pages: str, wording: Wording) -> tuple[str, str]:
    """Return what a range's pages are called, and the range, a long one cut."""
    return wording.pages(sections.noun, pages), one_line(pages, _NOTE_CHARS)


async def _has_local_model(services: Services) -> bool:
    try:
        await services.models.choose(await services.tables.catalogue(), "chat")
    except ContextError:
        return False
    return True
