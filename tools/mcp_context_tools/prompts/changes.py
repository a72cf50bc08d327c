"""The differences between two documents written side by side, as many as there is room for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mcp_context_resources.cut_text import first_names
from mcp_context_resources.models.language import language_of
from mcp_context_tools.context_pack.token_estimate import estimated_tokens
from mcp_context_tools.context_pack.writing import secret_word
from mcp_context_tools.prompts.differences import changed_words
from mcp_context_tools.prompts.fitting import Room, beginning, one_line, quoted
from mcp_context_tools.rendering import Untrusted
from mcp_context_tools.search_hits.places import shown_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_tools.prompts.comparing import Side
    from mcp_context_tools.prompts.differences import Change, Comparison, Sentence
    from mcp_context_tools.prompts.wording import Wording
    from mcp_context_tools.tool import PrivateValues

_LEAST_SIDE: Final = 80
_MOST_SIDE: Final = 240
_FRAME_TOKENS: Final = 350
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
    room = Room(max_tokens - _FRAME_TOKENS - sum(map(estimated_tokens, [head, *others, *limits])))
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
