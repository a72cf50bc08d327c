"""Lookups: which statement answers a question about a table, read off its words only where these leave no doubt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.tables.column_types import is_number
from mcp_context_tools.context_pack.naming import NAME, find_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.dialect import Dialect
    from mcp_context_resources.tables.spec import Column
    from mcp_context_tools.context_pack.naming import Named

# What may stand in a question beside names without narrowing it down; "not", "over" or "May" would.
_PLAIN: Final = frozenset(
    "a all an are can do does entries exist for give has have how i in is it me my of our please"
    " record records row rows table tell that the them there they to was we were what which you".split()
)
_PARTICLES: Final = re.compile(r"(?:の|は|が|を|に|で|行|表|データ)*")
_LAST_WORDS: Final = re.compile(
    r"(?:の|は|が|を|に|で|も|行|表)*(?:いくら|いくつ|どれくらい|どのくらい|何|どれ|どこ|どちら|誰|だれ|いつ)?"
    r"(?:あります|ある|います|いる|です|でしょう|教えて|ください|下さい|か|を)*"
)
_TOKEN: Final = re.compile(rf"{NAME}|[a-z0-9]+|[^\W{NAME[1:-1]}a-z0-9]+|[<>=≠≤≥%+*/&|~!]")
_MOST_ROWS: Final = 20

_COUNT: Final = re.compile(
    r"\bhow many\b|\b(?:total )?number of\b|\bcount of\b|\bcount\b"
    r"|いくつ|何(?:件|個|本|人|行|社|枚|台|回|か所)|総数|件数|個数"
)
_FIGURES: Final = {
    "sum": re.compile(r"\btotal\b|\bsum of\b|\bsum\b|合計|総計|総額"),
    "avg": re.compile(r"\baverage\b|\bmean\b|平均値?"),
    "max": re.compile(r"\bhighest\b|\blargest\b|\bmaximum\b|\bbiggest\b|最大値?|最高"),
    "min": re.compile(r"\blowest\b|\bsmallest\b|\bminimum\b|最小値?|最低"),
}
_MEANING: Final = re.compile(r"\bdo(?:es)?\b.*\bmean\b")
_IN_ALL: Final = re.compile(r"\b(?:in total|in all|altogether|there|overall)\b|全部で?|全体で?|すべて")
_GROUP: Final = re.compile(rf"\b(?:per|by|(?:for|in|of) each) ({NAME})|({NAME}) ?(?:ごと|毎|別)(?:の|に)?")
_COUNTED: Final = re.compile(rf"(?:\bhow many|\bnumber of|\bcount of) ({NAME})|({NAME}) (?:は|が)?(?:いくつ|何件|何個)")

_HIGH: Final = r"highest|largest|biggest|greatest|maximum|most"
_LOW: Final = r"lowest|smallest|least|minimum|fewest"
_WIDE_HIGH: Final = r"(?:最も|もっとも|一番|いちばん)(?:高い|大きい|多い|長い)|最高|最大|最多"
_WIDE_LOW: Final = r"(?:最も|もっとも|一番|いちばん)(?:低い|安い|小さい|少ない|短い)|最低|最小|最少|最安"
_HAS_MOST: Final = rf"(?:has|have|had) the (?:(?P<high>{_HIGH})|{_LOW})"
_IS_MOST: Final = rf"(?:(?P<high>{_WIDE_HIGH})|{_WIDE_LOW})"
_EXTREMES: Final = (
    re.compile(rf"(?:in )?(?:which|what) (?P<of>{NAME}) {_HAS_MOST} (?P<by>{NAME})(?P<rest>.*)"),
    re.compile(rf"(?:(?P<table>{NAME}) で )?(?P<by>{NAME}) [がの]{_IS_MOST}[のな]? ?(?P<of>{NAME})(?P<rest>.*)"),
    re.compile(rf"どの (?P<of>{NAME}) [のが] (?P<by>{NAME}) [がは]{_IS_MOST}(?P<rest>.*)"),
)
_FIRST_OF_ALL: Final = re.compile(rf"(最も|もっとも|一番|いちばん) ?({NAME}) ?が")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A statement about a table.

    `certain` tells that the question asks for just what it gives and nothing else, `holds` is a statement that must
    give true for that (empty: none need be asked), `names_table` tells that the question names this very table.
    """

    sql: str
    certain: bool = False
    holds: str = ""
    names_table: bool = False


def suggestion(dialect: Dialect, question: str, table: str, columns: Sequence[Column]) -> Suggestion:
    """Make a statement of a question about one table.

    A figure is made only where a word of the question asks for it, and where names of the table and its columns and
    words that narrow nothing down are all the rest: any other word or number, a negation or a second figure leaves
    nothing but the first rows. It is `certain` where it is one figure, of one column or of the rows, without groups.
    """
    named = find_names(question, table, columns)
    return (
        _extreme(dialect, table, named)
        or _counted(dialect, table, named)
        or _figure(dialect, table, named)
        or Suggestion(dialect.rows(dialect.identifier(table), limit=_MOST_ROWS))
    )


def rows_like(dialect: Dialect, table: str, column: str, text: str) -> str:
    """Return the statement that fetches the rows in which a column holds a text."""
    holds = dialect.contains(dialect.identifier(column), text)
    return dialect.rows(dialect.identifier(table), where=holds, limit=_MOST_ROWS)


