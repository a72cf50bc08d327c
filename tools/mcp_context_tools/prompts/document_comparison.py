"""Document comparison (`compare_documents`): what two documents say about one thing, or what differs between them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from mcp_context_resources.cut_text import first_names
from mcp_context_resources.documents.page_range import format_page_range
from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.language import language_of
from mcp_context_tools.context_pack.pack_text import secret_word
from mcp_context_tools.context_pack.packer import PackRequest, pack_context
from mcp_context_tools.context_pack.token_estimate import estimated_tokens
from mcp_context_tools.named_sources import named_document
from mcp_context_tools.prompts.document_sections import read_sections
from mcp_context_tools.prompts.document_summary import contents, excerpt_lines, file_line, what_is_missing
from mcp_context_tools.prompts.languages import wording_for, wording_of_two
from mcp_context_tools.prompts.prompt import Draft, silent
from mcp_context_tools.prompts.sentence_diff import MOST_SENTENCES, changed_words, compare, sentences_of
from mcp_context_tools.prompts.wording import Wording, filled
from mcp_context_tools.rendering import Untrusted
from mcp_context_tools.search_hits.places import shown_page
from mcp_context_tools.text_cutting import Room, beginning, one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.documents.spec import OutlineEntry, Page
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.context_pack.spec import Pack
    from mcp_context_tools.prompts.document_sections import Sections
    from mcp_context_tools.prompts.sentence_diff import Change, Comparison, Sentence
    from mcp_context_tools.prompts.wording import Wording
    from mcp_context_tools.tool import PrivateValues, Services

_LEAST_SIDE: Final = 80
_MOST_SIDE: Final = 240
_CHANGES_FRAME_TOKENS: Final = 350
_PLACES: Final = 20
_EXAMPLES: Final = 6
_TITLES: Final = 12
_TITLE_CHARS: Final = 80
_NOTES: Final = 3
_NOTE_CHARS: Final = 300
_WIDE: Final = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]")
_LATIN_WORD: Final = re.compile(r"[A-Za-z]{2}")


def write_changes(
    sides: tuple[Side, Side],
    compared: Comparison,
    wording: Wording,
    max_tokens: int,
    private: PrivateValues | None,
) -> str:
    """Write the context of a comparison of two versions in at most about so many tokens."""
    word = secret_word(one.text for side in sides for one in side.sentences)
    untrusted = Untrusted(word)
    changed = len(compared.changes)
    head = wording.line("counts", a=compared.a, b=compared.b, same=compared.same, changed=changed)
    others, limits = _others(sides, compared, wording), _limits(sides, wording)
    if not (changed or compared.moved or compared.renumbered or any(side.beyond for side in sides)):
        head += f" {wording.says['same']}"
    room = Room(max_tokens - _CHANGES_FRAME_TOKENS - sum(map(estimated_tokens, [head, *others, *limits])))
    of_a_side = max(_LEAST_SIDE, min(_MOST_SIDE, room.left // (2 * max(1, changed))))
    blocks: list[str] = []
    for number, change in enumerate(compared.changes, start=1):
        block = f"{number}. {_change(change, sides, wording, of_a_side, private)}"
        if not room.take(block):
            break
        blocks.append(block)
    rest = compared.changes[len(blocks) :]
    lines = [wording.line("marks", word=word), head]
    if blocks or others:
        names = f"A {quoted(sides[0].source.name)}, B {quoted(sides[1].source.name)}"
        lines.append(untrusted.wrap("\n".join([*blocks, *others]), names))
    if rest:
        places = first_names(list(dict.fromkeys(_pages(change, wording, sides) for change in rest)), _PLACES)
        lines.append(wording.line("more_changes", count=len(rest), places=places))
    return "\n".join([*lines, *limits])


def _change(
    change: Change, sides: tuple[Side, Side], wording: Wording, tokens: int, private: PrivateValues | None
) -> str:
    kind = "changed" if change.a and change.b else "only_a" if change.a else "only_b"
    if kind == "changed" and _in_two_languages(change):
        kind = "translated"
    lines = [wording.says[kind]]
    for label, side, sentences in zip("AB", sides, (change.a, change.b), strict=True):
        if not sentences:
            continue
        heading = _heading(side, sentences[0])
        lines.append(f"   {label} [{_place(side, sentences)}]{f' › {heading}' if heading else ''}")
        lines.append(f"   {_text(sentences, tokens, private)}")
    if len(change.a) == len(change.b) == 1:
        words = changed_words(change.a[0].text, change.b[0].text)
        shown = "; ".join(f"{one or '∅'} → {other or '∅'}" for one, other in words)
        if shown and not (private is not None and private.touched(shown, 0, len(shown))):
            lines.append(f"   {wording.says['words']}: {shown}")
    return "\n".join(lines)


def _in_two_languages(change: Change) -> bool:
    """Tell whether one side is Japanese and the other without any: a translation is no changed text."""
    a, b = (" ".join(one.text for one in side) for side in (change.a, change.b))
    if language_of(a) != "ja":
        a, b = b, a
    return language_of(a) == "ja" and not _WIDE.search(b) and _LATIN_WORD.search(b) is not None


def _text(sentences: Sequence[Sentence], tokens: int, private: PrivateValues | None) -> str:
    text = " ".join(one.text for one in sentences)
    end = beginning(text, tokens, private)
    return text if end == len(text) else f"{text[:end]} …"


def _place(side: Side, sentences: Sequence[Sentence]) -> str:
    """Name the place of adjoining sentences; of several pages the first."""
    first = sentences[0]
    end = max(one.end for one in sentences if one.page == first.page)
    return f"{shown_page(side.source.name, first.page)}#chars={first.start}-{end}"


def _heading(side: Side, sentence: Sentence) -> str:
    """Return the heading above a sentence, as far as pages tell; of a document of sections its section's."""
    if side.noun == "section":
        label = next((page.label for page in side.pages if page.number == sentence.page), "")
        return one_line(label, _TITLE_CHARS) if label != str(sentence.page) else ""
    titles = [entry.title for entry in side.outline if entry.page is not None and entry.page < sentence.page]
    on_page = [entry.title for entry in side.outline if entry.page == sentence.page]
    text = next((page.text for page in side.pages if page.number == sentence.page), "")
    titles += [title for title in on_page if 0 <= text.find(title) <= sentence.start]
    return one_line(titles[-1], _TITLE_CHARS) if titles else ""


