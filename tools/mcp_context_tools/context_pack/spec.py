"""Specification of a pack: what it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from mcp_context_resources.index.spec import IndexedSource, SearchMode
    from mcp_context_resources.provenance import SourceRef

LEAST_TOKENS: Final = 100
MOST_TOKENS: Final = 50_000


@dataclass(eq=False, slots=True)
class Piece:
    """What is taken or left as a whole: a sentence or line of a document, or a line about a table.

    `order` is its place within its block, `value` how much it has to do with the question, `after` what separates it
    from the piece before where both are taken. Of a document `start` and `end` are characters of its page.
    """

    text: str
    order: int
    value: float = 0.0
    after: str = "\n"
    start: int = 0
    end: int = 0
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Block:
    """Pieces of one page of a document (`page` set) or of one table; `rank` is that of its best hit, from 0.

    `copies` are the names of sources that say the same. A table `answers` the question by a figure where it is the one
    the question names, or where only its columns are named and so no other table may have them.
    """

    source: IndexedSource
    ref: SourceRef
    rank: int
    pieces: list[Piece]
    page: int | None = None
    heading: str = ""
    copies: list[str] = field(default_factory=list)
    answers: Literal["", "named", "alone"] = ""


@dataclass(slots=True)
class Gathered:
    """All that could go into a pack, and what could not be had: names of sources with the reason."""

    blocks: list[Block] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pack:
    """Context for a question: `text` of at most the tokens wanted, `data` the same for programs.

    `found` tells whether there is anything in it.
    """

    text: str
    data: dict[str, Any]
    tokens: int
    mode: SearchMode
    found: bool
