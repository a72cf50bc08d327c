"""Numbers as tables print them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_NUMBER: Final = re.compile(
    r"""[(\[]?\s*[-+±~<>≤≥▲△]?\s*(?:[$€£¥]|US\$|USD|EUR|JPY)?\s*[-+]?
        (?:\d{1,3}(?:[,'\u202f\u00a0 ]\d{3})+|\d+)?(?:[.,:/-]\d+)*
        (?:[eE][-+]?\d+)?\s*(?:%|‰|°C?|円|年|月|日|人|件|本|個|回|時|分|千円|百万円|億円|万|台|頭|歳|
        [kMGT]?i?[BWgm]|km|cm|mm|kg|mg|ms|s|h|Hz|MHz|GHz|pt|px|x)?\s*[)\]]?[*†‡]*""",
    re.VERBOSE,
)
_NONE: Final = frozenset({"-", "–", "—", "n/a", "na", "nan", "...", "…", "*", "nil", "null"})


def is_number(text: str) -> bool:
    """Tell whether a cell's text is a number, with a sign, a currency or a unit where it has one."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain or len(plain) > 30 or not any(character.isdigit() for character in plain):
        return False
    return bool(_NUMBER.fullmatch(plain))


def is_value(text: str) -> bool:
    """Tell whether a cell's text is a number or stands for a missing one."""
    return is_number(text) or text.strip().lower() in _NONE
