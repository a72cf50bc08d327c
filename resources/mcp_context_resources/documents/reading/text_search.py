"""Text search in one document: exactly, whatever the line ends, letter case and character width, or by pattern."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from typing import Final

from mcp_context_resources.errors import InvalidInputError

_MOST_CHARS: Final = 1_000
_UNSPACED: Final = re.compile("[\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
# A reading of Japanese characters that stands behind them in brackets.
_READING: Final = r"(?:\([\u3041-\u30ff]{1,40}\))?"


class Finder:
    """Finds one query in texts.

    An exact query matches whatever the letter case, the line ends (between words for a space, and anywhere beside
    characters of scripts that are written without spaces), readings in brackets, and forms of characters that Unicode
    holds compatible (NFKC): `ｶﾅ` and `カナ`, `①` and `1`. A regex (Python's syntax) is taken as it is.
    """

    def __init__(self, query: str, *, regex: bool) -> None:
        """Make it.

        Raises `InvalidInputError`.
        """
        if not query.strip():
            raise InvalidInputError("There is nothing to find.", "Give the words to look for in find.")
        if len(query) > _MOST_CHARS:
            raise InvalidInputError(f"find is longer than {_MOST_CHARS:,} characters.", "Look for fewer words.")
        self._exact = not regex
        try:
            self._pattern = (
                re.compile(query)
                if regex
                else re.compile(_exact(unicodedata.normalize("NFKC", query.strip())), re.IGNORECASE)
            )
        except (re.error, RecursionError, OverflowError) as error:
            raise InvalidInputError(
                f"{query!r} is not a regular expression: {error}.", "Correct it, or leave out regex."
            ) from error
        self._folded: tuple[str, str, list[int]] = ("", "", [])

    def search(self, text: str, start: int) -> tuple[int, int] | None:
        """Return the place of the first match at or behind `start`, None without one."""
        if not self._exact or unicodedata.is_normalized("NFKC", text):
            match = self._pattern.search(text, start)
            return None if match is None else match.span()
        if self._folded[0] != text:
            self._folded = (text, *_fold(text))
        _, folded, places = self._folded
        match = self._pattern.search(folded, bisect_left(places, start))
        if match is None:
            return None
        first, last = match.span()
        return places[first] if first < len(places) else len(text), places[last - 1] + 1 if last > first else start


def _fold(text: str) -> tuple[str, list[int]]:
    """Return a text in NFKC, character by character, and where each of its characters comes from."""
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        same = character if character < "\x80" else unicodedata.normalize("NFKC", character)
        folded.append(same)
        places += [place] * len(same)
    return "".join(folded), places


def _exact(query: str) -> str:
    parts: list[str] = []
    before = " "
    for character in query:
        if character.isspace():
            if not before.isspace():
                parts.append(r"\s+")
        else:
            if not before.isspace() and (_UNSPACED.match(before) or _UNSPACED.match(character)):
                parts.append(rf"{_READING}\s?")
            parts.append(re.escape(character))
        before = character
    return "".join(parts)
