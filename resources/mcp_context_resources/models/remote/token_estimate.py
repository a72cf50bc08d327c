"""How many tokens a text has, where no tokenizer can be asked."""

from __future__ import annotations

import re
from typing import Final

_LATIN: Final = re.compile(r"[\x00-\u024f]+")


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of a text: one for four Latin characters, and one for each other (kana, kanji, Cyrillic).

    Right within about a third for prose; too few for digits and code.
    """
    return estimated_from(len(text), other_characters(text))


def other_characters(text: str) -> int:
    """Count the characters that aren't Latin letters, digits or their signs."""
    return len(_LATIN.sub("", text))


def estimated_from(characters: int, others: int) -> int:
    """Estimate tokens as `estimated_tokens` does, from the number of characters and of those that aren't Latin."""
    return others + (characters - others + 3) // 4
