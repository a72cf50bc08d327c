"""Names of a table and its columns, found in a question as whole words: what they leave over is not explained."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.spec import Column

_WORD_BREAK: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PART: Final = re.compile(r"[^\W_]+")
_FIRST: Final = 0xE100
_LAST: Final = 0xF8FF
_PLACES: Final = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_SHORT: Final = 3

NAME: Final = f"[{chr(_FIRST)}-{chr(_LAST)}]"
"""Pattern of the sign that stands for a name in `Named.text`."""


@dataclass(frozen=True, slots=True)
class Named:
    """A question in small letters with a sign in the place of each name.

    `columns` gives what a sign may stand for, `tables` the signs that stand for the table.
    """

    text: str
    columns: dict[str, tuple[Column, ...]]
    tables: frozenset[str]

    def column(self, sign: str) -> Column | None:
        """Return the column a sign stands for, None where it is only the table's, or two columns'."""
        found = self.columns.get(sign, ())
        return found[0] if len(found) == 1 else None

    @property
    def signs(self) -> list[str]:
        """The different names in the order in which they stand."""
        return list(dict.fromkeys(_PLACES.findall(self.text)))


def find_names(question: str, table: str, columns: Sequence[Column]) -> Named:
    """Find the names in a question, longer ones first, English ones in the singular or plural."""
    text = _PLACES.sub(" ", unicodedata.normalize("NFKC", question).casefold())
    owners: dict[tuple[str, ...], list[Column | None]] = {}
    for name, owner in [(table, None), *((column.name, column) for column in columns)]:
        if parts := _parts(name):
            owners.setdefault(parts, []).append(owner)
    found: dict[str, tuple[Column, ...]] = {}
    tables = set()
    longest = sorted(owners, key=lambda parts: -sum(map(len, parts)))
    for number, parts in enumerate(longest[: _LAST - _FIRST]):
        sign = chr(_FIRST + number)
        text, times = _pattern(parts).subn(f" {sign} ", text)
        if times:
            found[sign] = tuple(owner for owner in owners[parts] if owner is not None)
            if None in owners[parts]:
                tables.add(sign)
    return Named(" ".join(text.split()), found, frozenset(tables))


def _parts(name: str) -> tuple[str, ...]:
    folded = unicodedata.normalize("NFKC", name)
    return tuple(map(_singular, _PART.findall(_WORD_BREAK.sub(" ", folded).casefold())))


def _singular(word: str) -> str:
    if not word.isascii() or len(word) <= _SHORT or word.endswith("ss"):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    *before, last = parts
    if last.isascii() and last[-1].isalpha():
        end = f"{re.escape(last[:-1])}(?:y|ies)" if last.endswith("y") else f"{re.escape(last)}(?:s|es)?"
    else:
        end = re.escape(last)
    body = r"[\W_]{0,3}".join([*map(re.escape, before), end])
    # A name is not found within a longer English word, but next to Japanese it may stand without a space.
    begins = r"(?<![a-z0-9_])" if parts[0][0].isascii() else ""
    ends = r"(?![a-z0-9_])" if last[-1].isascii() else ""
    return re.compile(f"{begins}{body}{ends}")
