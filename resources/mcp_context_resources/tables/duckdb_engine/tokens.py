"""Tokens: the words and marks of a statement, as the engine's own lexer sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Token:
    """A word or mark: byte offsets, its text in capitals, how many brackets are open around it."""

    start: int
    end: int
    text: str
    depth: int


def tokens_of(text: bytes) -> list[Token]:
    """Split a statement in UTF-8 into its tokens, comments left out."""
    import duckdb

    marks = duckdb.tokenize(text.decode())
    ends = [start for start, _ in marks[1:]] + [len(text)]
    tokens: list[Token] = []
    depth = 0
    for (start, kind), end in zip(marks, ends, strict=True):
        if kind is duckdb.token_type.comment:
            continue
        word = text[start:end].rstrip()
        shown = word.decode().upper()
        if shown in _CLOSING:
            depth -= 1
        tokens.append(Token(start, start + len(word), shown, depth))
        if shown in OPENING:
            depth += 1
    return tokens
