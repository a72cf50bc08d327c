"""Specification of what crosses the border between the service of model tables and its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mcp_context_resources.tables.spec import Column

KIND: Final = "maps"
"""The kind of the files in the cache that mapped tables are made of."""

PROBLEM: Final = "problem"
"""The column of a mapped table that says what went wrong with a row."""

NOT_DONE: Final = "not done yet"
"""What it says of a row that there was no time for."""


@dataclass(frozen=True, slots=True)
class RowsWanted:
    """Which rows are to be mapped, and where their text is.

    `columns` name the text columns; none: those that `prompt` has in braces, else the only one that holds text. Cells
    are taken up to `max_text_chars` characters. `file` is the name in the cache under which the rows are kept.
    """

    columns: tuple[str, ...]
    prompt: str
    max_rows: int
    max_text_chars: int
    file: str


@dataclass(frozen=True, slots=True)
class TakenRows:
    """Rows that were kept in a file, and their distinct texts.

    `places` gives for each row the position of its text, None for a row without any. `beyond` are the positions of
    texts of which only the beginning was taken, `more` tells that the statement has more rows than were wanted.
    """

    columns: tuple[Column, ...]
    text_columns: tuple[str, ...]
    texts: tuple[str, ...]
    places: tuple[int | None, ...]
    beyond: tuple[int, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class MapColumn:
    """A column that a model fills: its name, its SQL type, and whether its values lie in the journal as vectors.

    With `least`, the name of another column and a number, it is null where that one is less.
    """

    name: str
    type: str
    vectors: bool = False
    least: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class MapWork:
    """A mapped table to be written.

    `rows` and `journal` are files of the cache, `target` the new one. `keys` tells for each row under which key the
    journal has what was found in its text. `problems` are those of texts that the journal doesn't have.
    """

    rows: str
    journal: str
    target: str
    keys: tuple[str | None, ...]
    columns: tuple[MapColumn, ...]
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class MapMade:
    """What a mapped table came out as: the names its new columns got, in their order, and its size in bytes.

    `missing` are keys of texts that neither the journal nor the problems had, `unfinished` counts the rows with these.
    """

    names: tuple[str, ...]
    size: int
    missing: tuple[str, ...] = ()
    unfinished: int = 0
