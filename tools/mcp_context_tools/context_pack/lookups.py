"""Which statement answers a question about a table: read off its words, and only where these leave no doubt."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.tables.quoting import identifier
from mcp_context_tools.model_tasks.evidence import About

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.spec import Column

_NUMERIC: Final = re.compile(r"(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL.*)", re.IGNORECASE)
_WORD_BREAK: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_+")
# What may stand in a question beside names without narrowing it down; "not", "over" or "May" would.
_PLAIN: Final = frozenset(
    "a all an and are can do does entries every exist for give has have how i in is it me my number of our please"
    " record records row rows table tell that the them there they to was we were what which you".split()
)
_PARTICLES: Final = re.compile(
    r"(?:ありますか|あります|ある|いますか|いる|ですか|です|でしょうか|教えて|ください|は|が|の|を|に|で|も|か|行|表)*"
)
_ANY_WORD: Final = re.compile(r"\w+")
_MOST_ROWS: Final = 20
_MOST_GROUPS: Final = 2


@dataclass(frozen=True, slots=True)
class _Asked:
    """A kind of figure that questions ask for: the words that ask, and the SQL function."""

    words: re.Pattern[str]
    function: str


def _asked(words: str, function: str) -> _Asked:
    return _Asked(re.compile(words, re.IGNORECASE), function)


_FIGURES: Final = (
    _asked(
        r"\bhow many\b|\bnumber of\b|\bcount of\b|\bcount\b|いくつ|何(?:件|個|本|人|行|社|枚|台|回|か所)|件数|個数",
        "count",
    ),
    _asked(r"\btotal\b|\bsum of\b|\bsum\b|合計|総計|総数|総額", "sum"),
    _asked(r"\baverage\b|\bmean\b|平均値?", "avg"),
    _asked(r"\bhighest\b|\blargest\b|\bmaximum\b|\bbiggest\b|最大値?|最高", "max"),
    _asked(r"\blowest\b|\bsmallest\b|\bminimum\b|最小値?|最低", "min"),
)
_IN_ALL: Final = re.compile(r"\b(?:in total|in all|altogether|there|overall)\b|全部|全体|すべて", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A statement about a table. `certain` tells that the question asks for just this figure and nothing else."""

    sql: str
    certain: bool = False


def suggestion(question: str, table: str, columns: Sequence[Column]) -> Suggestion:
    """Make a statement of a question about one table.

    The columns that it names by all their words are used: numbers are added up, or whatever the question asks for,
    within groups of the others. It is `certain` where one figure is asked for, of one column or of the rows, and every
    other word of the question belongs to the names of table and column.
    """
    function, rest = _figure(question)
    asked = _words(rest)
    named = [column for column in columns if (words := _words(column.name)) and words <= asked]
    numbers = [column.name for column in named if _NUMERIC.fullmatch(column.type)]
    groups = [column.name for column in named if column.name not in numbers][:_MOST_GROUPS]
    explained = bool(function) and _only_names(rest, [table, *(column.name for column in named)])
    if function == "count" and len(named) == 1 and _words(named[0].name) <= _words(table):  # stops have a stop each
        return Suggestion(_select(table, [f"count(DISTINCT {identifier(named[0].name)})"], ()), certain=explained)
    if function == "count" or (not numbers and groups):
        certain = function == "count" and explained and not named and bool(asked & _words(table))
        return Suggestion(_select(table, ["count(*)"], groups), certain=certain)
    if numbers:
        figures = [f"{function or 'sum'}({identifier(name)})" for name in numbers[:_MOST_GROUPS]]
        return Suggestion(_select(table, figures, groups), certain=explained and len(numbers) == 1 and not groups)
    return Suggestion(f"FROM {identifier(table)} LIMIT {_MOST_ROWS}")


def rows_like(table: str, column: str, text: str) -> str:
    """Return the statement that fetches the rows in which a column holds a text."""
    pattern = "'%" + re.sub(r"([\\%_])", r"\\\1", text).replace("'", "''") + "%'"
    escape = r" ESCAPE '\'" if "\\" in pattern else ""
    return f"FROM {identifier(table)} WHERE {identifier(column)}::VARCHAR ILIKE {pattern}{escape} LIMIT {_MOST_ROWS}"


def _select(table: str, figures: Sequence[str], groups: Sequence[str]) -> str:
    shown = ", ".join([*map(identifier, groups), *figures])
    grouped = f" GROUP BY ALL ORDER BY {len(groups) + 1} DESC LIMIT {_MOST_ROWS}" if groups else ""
    return f"SELECT {shown} FROM {identifier(table)}{grouped}"  # noqa: S608 - names are quoted by identifier


def _figure(question: str) -> tuple[str, str]:
    """Return the SQL function of the only figure a question asks for, and the question without the words for it."""
    question = _IN_ALL.sub(" ", question)
    asked = [figure for figure in _FIGURES if figure.words.search(question)]
    if len(asked) != 1:
        return "", question
    return asked[0].function, asked[0].words.sub(" ", question)


def _only_names(question: str, names: Sequence[str]) -> bool:
    """Tell whether a question holds nothing but names and words that narrow nothing down."""
    rest = unicodedata.normalize("NFKC", question).casefold()
    for name in sorted(names, key=len, reverse=True):
        rest = rest.replace(unicodedata.normalize("NFKC", name).casefold(), " ")
    known = _PLAIN.union(*(_words(name) for name in names))
    return all(
        word in known or _singular(word) in known if word.isascii() else _PARTICLES.fullmatch(word) is not None
        for word in _ANY_WORD.findall(rest)
    )


def _words(text: str) -> frozenset[str]:
    """Return what a name or question is about, singular and plural alike."""
    about = About.of(_WORD_BREAK.sub(" ", text)).all
    return frozenset(map(_singular, about))


def _singular(word: str) -> str:
    return word.removesuffix("s") if word.isascii() and len(word) > 3 else word
