"""Japanese tokenizer: Sudachi, where it is installed with a dictionary; without it pairs of characters must do."""

from __future__ import annotations

import logging
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mcp_context_resources.index.analysis.folding import to_hiragana

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger("fresh_context")
_MOST_CHARS: Final = 12_000  # of one call; the engine takes 49,149 bytes
_FUNCTION_WORDS: Final = frozenset(
    {"助詞", "助動詞", "補助記号", "記号", "空白", "接続詞", "連体詞", "感動詞", "代名詞"}
)
_HELPING: Final = "非自立可能"  # verbs such as する, ある, ください
# As they are written: について, による, に関する and their like; others are known by their part of speech.
_STOP_WORDS: Final = frozenset(
    """
    つい よる より よっ よれ おい おけ おける こと もの ため とき ところ どう なぜ どの どんな 関し 関する 対し 対する
    """.split()
)
_MOST_LATIN_CHARS: Final = 40
_KATAKANA: Final = re.compile("[\u30a1-\u30fa\u30fc-\u30ff]{2,}")


class Morpheme(NamedTuple):
    """A word of a text: its dictionary form in hiragana, its place, and whether it carries no meaning of its own.

    A `loan` is written in katakana, as words from other languages are.
    """

    term: str
    start: int
    end: int
    weak: bool
    loan: bool = False


def morphemes(text: str) -> Iterator[Morpheme]:
    """Take apart a run of Japanese text; nothing without a dictionary."""
    tokenizer = _tokenizer()
    if tokenizer is None:
        return
    for first in range(0, len(text), _MOST_CHARS):
        for found in tokenizer.tokenize(text[first : first + _MOST_CHARS]):
            term, loan = _term(found.normalized_form())
            if term:
                part, kind, *_ = found.part_of_speech()
                weak = part in _FUNCTION_WORDS or kind == _HELPING or found.surface() in _STOP_WORDS
                yield Morpheme(term, first + found.begin(), first + found.end(), weak, loan)


def terms(text: str) -> list[tuple[str, bool]]:
    """Return the words of a run of Japanese text and whether they are loans, as `morphemes` does, quicker."""
    tokenizer = _tokenizer()
    if tokenizer is None:
        return []
    forms = [
        _term(found.normalized_form())
        for first in range(0, len(text), _MOST_CHARS)
        for found in tokenizer.tokenize(text[first : first + _MOST_CHARS])
    ]
    return [form for form in forms if form[0]]


@lru_cache(maxsize=65_536)
def loan_word(word: str) -> str:
    """Return the Japanese form of a Latin word that the dictionary knows, such as さーばー of server; else nothing."""
    tokenizer = _tokenizer()
    if tokenizer is None or not word.isalpha() or not 2 < len(word) <= _MOST_LATIN_CHARS:
        return ""
    found = tokenizer.tokenize(word)
    if len(found) != 1:
        return ""
    term, _ = _term(found[0].normalized_form())
    return "" if term.isascii() else term


@lru_cache(maxsize=65_536)
def _term(form: str) -> tuple[str, bool]:
    plain = "".join(form.split()).casefold()
    return to_hiragana(plain), _KATAKANA.fullmatch(plain) is not None


@cache
def _tokenizer() -> Any:
    """Load the dictionary; None where it isn't installed or can't be read."""
    try:
        import sudachipy

        return sudachipy.Dictionary(dict="core").tokenizer(mode=sudachipy.SplitMode.C)
    except ModuleNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, pairs of characters find Japanese, too
        _log.warning("The Japanese dictionary can't be read: %s. Japanese is found by pairs of characters.", error)
        return None