def _extreme(dialect: Dialect, table: str, named: Named) -> Suggestion | None:
    """Answer which row, or value of a column, has the highest or lowest value of another."""
    text = _FIRST_OF_ALL.sub(r"\2 が\1", named.text).replace("が ", "が")
    match = next((found for pattern in _EXTREMES if (found := pattern.fullmatch(text))), None)
    if match is None or not _explained(match["rest"], named.tables):
        return None
    by, of = named.column(match["by"]), named.column(match["of"])
    is_row = match["of"] in named.tables
    if by is None or not is_number(by.type) or by is of or (of is None and not is_row):
        return None
    if (match.groupdict().get("table") or "") not in {"", *named.tables}:
        return None
    source, value = dialect.identifier(table), dialect.identifier(by.name)
    order = "DESC" if match["high"] else "ASC"
    function = "max" if match["high"] else "min"
    shown = "*" if of is None else f"{dialect.identifier(of.name)}, {value}"
    # One row alone must have that value, and a place with several rows may have been asked for its total.
    alone = f"(SELECT count(*) FROM {source} WHERE {value} = (SELECT {function}({value}) FROM {source})) = 1"  # noqa: S608
    single = "" if of is None else f" AND count(*) = count(DISTINCT {dialect.identifier(of.name)})"
    return Suggestion(
        f"SELECT {shown} FROM {source} ORDER BY {value} {order} NULLS LAST LIMIT 1",  # noqa: S608
        certain=True,
        holds=f"SELECT {alone}{single} FROM {source}",  # noqa: S608 - names are quoted by identifier
        names_table=_names_table(named),
    )


def _counted(dialect: Dialect, table: str, named: Named) -> Suggestion | None:
    """Count rows, or without a promise that it is meant the different values of a column of words."""
    text = _IN_ALL.sub(" ", named.text)
    rest = _COUNT.sub(" ", text)
    if rest == text or any(words.search(rest) for words in _FIGURES.values()):
        return None
    grouped, text = _grouped(named, text)
    signs = [sign for sign in named.signs if sign in text]
    if not _explained(_COUNT.sub(" ", text, count=1), frozenset(signs)):
        return None
    columns = [sign for sign in signs if sign not in named.tables]
    if not columns and _names_table(named):
        own = next((column for sign in signs if (column := named.column(sign))), None)
        if grouped is not None:
            return Suggestion(_select(dialect, table, "count(*)", grouped))
        figure = f"count(DISTINCT {dialect.identifier(own.name)})" if own else "count(*)"  # stops have a stop each
        return Suggestion(_select(dialect, table, figure), certain=True, names_table=True)
    only = named.column(columns[0]) if len(columns) == 1 and grouped is None else None
    asked = _COUNTED.search(text)
    if only is None or is_number(only.type) or asked is None or columns[0] not in asked.groups():
        return None
    return Suggestion(_select(dialect, table, f"count(DISTINCT {dialect.identifier(only.name)})"))


def _figure(dialect: Dialect, table: str, named: Named) -> Suggestion | None:
    """Add up a column of numbers, or whatever one word asks for."""
    text = _IN_ALL.sub(" ", named.text)
    asked = [(function, words) for function, words in _FIGURES.items() if words.search(text)]
    if len(asked) != 1 or _MEANING.search(text):
        return None
    function, words = asked[0]
    grouped, text = _grouped(named, text)
    signs = [sign for sign in named.signs if sign in text]
    if not _explained(words.sub(" ", text, count=1), frozenset(signs)):
        return None
    of = [sign for sign in signs if sign not in named.tables] or signs
    column = named.column(of[0]) if len(of) == 1 else None
    if column is None or not is_number(column.type):
        return None
    sql = _select(dialect, table, f"{function}({dialect.identifier(column.name)})", grouped)
    return Suggestion(sql, certain=grouped is None, names_table=_names_table(named))


def _grouped(named: Named, text: str) -> tuple[Column | None, str]:
    """Return the column within whose values a figure is asked for, and the text without it."""
    match = _GROUP.search(text)
    column = named.column(match[1] or match[2]) if match else None
    return (
        (None, text) if match is None or column is None else (column, f"{text[: match.start()]} {text[match.end() :]}")
    )


def _explained(text: str, names: frozenset[str]) -> bool:
    """Tell whether a text holds nothing but names and words that narrow nothing down."""
    tokens = _TOKEN.findall(text)
    return all(
        token in names
        or token in _PLAIN
        or _PARTICLES.fullmatch(token) is not None
        or (place == len(tokens) - 1 and _LAST_WORDS.fullmatch(token) is not None)
        for place, token in enumerate(tokens)
    )


def _names_table(named: Named) -> bool:
    return any(sign in named.tables for sign in named.signs)


def _select(dialect: Dialect, table: str, figure: str, group: Column | None = None) -> str:
    shown = figure if group is None else f"{dialect.identifier(group.name)}, {figure}"
    by = "" if group is None else dialect.group_by([dialect.identifier(group.name)])
    grouped = "" if group is None else f" {by} ORDER BY 2 DESC LIMIT {_MOST_ROWS}"
    return f"SELECT {shown} FROM {dialect.identifier(table)}{grouped}"  # noqa: S608 - names are quoted by identifier
