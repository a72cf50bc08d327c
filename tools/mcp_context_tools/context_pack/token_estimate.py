"""How many tokens a text takes, where no tokenizer of the model that will read it is at hand: rather too many."""

from __future__ import annotations

import math
import re
from typing import Final

ESTIMATE: Final = "estimate: English words 1 or more each, a digit or sign 1, a Japanese character 1.2"
"""How texts are counted, for people."""

_PARTS: Final = re.compile(
    r"(?P<word>[A-Za-z\u00c0-\u024f]+)|(?P<one>[0-9])|(?P<blank>[ \t]+)|(?P<line>\n+)"
    r"|(?P<wide>[\u3001-\u9fff\uff00-\uffef])"
    r"|(?P<sign>[\x21-\x7e])|(?P<other>.)",
    re.DOTALL,
)
_LETTERS: Final = 6
_MORE_LETTERS: Final = 4
_WIDE: Final = 1.2
_OTHER: Final = 2.0
_BLANKS: Final = 8


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of a text for models that read English and Japanese.

    Measured on manuals, a README, program text and CSV: in all not more than 2 % below multilingual-e5's count, nor
    below SmolLM2's of texts without Japanese; stretches of 500 characters dense with signs up to 17 % below.
    """
    total = 0.0
    for match in _PARTS.finditer(text):
        kind, length = match.lastgroup, len(match[0])
        if kind == "word":
            total += 1 if length <= _LETTERS else 1 + math.ceil((length - _LETTERS) / _MORE_LETTERS)
        elif kind == "blank":
            total += length // _BLANKS if length > 1 else 0
        elif kind == "wide":
            total += _WIDE
        elif kind == "other":
            total += _OTHER
        else:
            total += 1
    return math.ceil(total)