def _others(sides: tuple[Side, Side], compared: Comparison, wording: Wording) -> list[str]:
    """Tell what is no change of the text: moved sentences, other numbers; and headings that only one has."""
    lines = []
    if compared.moved:
        places = first_names(list(dict.fromkeys(f"{a.page} → {b.page}" for a, b in compared.moved)), _EXAMPLES)
        lines.append(wording.line("moved", count=len(compared.moved), places=places))
    if compared.renumbered:
        shown = [f"{a.number or '∅'} → {b.number or '∅'}" for a, b in compared.renumbered]
        examples = first_names(list(dict.fromkeys(shown)), _EXAMPLES)
        lines.append(wording.line("renumbered", count=len(compared.renumbered), examples=examples))
    a, b = ({_plain(entry.title): entry.title for entry in side.outline} for side in sides)
    for label, mine, theirs in (("A", a, b), ("B", b, a)):
        only = [one_line(title, _TITLE_CHARS) for key, title in mine.items() if key not in theirs]
        if only and theirs:
            lines.append(wording.line("only_headings", side=label, titles=first_names(only, _TITLES)))
    return lines


def _plain(title: str) -> str:
    return "".join(character for character in title.casefold() if character.isalpha())


def _pages(change: Change, wording: Wording, sides: tuple[Side, Side]) -> str:
    """Name the pages of a change: `A 3 / B 4`."""
    shown = [
        f"{label} {sentences[0].page}" for label, sentences in zip("AB", (change.a, change.b), strict=True) if sentences
    ]
    return f"{wording.noun(sides[0].noun, 1)} {' / '.join(shown)}"


def _limits(sides: tuple[Side, Side], wording: Wording) -> list[str]:
    lines = [
        wording.line("beyond", noun=wording.pages(side.noun, side.compared), pages=side.compared, side=label)
        for label, side in zip("AB", sides, strict=True)
        if side.beyond
    ]
    for side in sides:
        lines += [f"{quoted(side.source.name)}: {one_line(note, _NOTE_CHARS)}" for note in side.notes[:_NOTES]]
    return [*lines, wording.says["not_compared"]]


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
        wanted = PackRequest(aspect, room, 2 * services.budget.max_chars, (source.uri,), ("document",))
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
