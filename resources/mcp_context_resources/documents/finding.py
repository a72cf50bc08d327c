"""Patterns for finding text in documents."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from mcp_context_resources.errors import InvalidInputError

_MOST_CHARS: Final = 1_000
_WIDE: Final = 0xFEE0  # how far the full-width form of an ASCII character is away
# A reading in brackets, as ruby is written, or the end of a line.
_BETWEEN: Final = "(?:\\([\u3041-\u30ff]{1,40}\\))?\\s?"
_UNSPACED: Final = re.compile("[\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def compiled(query: str, *, regex: bool) -> re.Pattern[str]:
    """Make a pattern of what is looked for.

    An exact query matches whatever the letter case, full or half width, and line ends: between words for a space,
    and anywhere beside characters of scripts that are written without spaces, where a reading in brackets is passed
    over, too. A regex (Python's syntax) is taken as it is.

    Raises `InvalidInputError`.
    """
    if not query.strip():
        raise InvalidInputError("There is nothing to find.", "Give the words to look for in find.")
    if len(query) > _MOST_CHARS:
        raise InvalidInputError(f"find is longer than {_MOST_CHARS:,} characters.", "Look for fewer words.")
    if not regex:
        return re.compile(_exact(unicodedata.normalize("NFKC", query.strip())), re.IGNORECASE)
    try:
        return re.compile(query)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInputError(
            f"{query!r} is not a regular expression: {error}.", "Correct it, or leave out regex."
        ) from error


def _exact(query: str) -> str:
    parts: list[str] = []
    before = " "
    for character in query:
        if character.isspace():
            if not before.isspace():
                parts.append(r"\s+")
        else:
            if not before.isspace() and (_UNSPACED.match(before) or _UNSPACED.match(character)):
                parts.append(_BETWEEN)
            parts.append(_either_width(character))
        before = character
    return "".join(parts)


def _either_width(character: str) -> str:
    if "!" <= character <= "~":
        return f"(?:{re.escape(character)}|{chr(ord(character) + _WIDE)})"
    return re.escape(character)
