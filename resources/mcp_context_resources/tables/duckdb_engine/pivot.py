"""PIVOT without named values: the values are looked up first, so that one plain query remains to be judged and run.

`PIVOT t ON c USING sum(x)` is several statements to the engine. It means the same as with `(c) IN ('a', 'b')`, where
the values are those found in the data, in their order; that is how it is written here before anything runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import SqlError
from mcp_context_resources.tables.duckdb_engine.tokens import OPENING, Token, tokens_of
from mcp_context_resources.tables.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PLACE: Final = "'values of the pivot'"
"""The literal that stands where values are still to be looked up."""

MOST_VALUES: Final = 1_000

_PIVOT: Final = frozenset({"PIVOT", "PIVOT_WIDER"})
_AFTER_ON: Final = frozenset({"USING", "GROUP", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT", ";"})


@dataclass(frozen=True, slots=True)
class _Entry:
    """One expression of an ON clause: its bytes, the table expression it is about, and the WITH part before."""

    start: int
    end: int
    source: bytes
    common: bytes
    has_values: bool


def with_places(sql: str) -> str:
    """Write `IN` with a place for values behind every ON expression that names none."""
    text = sql.encode()
    for entry in reversed([entry for entry in _entries(text) if not entry.has_values]):
        expression = text[entry.start : entry.end]
        text = b"%b(%b) IN (%b)%b" % (text[: entry.start], expression, PLACE.encode(), text[entry.end :])
    return text.decode()


def with_values(sql: str, look_up: Callable[[str], Sequence[str]]) -> str:
    """Fill the places; `look_up` runs a statement and returns the texts of its one column.

    Raises `SqlError` where there are more than a thousand values, or none.
    """
    text = sql.encode()
    place = b" IN (%b)" % PLACE.encode()
    for entry in reversed(list(_entries(text))):
        expression = text[entry.start : entry.end]
        if not expression.endswith(place):
            continue
        of = expression.removesuffix(place)
        values = look_up(
            (
                b"%b SELECT * FROM (SELECT DISTINCT CAST(%b AS VARCHAR) FROM %b)" % (entry.common, of, entry.source)
            ).decode()
            + f" AS found(pivot_value) WHERE pivot_value IS NOT NULL ORDER BY ALL LIMIT {MOST_VALUES + 1}"
        )
        if not values:
            raise SqlError("PIVOT finds no values to make columns of.", "The table, or its filter, has no rows.")
        if len(values) > MOST_VALUES:
            raise SqlError(f"PIVOT would make more than {MOST_VALUES:,} columns.", "Name the values with IN (…).")
        listed = ", ".join(map(quoted, values)).encode()
        text = text[: entry.start] + of + b" IN (%b)" % listed + text[entry.end :]
    return text.decode()


def _entries(text: bytes) -> Iterator[_Entry]:
    tokens = tokens_of(text)
    for place, token in enumerate(tokens):
        if token.text not in _PIVOT:
            continue
        clause = _clause(tokens[place + 1 :], token.depth)
        on = next((at for at in reversed(range(len(clause))) if _is(clause[at], token.depth, {"ON"})), None)
        if on is None:
            continue
        source = text[token.end : clause[on].start]
        common = _common(text, tokens[:place])
        entry: list[Token] = []
        for following in [*clause[on + 1 :], None]:
            if following is None or _is(following, token.depth, {","}):
                if entry:
                    has_values = any(_is(word, token.depth, {"IN"}) for word in entry)
                    yield _Entry(entry[0].start, entry[-1].end, source, common, has_values)
                entry = []
            else:
                entry.append(following)


def _clause(tokens: Sequence[Token], depth: int) -> Sequence[Token]:
    """Return what belongs to a PIVOT up to the end of its ON clause."""
    after = next((at for at, token in enumerate(tokens) if token.depth < depth), len(tokens))
    ends = (at for at, token in enumerate(tokens[:after]) if _is(token, depth, _AFTER_ON))
    return tokens[: next(ends, after)]


def _common(text: bytes, before: Sequence[Token]) -> bytes:
    """Return the common table expressions that a PIVOT behind these tokens can name."""
    if not before or before[0].text != "WITH":
        return b""
    last = max((at for at, token in enumerate(before) if _is(token, 0, {","})), default=None)
    inside = any(token.depth > 0 for token in before[-1:]) or before[-1].text in OPENING
    body = next((t for t in before if _is(t, 0, {"SELECT", "FROM"})), None)
    if body is not None:
        return text[: body.start]
    if not inside:
        return text[: before[-1].end]
    return text[: before[last].start] if last is not None else b""


def _is(token: Token, depth: int, words: frozenset[str] | set[str]) -> bool:
    return token.depth == depth and token.text in words
