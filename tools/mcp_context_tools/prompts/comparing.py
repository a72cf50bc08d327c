"""`compare_documents`: what two documents say about one thing, or what differs between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from mcp_context_resources.documents.page_range import format_page_range
from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.language import language_of
from mcp_context_tools.context_pack.packing import Wanted, pack_context
from mcp_context_tools.context_pack.token_estimate import estimated_tokens
from mcp_context_tools.context_pack.writing import secret_word
from mcp_context_tools.prompts.changes import write_changes
from mcp_context_tools.prompts.differences import MOST_SENTENCES, compare, sentences_of
from mcp_context_tools.prompts.fitting import quoted
from mcp_context_tools.prompts.named_sources import named_document
from mcp_context_tools.prompts.prompt import Draft, silent
from mcp_context_tools.prompts.sections import read_sections
from mcp_context_tools.prompts.summarizing import contents, excerpt_lines, file_line, what_is_missing
from mcp_context_tools.prompts.wording import Wording, filled, wording_for, wording_of_two
from mcp_context_tools.rendering import Untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp_context_resources.documents.spec import OutlineEntry, Page
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.context_pack.spec import Pack
    from mcp_context_tools.prompts.differences import Comparison, Sentence
    from mcp_context_tools.prompts.sections import Sections
    from mcp_context_tools.tool import Services

_MOST_CHARS: Final = 600_000
_MOST_HEADINGS: Final = 2_000
_VERSIONS_SHARE: Final = 0.2
# Examples of commands may stand alike in a translation.
_TRANSLATIONS_SHARE: Final = 0.5
_SAMPLE: Final = 200
_SAMPLE_CHARS: Final = 90
_OUTLINE_SHARE: Final = 6
_FRAME_TOKENS: Final = 400
_SIDES: Final = ("A", "B")


@dataclass(frozen=True, slots=True)
class Side:
    """One of two documents that are compared: its `sentences` as far as they were read, `beyond` the rest.

    Its parts are pages or sections, as `noun` says.
    """

    source: Source
    noun: str
    pages: list[Page]
    sentences: list[Sentence]
    outline: list[OutlineEntry]
    beyond: bool
    notes: list[str]

    @property
    def compared(self) -> str:
        """Name the pages that were compared."""
        return format_page_range(sorted({one.page for one in self.sentences}))


async def write_comparison(services: Services, given: Mapping[str, str], max_tokens: int) -> Draft:
    """Write `compare_documents` of `a` and `b`, and of the `aspect` where one is named."""
    (a, a_pages), (b, b_pages) = [await named_document(services, given[name]) for name in ("a", "b")]
    if a.path == b.path and a_pages == b_pages:
        raise InvalidInputError("a and b are the same document.", "Name two documents.")
    if aspect := given.get("aspect", "").strip():
        return await _about(services, (a, b), aspect, max_tokens)
    one, other = await _read(services, a, a_pages), await _read(services, b, b_pages)
    compared = await anyio.to_thread.run_sync(compare, one.sentences, other.sentences)
    tongues = {_language(side) for side in (one, other)} - {None}
    if compared.share < (_VERSIONS_SHARE if len(tongues) < 2 else _TRANSLATIONS_SHARE):
        return await _unlike(services, (a, b), (a_pages, b_pages), compared, max_tokens)
    one, other = _without_ends(one, other, compared)
    wording = wording_of_two(_sample(one), _sample(other))
    context = write_changes((one, other), compared, wording, max_tokens, services.private)
    text = filled(wording.compare_versions, documents=_documents(a, b, wording), context=context)
    return Draft(text, sources=(a.name, b.name))


def _sample(side: Side) -> str:
    """Return sentences from all over a text: it may begin with a table of contents, or be translated in part."""
    step = max(1, -(-len(side.sentences) // _SAMPLE))
    return "\n".join(one.text[:_SAMPLE_CHARS] for one in side.sentences[::step])


def _language(side: Side) -> str | None:
    return language_of(_sample(side))


def _without_ends(one: Side, other: Side, compared: Comparison) -> tuple[Side, Side]:
    """Leave out how one text ends where the other is read in part only: its partner may stand in the rest."""
    sides = (one, other)
    ends = [len(side.sentences) for side in sides]
    while compared.changes:
        runs = (compared.changes[-1].a, compared.changes[-1].b)
        last = [bool(run and ends[at] and run[-1] is sides[at].sentences[ends[at] - 1]) for at, run in enumerate(runs)]
        if not ((last[0] and other.beyond) or (last[1] and one.beyond)):
            break
        compared.changes.pop()
        ends = [end - len(run) if at_end else end for end, run, at_end in zip(ends, runs, last, strict=True)]
    compared.a, compared.b = ends
    one, other = (
        side if end == len(side.sentences) else replace(side, sentences=side.sentences[:end], beyond=True)
        for side, end in zip(sides, ends, strict=True)
    )
    return one, other


async def _about(services: Services, pair: tuple[Source, Source], aspect: str, max_tokens: int) -> Draft:
    """Put side by side what was found about one thing in each; the second may use what the first leaves."""
    found: list[tuple[Pack, Sections | None]] = []
    left = max_tokens
    for number, source in enumerate(pair):
        room = left // (len(pair) - number)
        wanted = Wanted(aspect, room, 2 * services.budget.max_chars, (source.uri,), ("document",))
        pack = await pack_context(services, wanted, silent)
        left -= estimated_tokens(pack.text)
        sections = None
        if not pack.found:  # words of another language, or a file that is still being indexed
            sections = await read_sections(services, source, "", room * 2 // 3)
            left -= sum(estimated_tokens(one.text) for one in sections.excerpts)
        found.append((pack, sections))
    wording = wording_for(aspect, *(_shown_text(pack, sections) for pack, sections in found))
    lines = []
    for side, source, (pack, sections) in zip(_SIDES, pair, found, strict=True):
        lines += [wording.line("aspect_of", side=side, name=quoted(source.name)), pack.text]
        if sections is not None:
            lines += [wording.says["instead"], *_contained(sections, wording, max_tokens // 12)]
    documents = _documents(*pair, wording)
    text = filled(wording.compare_aspect, documents=documents, context="\n".join(lines), words=aspect)
    return Draft(text, {"packs": [pack.data for pack, _ in found]}, tuple(source.name for source in pair))


def _shown_text(pack: Pack, sections: Sections | None) -> str:
    return pack.text if sections is None else "\n".join(one.text for one in sections.excerpts)


def _contained(sections: Sections, wording: Wording, outline_tokens: int) -> list[str]:
    """Write what a document contains: its outline, its text or how its parts begin, and what is left out."""
    word = secret_word(one.text for one in sections.excerpts)
    untrusted = Untrusted(word)
    outline = contents(sections, wording, untrusted, outline_tokens)
    excerpts = excerpt_lines(sections, untrusted)
    return [wording.line("marks", word=word), *outline, *excerpts, *what_is_missing(sections, wording)]


async def _read(services: Services, source: Source, pages: str) -> Side:
    found = await services.documents.read(source.uri, pages=pages, max_chars=_MOST_CHARS, source=source)
    reading = found.content
    outline = (await services.documents.outline(source.uri, skip=0, most=_MOST_HEADINGS, source=source)).content
    every = await anyio.to_thread.run_sync(sentences_of, reading.pages)
    kept = every[:MOST_SENTENCES]
    beyond = bool(reading.remaining) or len(kept) < len(every)
    return Side(source, found.reader.noun, reading.pages, kept, outline.entries, beyond, reading.notes)


async def _unlike(
    services: Services,
    pair: tuple[Source, Source],
    pages: tuple[str, str],
    compared: Comparison,
    max_tokens: int,
) -> Draft:
    """Show what each contains, where there is no use in comparing sentences."""
    share = max_tokens // 2
    read = [
        await read_sections(services, source, of, share - share // _OUTLINE_SHARE - _FRAME_TOKENS)
        for source, of in zip(pair, pages, strict=True)
    ]
    wording = wording_of_two(*("\n".join(one.text for one in sections.excerpts) for sections in read))
    lines = [wording.line("share", share=f"{100 * compared.share:.0f}")]
    for side, sections in zip(_SIDES, read, strict=True):
        lines.append(f"\n{side}: {file_line(sections, wording)}")
        lines += _contained(sections, wording, share // _OUTLINE_SHARE)
    shown = "part" if any(sections.unshown for sections in read) else "whole"
    text = filled(
        wording.compare_unlike,
        shown=wording.says[shown],
        rule=wording.says[f"{shown}_rule"],
        documents=_documents(*pair, wording),
        context="\n".join(lines),
    )
    return Draft(text, sources=tuple(source.name for source in pair))


def _documents(a: Source, b: Source, wording: Wording) -> str:
    return wording.line("documents", a=quoted(a.name), b=quoted(b.name), a_modified=a.modified, b_modified=b.modified)
