"""Japanese words by Sudachi, where it is installed with a dictionary; without it pairs of characters must do."""

from __future__ import annotations

import contextlib
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mcp_context_resources.index.analysis.folding import to_hiragana
from mcp_context_resources.index.analysis.stop_words import JAPANESE_STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_CHARS: Final = 12_000  # of one call; the engine takes 49,149 bytes
_FUNCTION_WORDS: Final = frozenset(
    {"助詞", "助動詞", "補助記号", "記号", "空白", "接続詞", "連体詞", "感動詞", "代名詞"}
)
_HELPING: Final = "非自立可能"  # verbs such as する, ある, ください
_MOST_LATIN_CHARS: Final = 40


class Morpheme(NamedTuple):
    """A word of a text: its dictionary form in hiragana, its place, and whether it carries no meaning of its own."""

    term: str
    start: int
    end: int
    weak: bool


def morphemes(text: str) -> Iterator[Morpheme]:
    """Take apart a run of Japanese text; nothing without a dictionary."""
    tokenizer = _tokenizer()
    if tokenizer is None:
        return
    for first in range(0, len(text), _MOST_CHARS):
        for found in tokenizer.tokenize(text[first : first + _MOST_CHARS]):
            if term := _term(found.normalized_form()):
                part, kind, *_ = found.part_of_speech()
                weak = part in _FUNCTION_WORDS or kind == _HELPING or found.surface() in JAPANESE_STOP_WORDS
                yield Morpheme(term, first + found.begin(), first + found.end(), weak)


def terms(text: str) -> list[str]:
    """Return the words of a run of Japanese text, as `morphemes` does, quicker."""
    tokenizer = _tokenizer()
    if tokenizer is None:
        return []
    forms = [
        _term(found.normalized_form())
        for first in range(0, len(text), _MOST_CHARS)
        for found in tokenizer.tokenize(text[first : first + _MOST_CHARS])
    ]
    return [form for form in forms if form]


@lru_cache(maxsize=65_536)
def loan_word(word: str) -> str:
    """Return the Japanese form of a Latin word that the dictionary knows, such as さーばー of server; else nothing."""
    tokenizer = _tokenizer()
    if tokenizer is None or not word.isalpha() or not 2 < len(word) <= _MOST_LATIN_CHARS:
        return ""
    found = tokenizer.tokenize(word)
    if len(found) != 1:
        return ""
    term = _term(found[0].normalized_form())
    return "" if term.isascii() else term


@lru_cache(maxsize=65_536)
def _term(form: str) -> str:
    return to_hiragana("".join(form.split()).casefold())


@cache
def _tokenizer() -> Any:
    """Load the dictionary; None where it isn't installed or can't be read."""
    with contextlib.suppress(Exception):
        import sudachipy

        return sudachipy.Dictionary(dict="core").tokenizer(mode=sudachipy.SplitMode.C)
    return None
