"""Token estimate by the length of a text, for servers whose tokenizer can't be asked: neither too many nor too few.

Context packs must never be larger than was asked for; theirs counts words and signs, and rather too many.
"""

from __future__ import annotations

import re
from typing import Final

_LATIN: Final = re.compile(r"[\x00-\u024f]+")


def tokens_by_length(text: str) -> int:
    """Estimate the tokens of a text: one for four Latin characters, and one for each other (kana, kanji, Cyrillic).

    Right within about a third for prose; too few for digits and code.
    """
    return tokens_by_counts(len(text), other_characters(text))


def other_characters(text: str) -> int:
    """Count the characters that aren't Latin letters, digits or their signs."""
    return len(_LATIN.sub("", text))


def tokens_by_counts(characters: int, others: int) -> int:
    """Estimate tokens as `tokens_by_length` does, from the number of characters and of those that aren't Latin."""
    return others + (characters - others + 3) // 4
