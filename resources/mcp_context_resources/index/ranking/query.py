"""Query parsing: words, phrases that must occur, words that must not. Any text is a query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.index.analysis.folding import HAN, KANA, fold, to_hiragana
from mcp_context_resources.index.analysis.japanese import Morpheme, morphemes
from mcp_context_resources.index.analysis.terms import loan_of, pairs, smaller, word_terms
from mcp_context_resources.index.analysis.words import STOP_WORDS, Run, Word, stem, units
from mcp_context_resources.index.ranking.phrases import Phrase, phrase_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_QUERY_CHARS: Final = 8_000
"""What a longer query says after that is not looked for."""

MOST_WORDS: Final = 48
"""Of more words the first ones are looked for."""

MOST_PHRASES: Final = 8
"""Of more phrases, or words that must not occur, the first ones count."""

_QUOTED: Final = (
    r'"([^"]*)"',
    "\uff02([^\uff02]*)\uff02",
    "\u201c([^\u201d]*)\u201d",
    "「([^」]*)」",
    "『([^』]*)』",
)
_SPECIAL: Final = re.compile(
    rf"(?P<minus>(?:(?<=\s)|^)[-\uff0d\u2212])?(?:{'|'.join(_QUOTED)})|(?:(?<=\s)|^)[-\uff0d\u2212](?P<not>[^\W\d]\S*)"
)
_BY_SCRIPT: Final = re.compile(f"(?P<hiragana>[\u3041-\u309f]+)|[{HAN}]+|[\u30a1-\u30ff]+|[^{HAN}{KANA}]+")
_LONGEST_LABEL: Final = 10
_SHORTEST_STRONG: Final = 3


@dataclass(frozen=True, slots=True)
class QueryWord:
    """A word looked for, `text` as it is shown.

    `terms` are its forms among the words of a text, any of which will do; `parts` are its neighbours in the surface.
    An `identifier` says more as a whole than its parts do; a `weak` word says nothing of what a text is about. `loan`
    is its form among the loans of a text.
    """

    text: str
    terms: tuple[str, ...]
    parts: tuple[str, ...]
    identifier: bool = False
    weak: bool = False
    loan: str = ""


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query, taken apart. `pairs` are those of characters that words without spaces between them share.

    No text is found for its `weak` words; of those found, one that holds them, too, is the better.
    """

    words: tuple[QueryWord, ...]
    pairs: tuple[str, ...]
    phrases: tuple[Phrase, ...] = ()
    without_terms: frozenset[str] = frozenset()
    without_phrases: tuple[Phrase, ...] = ()
    weak: tuple[QueryWord, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The words, as a person reads them."""
        return tuple(dict.fromkeys(word.text for word in self.words))


def parse_query(text: str) -> ParsedQuery:
    """Take a query apart; nothing is left of one without letters and digits."""
    text = text[:MOST_QUERY_CHARS]
    phrases: list[Phrase] = []
    unwanted: list[str] = []
    rest: list[str] = []
    place = 0
    for match in _SPECIAL.finditer(text):
        quoted = next((group for group in match.groups()[1:-1] if group is not None), None)
        if match["not"] or match["minus"]:
            rest.append(text[place : match.start()])
            unwanted.append(match["not"] or quoted or "")
        else:
            rest.append(text[place : match.start()] + " " + (quoted or "") + " ")
            if (phrase := phrase_of(quoted or "")) is not None:
                phrases.append(phrase)
        place = match.end()
    positive = "".join((*rest, text[place:]))
    words, weak, loose = _words(positive)
    if not words:
        words, weak, loose = _words(text)
        unwanted = []
    forbidden = [_forbidden(some) for some in unwanted[:MOST_PHRASES]]
    return ParsedQuery(
        words,
        loose,
        tuple(dict.fromkeys(phrases))[:MOST_PHRASES],
        frozenset().union(*(terms for terms, _ in forbidden)),
        tuple(phrase for _, phrase in forbidden if phrase is not None),
        weak,
    )


def _words(text: str) -> tuple[tuple[QueryWord, ...], tuple[QueryWord, ...], tuple[str, ...]]:
    """Return the words of a text, its weak ones where it has others, and its pairs of characters."""
    found: list[QueryWord] = []
    loose: list[str] = []
    before: Word | None = None
    for unit in units(fold(text)):
        if isinstance(unit, Run):
            of_run, shared = _of_run(unit)
            found += of_run
            loose += shared
            before = None
            continue
        if before is not None and _labels(before, unit):
            label, number = before.whole, unit.whole
            found.append(QueryWord(f"{label} {number}", (label + number,), (label, unit.parts[0][0]), identifier=True))
        found += _of_word(unit)
        before = unit
    weak: list[QueryWord] = []
    if any(not word.weak for word in found):
        weak = [word for word in found if word.weak]
        found = [word for word in found if not word.weak]
    chosen, others = (tuple(dict.fromkeys(words))[:MOST_WORDS] for words in (found, weak))
    return chosen, others, tuple(dict.fromkeys(loose))[:MOST_WORDS]


def _of_word(word: Word) -> Iterator[QueryWord]:
    parts = tuple(part for part, _, _ in word.parts)
    if not word.compound:
        weak = word.whole in STOP_WORDS
        yield QueryWord(word.whole, tuple(word_terms(word)), parts, weak=weak, loan=loan_of(word.whole))
        return
    yield QueryWord(word.whole, (word.whole,), parts, identifier=True)
    for piece in smaller(word):
        if piece != word.whole:
            own = (piece,) if piece in parts else ()
            yield QueryWord(piece, (stem(piece),), own, weak=len(piece) == 1, loan=loan_of(piece))


def _labels(label: Word, number: Word) -> bool:
    """Tell whether two words are an identifier with a space in it, such as ISO 9001."""
    return (
        label.whole.isalpha()
        and not label.compound
        and len(label.whole) <= _LONGEST_LABEL
        and label.whole not in STOP_WORDS
        and not number.compound
        and number.whole.isdecimal()
    )


def _of_run(run: Run) -> tuple[list[QueryWord], list[str]]:
    """Return the words of a run of text without spaces, and the pairs of characters that reach over two of them."""
    text = to_hiragana(run.text)
    pieces = sorted(_pieces(run), key=lambda piece: piece.start)
    strong = any(not piece.weak for piece in pieces)
    words: list[QueryWord] = []
    loose: list[str] = []
    last: Morpheme | None = None
    for piece in pieces:
        surface = text[piece.start : piece.end]
        terms = (piece.term,) if piece.term else ()
        loan = piece.term if piece.loan else ""
        shown = run.text[piece.start : piece.end]
        words.append(QueryWord(shown, terms, tuple(pairs(surface)), weak=piece.weak, loan=loan))
        if piece.weak and strong:
            last = None
            continue
        if last is not None and last.end == piece.start:
            loose.append(text[piece.start - 1 : piece.start + 1])
        loose += pairs(surface) if len(surface) > 2 else []
        last = piece
    return words, loose


def _pieces(run: Run) -> Iterable[Morpheme]:
    """Cut a run into words: by the dictionary, or else where the script changes."""
    found: list[Morpheme] = []
    for start, text in run.japanese():
        offset = start - run.start
        found += [piece._replace(start=offset + piece.start, end=offset + piece.end) for piece in morphemes(text)]
    place = 0
    for piece in [*found, Morpheme("", len(run.text), len(run.text), weak=True)]:
        for match in _BY_SCRIPT.finditer(run.text, place, max(place, piece.start)):
            weak = match["hiragana"] is not None and len(match.group()) < _SHORTEST_STRONG
            found.append(Morpheme("", *match.span(), weak))
        place = max(place, piece.end)
    return found


def _forbidden(text: str) -> tuple[frozenset[str], Phrase | None]:
    """Read what must not occur: one word in any of its forms, anything else as a phrase."""
    found = list(units(fold(text)))
    if len(found) == 1 and isinstance(found[0], Word):
        word = found[0]
        return frozenset({word.whole if word.compound else stem(word.whole)}), None
    return frozenset(), phrase_of(text)
