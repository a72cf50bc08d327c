"""SQL worth running on a table one doesn't know, made of what its columns hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

from mcp_context_resources.tables.column_types import is_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.dialect import Dialect, TimeStep
    from mcp_context_resources.tables.spec import Column, ColumnProfile, JoinPartner, Profile

MOST_STATEMENTS: Final = 5

_DIGITS: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\s*", re.ASCII)
_NO_VALUE: Final = re.compile(
    r"\s*(?:|na|n/a|nan|null|none|nil|missing|unknown|-+|\?+|\.+|不明|なし|欠測|×)\s*", re.IGNORECASE
)
_YEAR: Final = re.compile(r"(?:fiscal_?|calendar_?)?year|.*年度?", re.IGNORECASE)
_KEY: Final = re.compile(
    r"(?:.*[\W_])?(?:id|no|nr|num|key|code|uuid|zip|postal|phone|tel|lat|lon|lng|latitude|longitude|index|year|quarter|month|week|day|hour|minute|second)"
    r"|.*(?:番号|コード|ＩＤ|ID|キー|郵便|電話|緯度|経度|年|月|日|時|分)",
    re.IGNORECASE,
)
_AMOUNT: Final = re.compile(
    r"amount|total|sum|revenue|sales|price|cost|fee|fare|count|qty|quantity|passengers|value|金額|売上|合計|価格|料金|数量|人数|件数|費",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(r"(?:.*[\W_])?(?:name|title|label)|.*(?:名|名称|名前)", re.IGNORECASE)
_MOST_GROUPS: Final = 60
_NEARLY_ALL: Final = 0.95
_MOST_CELLS: Final = 20_000_000
# Up to so many days, counted by this part of the date.
_STEPS: Final[tuple[tuple[int, TimeStep], ...]] = (
    (2, "hour"),
    (31, "day"),
    (180, "week"),
    (750, "month"),
    (2_500, "quarter"),
)


@dataclass(frozen=True, slots=True)
class SuggestedStatement:
    """A statement and what it is about: the key of a line of the wording, with the column or table it names.

    `counting` counts the rows that it would give without its limit.
    """

    about: str
    subject: str
    sql: str
    counting: str = ""


def statements(
    table: str, profile: Profile, partner: tuple[JoinPartner, Sequence[Column]] | None, dialect: Dialect
) -> list[SuggestedStatement]:
    """Return up to five statements, the most telling first; `partner` is a table to join with, and its columns."""
    made = _Maker(table, profile, dialect)
    first = [made.by_category(0), made.over_time(), made.joined(partner), made.spread()]
    doubts = [made.doubtful_key(), made.repeated(), made.missing()]
    more = [made.by_category(1), made.largest(), *doubts[1:], made.counted()]
    chosen = [one for one in first if one] + [one for one in doubts if one][:1]
    for one in more:
        if len(chosen) >= 3:
            break
        if one and one not in chosen:
            chosen.append(one)
    return chosen[:MOST_STATEMENTS]


class _Maker:
    def __init__(self, table: str, profile: Profile, dialect: Dialect) -> None:
        self._sql = dialect
        self._named = dialect.short_identifier
        self._name = self._named(table)
        self._rows = profile.rows
        self._profile = profile
        self._joined = {one.column for one in profile.partners}
        columns = profile.columns
        self._when = next((one for one in columns if _is_time(one)), None)
        kinds = {one.name: self._kind(one, place) for place, one in enumerate(columns)}
        self._numbers = {name: kind for name, kind in kinds.items() if kind is not None}
        self._year = next(
            (one.name for one in columns if one.name in self._numbers and _YEAR.fullmatch(one.name)), None
        )
        measures = [
            one
            for one in columns
            if one.name in self._numbers
            and one.name not in self._joined
            and not _KEY.fullmatch(one.name)
            and (one.distinct or 0) > 2
            and not _is_numbering(one)
        ]
        measures.sort(
            key=lambda one: (
                self._is_sparse(one),
                not _AMOUNT.search(one.name),
                "INT" in one.type,
                -(one.distinct or 0),
            )
        )
        self._measure = measures[0].name if measures else None
        self._categories = sorted((one for one in columns if self._is_category(one)), key=self._unhandy)

    def _kind(self, column: ColumnProfile, place: int) -> Literal["number", "text"] | None:
        """Tell whether a column holds numbers, or text that says numbers; None for others."""
        if is_number(column.type):
            return "number"
        if column.type != "VARCHAR":
            return None
        examples = [str(row[place]) for row in self._profile.examples if row[place] is not None]
        values = (*(value for value, _ in column.frequent), *examples)
        known = [value for value in values if not _NO_VALUE.fullmatch(value)]
        if not known or not all(map(_DIGITS.fullmatch, known)):
            return None
        return "text"

    def _value(self, name: str, prefix: str = "") -> str:
        """Return the SQL of the values of one of the columns of numbers."""
        column = f"{prefix}{self._named(name)}"
        # Numbers with a word for a missing one among them are text; a bare cast would fail inside the reader of CSV.
        return column if self._numbers[name] == "number" else self._sql.number_of_text(column)

    def _is_sparse(self, column: ColumnProfile) -> bool:
        missing = sum(count for value, count in column.frequent if _NO_VALUE.fullmatch(value))
        return 2 * (missing + (column.nulls or 0)) > self._rows

    def _is_category(self, column: ColumnProfile) -> bool:
        if not (column.type in {"VARCHAR", "BOOLEAN"} or column.type.startswith("ENUM")):
            return False
        if column.name in self._numbers:
            return False
        distinct, filled = column.distinct or 0, self._rows - (column.nulls or 0)
        return 2 <= distinct <= _MOST_GROUPS and distinct * 2 <= filled

    def _unhandy(self, column: ColumnProfile) -> tuple[bool, bool, float]:
        """Tell how far from a handful the groups are; what is mostly empty, or refers to another table, comes last."""
        distinct = column.distinct or 0
        return (
            self._is_sparse(column),
            column.name in self._joined,
            abs(distinct - 8) if distinct > 2 else 20,
        )

    def _figures(self, prefix: str = "") -> str:
        if self._measure is None:
            return "count(*) AS rows"
        total, average = (self._named(f"{figure}_{self._measure}") for figure in ("total", "average"))
        value = self._value(self._measure, prefix)
        return f"count(*) AS rows, round(sum({value}), 2) AS {total}, round(avg({value}), 3) AS {average}"

    def by_category(self, number: int) -> SuggestedStatement | None:
        if len(self._categories) <= number:
            return None
        column = self._categories[number].name
        shown = self._named(column)
        grouped = self._sql.group_by([shown])
        sql = f"SELECT {shown}, {self._figures()} FROM {self._name} {grouped} ORDER BY rows DESC, 1 LIMIT 10"  # noqa: S608
        return SuggestedStatement("by_category", column, sql)

    def over_time(self) -> SuggestedStatement | None:
        if self._when is not None:
            step = _step(self._when)
            group = self._sql.cut_time(self._named(self._when.name), step)
            value = group if step == "hour" else self._sql.date(group)
            shown, order = f"{value} AS {step}", str(step)
        elif self._year is not None:
            group = value = shown = order = self._named(self._year)
        else:
            return None
        grouped = self._sql.group_by([value])
        sql = f"SELECT {shown}, {self._figures()} FROM {self._name} {grouped} ORDER BY {order} DESC LIMIT 24"  # noqa: S608
        # Rows without a time are a group of their own.
        counting = f"SELECT count(*) FROM (SELECT DISTINCT {group} FROM {self._name})"  # noqa: S608
        return SuggestedStatement("over_time", "", sql, counting)

    def joined(self, partner: tuple[JoinPartner, Sequence[Column]] | None) -> SuggestedStatement | None:
        """Count rows by what the table that is referred to calls them."""
        if partner is None:
            return None
        join, theirs = partner
        mine = [one.name for one in self._profile.columns if one.type == "VARCHAR" and one.name != join.column]
        other = [one.name for one in theirs if one.type == "VARCHAR" and one.name != join.other_column]
        referred, side = (mine, "t") if join.unique == "here" else (other, "o")
        if not referred:
            return None
        label = min(referred, key=lambda name: not _LABEL.fullmatch(name))
        figures = "count(*) AS rows" if join.unique == "here" else self._figures("t.")
        shown = f"{side}.{self._named(label)}"
        sql = (
            f"SELECT {shown}, {figures} FROM {self._name} AS t"  # noqa: S608
            f" JOIN {self._named(join.table)} AS o ON t.{self._named(join.column)} = o.{self._named(join.other_column)}"
            f" {self._sql.group_by([shown])} ORDER BY rows DESC, 1 LIMIT 10"
        )
        return SuggestedStatement("joined", join.table, sql)

    def spread(self) -> SuggestedStatement | None:
        if self._measure is None:
            return None
        value, column = self._value(self._measure), self._named(self._measure)
        source = self._name if value == column else f"(SELECT {value} AS {column} FROM {self._name})"  # noqa: S608
        sql = (
            f"SELECT min({column}) AS lowest, {self._sql.quantile(column, 0.25)} AS quarter,"  # noqa: S608
            f" {self._sql.median(column)} AS median,"
            f" {self._sql.quantile(column, 0.75)} AS three_quarters, max({column}) AS highest,"
            f" {self._sql.count_of(f'{column} < 0')} AS below_zero,"
            f" {self._sql.count_of(f'{column} IS NULL')} AS missing"
            f" FROM {source}"
        )
        return SuggestedStatement("spread", self._measure, sql)

    def doubtful_key(self) -> SuggestedStatement | None:
        """Show what stands twice in a column that looks like a key but isn't one."""
        for column in self._profile.columns:
            filled = self._rows - (column.nulls or 0)
            nearly = _NEARLY_ALL * filled <= (column.distinct or 0) < filled
            if not self._profile.sampled and filled > 20 and nearly and _KEY.fullmatch(column.name):
                shown = self._named(column.name)
                sql = (
                    f"SELECT {shown}, count(*) AS times FROM {self._name} WHERE {shown} IS NOT NULL"  # noqa: S608
                    f" {self._sql.group_by([shown])} HAVING times > 1 ORDER BY times DESC LIMIT 5"
                )
                return SuggestedStatement("doubtful_key", column.name, sql)
        return None

    def repeated(self) -> SuggestedStatement | None:
        columns = self._profile.columns
        if any(one.unique for one in columns) or self._rows * len(columns) > _MOST_CELLS or self._rows < 2:
            return None
        grouped = self._sql.group_by([self._named(one.name) for one in columns])
        sql = (
            f"SELECT *, count(*) AS times FROM {self._name} {grouped} HAVING times > 1"  # noqa: S608
            " ORDER BY times DESC LIMIT 3"
        )
        return SuggestedStatement("repeated", "", sql)

    def missing(self) -> SuggestedStatement | None:
        column = next((one for one in self._profile.columns if 0 < (one.nulls or 0) < self._rows), None)
        if column is None:
            return None
        sql = self._sql.rows(self._name, where=f"{self._named(column.name)} IS NULL", limit=3)
        return SuggestedStatement("missing", column.name, sql)

    def largest(self) -> SuggestedStatement | None:
        if self._measure is None:
            return None
        sql = self._sql.rows(self._name, order_by=f"{self._value(self._measure)} DESC NULLS LAST", limit=5)
        return SuggestedStatement("largest", self._measure, sql)

    def counted(self) -> SuggestedStatement | None:
        names = [one.name for one in self._profile.columns[:6]]
        counts = ", ".join(f"count(DISTINCT {self._named(name)}) AS {self._named(name)}" for name in names)
        sql = f"SELECT count(*) AS rows, {counts} FROM {self._name}"  # noqa: S608
        return SuggestedStatement("counted", "", sql) if names else None


def _is_time(column: ColumnProfile) -> bool:
    return column.type.startswith(("DATE", "TIMESTAMP")) and (column.distinct or 0) > 1


def _is_numbering(column: ColumnProfile) -> bool:
    """Tell whether a column of whole numbers only counts its rows."""
    if not column.unique or "INT" not in column.type:
        return False
    try:
        return int(column.maximum or 0) - int(column.minimum or 0) < 2 * (column.distinct or 0)
    except ValueError:
        return False


def _step(column: ColumnProfile) -> TimeStep:
    try:
        first, last = (date.fromisoformat((end or "")[:10]) for end in (column.minimum, column.maximum))
    except ValueError:
        return "month"
    days = (last - first).days
    return next((step for most, step in _STEPS if days <= most and (step != "hour" or column.type != "DATE")), "year")
