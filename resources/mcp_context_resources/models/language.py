"""In which language a text is written, as far as the choice of a model needs it."""

from __future__ import annotations

import re
from typing import Final, Literal

_LOOKED_AT: Final = 20_000
_KANA: Final = re.compile(r"[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9d]")
_KANJI: Final = re.compile(r"[\u3005\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN: Final = re.compile(r"[A-Za-z]")
_LATIN_LETTERS: Final = re.compile(r"[A-Za-z\u00c0-\u024f]")
_ENGLISH: Final = re.compile(
    r"\b(?:the|and|of|to|in|is|are|was|for|that|this|with|what|how|who|when|where|which|why|does|do|it|on|by|from"
    r"|not|be|or|as|at|an|you|your|i|we|list|write|say|name|tell|summari[sz]e|explain|describe|give|show|find)\b",
    re.IGNORECASE,
)
_FEW_LETTERS: Final = 4
_KANA_SHARE: Final = 0.05
_ENGLISH_SHARE: Final = 0.1


def language_of(text: str) -> Literal["ja", "en"] | None:
    """Tell whether a text is Japanese or English; None for others, for mixtures of neither, and for too little text.

    Kana make a text Japanese even among many Latin letters; kanji alone do so only where there are no other letters
    than theirs, since Chinese is written so too: then None.
    """
    text = text[:_LOOKED_AT]
    kana, kanji, latin = (len(pattern.findall(text)) for pattern in (_KANA, _KANJI, _LATIN_LETTERS))
    letters = kana + kanji + latin
    if kana and kana + kanji >= _KANA_SHARE * letters:
        return "ja"
    plain = len(_LATIN.findall(text))
    if letters < _FEW_LETTERS or plain < 0.9 * letters:
        return None
    words = text.split()
    return "en" if len(_ENGLISH.findall(text)) >= _ENGLISH_SHARE * len(words) else None
