"""Join partners: tables with columns that share names, or values with a column of unique ones."""

from __future__ import annotations

import re
import time
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from mcp_context_resources.errors import ContextError
from mcp_context_resources.tables.duckdb_engine.connections import locked_connection, relation_of, scratch_connection
from mcp_context_resources.tables.duckdb_engine.statements import translated
from mcp_context_resources.tables.quoting import identifier
from mcp_context_resources.tables.spec import JoinPartner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from mcp_context_resources.tables.spec import EngineLimits, Profile, TableSpec
    from mcp_context_resources.workers.job import Job

_LOOKING_SECONDS: Final = 3.0
_CHECKED_VALUES: Final = 1_000
_CHECKED_COLUMNS: Final = 60
_CHECKED_PAIRS: Final = 200
_PARTNERS: Final = 8
# With equal names half of the values suffice; without, nearly all must be there, and not by chance.
_SHARE_NAMED: Final = 0.5
_SHARE_UNNAMED: Final = 0.98
_LEAST_VALUES: Final = 5
_NUMBERING_STARTS_BY: Final = 10
_KEY_WORDS: Final = re.compile(r"(id|no|nr|num|number|code|key|cd|番号|コード|キー)$")
_KINDS: Final = (("INT", "integer"), ("VARCHAR", "text"), ("DATE", "date"), ("UUID", "uuid"))


@dataclass(frozen=True, slots=True)
class _Column:
    table: str
    name: str
    kind: str
    rows: int
    distinct: int
    filled: int

    @property
    def is_key(self) -> bool:
        return self.rows > 1 and self.distinct == self.rows == self.filled


def join_partners(
    job: Job, table: TableSpec, profile: Profile, others: Sequence[TableSpec], limits: EngineLimits
) -> tuple[list[JoinPartner], list[str]]:
    """Find columns of `others` that columns of a table probably refer to, the best evidence first, in three seconds.

    Returns them with notes about what was not looked at.
    """
    ends = time.monotonic() + _LOOKING_SECONDS
    near = _readable(others, limits, ends)
    partners: list[JoinPartner] = []
    notes: list[str] = []
    if near:
        try:
            partners, done = _partners(job, table, profile, near, limits, ends)
        except ContextError:  # a partner is a bonus: a file that changed meanwhile must not cost the description
            done = False
        if not done or len(near) < len(others):
            notes.append(
                f"Join partners were looked for in {len(near)} of {len(others)} other tables, while time lasted."
            )
    elif others:
        notes.append("No time was left to look for join partners.")
    return partners, notes


def _readable(others: Sequence[TableSpec], limits: EngineLimits, ends: float) -> list[TableSpec]:
    near = []
    with scratch_connection(limits) as connection:
        for other in others:
            if time.monotonic() > ends - _LOOKING_SECONDS / 2:
                break
            try:
                relation_of(other, connection, limits)
            except ContextError:
                continue
            near.append(other)
    return near


def _partners(
    job: Job, table: TableSpec, profile: Profile, near: Sequence[TableSpec], limits: EngineLimits, ends: float
) -> tuple[list[JoinPartner], bool]:
    mine = [
        _Column(table.name, c.name, _kind(c.type), profile.rows, c.distinct or 0, profile.rows - (c.nulls or 0))
        for c in profile.columns[:_CHECKED_COLUMNS]
        if _kind(c.type) and c.distinct
    ]
    connection, missing = locked_connection(job, [table, *near], limits, skip_unreadable=True)
    found: list[JoinPartner] = []
    pairs = 0
    with connection, translated(job, ""), job.interruptible(connection.interrupt):
        for other in near:
            if other.name in missing:
                continue
            if time.monotonic() > ends:
                return _best(found), False
            theirs = _columns(connection, other.name)
            for my, their in _candidates(mine, theirs):
                pairs += 1
                if pairs > _CHECKED_PAIRS or time.monotonic() > ends:
                    return _best(found), False
                if (partner := _checked(connection, my, their)) is not None:
                    found.append(partner)
    return _best(found), True


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[_Column]:
    described = connection.execute(f"DESCRIBE FROM {identifier(table)}").fetchall()[:_CHECKED_COLUMNS]
    joinable = [(name, _kind(kind)) for name, kind, *_ in described if _kind(kind)]
    if not joinable:
        return []
    counts = ", ".join(f"count({identifier(name)}), count(DISTINCT {identifier(name)})" for name, _ in joinable)
    row = connection.execute(f"SELECT count(*), {counts} FROM {identifier(table)}").fetchone() or ()
    return [
        _Column(table, name, kind, row[0], row[2 + 2 * place], row[1 + 2 * place])
        for place, (name, kind) in enumerate(joinable)
    ]


def _candidates(mine: Sequence[_Column], theirs: Sequence[_Column]) -> Iterator[tuple[_Column, _Column]]:
    """Pair columns of one kind of which one has unique values: joined on others, rows multiply."""
    for my in mine:
        for their in theirs:
            if my.kind != their.kind or not (my.is_key or their.is_key):
                continue
            by_value = my.kind != "date" and min(my.distinct, their.distinct) >= _LEAST_VALUES
            if by_value or _same_name(my, their):
                yield my, their


def _checked(connection: duckdb.DuckDBPyConnection, my: _Column, their: _Column) -> JoinPartner | None:
    """Look the values of the column that refers up in the one it refers to, which is the unique one if one is."""
    refers, key = (their, my) if my.is_key and not their.is_key else (my, their)
    checked, found = connection.execute(
        f"SELECT count(*), count(*) FILTER (v IN (SELECT {identifier(key.name)} FROM {identifier(key.table)}))"
        f" FROM (SELECT DISTINCT {identifier(refers.name)} FROM {identifier(refers.table)}"
        f" WHERE {identifier(refers.name)} IS NOT NULL LIMIT {_CHECKED_VALUES}) AS s(v)"
    ).fetchone() or (0, 0)
    if not checked:
        return None
    named = _same_name(my, their)
    enough = found >= checked * (_SHARE_NAMED if named else _SHARE_UNNAMED)
    # Whole numbers are in every numbering from one: without a name in common that tells nothing.
    by_chance = not named and key.kind == "integer" and _is_numbering(connection, key)
    if not enough or by_chance:
        return None
    unique: Literal["here", "there", "both"] = (
        "both" if my.is_key and their.is_key else "here" if my.is_key else "there"
    )
    return JoinPartner(my.name, their.table, their.name, found, checked, same_name=named, unique=unique)


def _is_numbering(connection: duckdb.DuckDBPyConnection, key: _Column) -> bool:
    """Tell whether values count from about one without large gaps."""
    name = identifier(key.name)
    least, most = connection.execute(f"SELECT min({name}), max({name}) FROM {identifier(key.table)}").fetchone() or (
        0,
        0,
    )
    return abs(int(least)) <= _NUMBERING_STARTS_BY and int(most) - int(least) < 2 * key.distinct


def _best(found: list[JoinPartner]) -> list[JoinPartner]:
    found.sort(key=lambda p: (not p.same_name, p.unique == "here", -p.found / p.checked, p.table, p.other_column))
    return found[:_PARTNERS]


def _kind(kind: str) -> str:
    return next((name for prefix, name in _KINDS if prefix in kind and "(" not in kind and "[" not in kind), "")


def _same_name(my: _Column, their: _Column) -> bool:
    """Tell whether two columns are called alike: `stop_id` and `StopID`, or `id` in a table `stops`."""
    one, other = _plain(my.name), _plain(their.name)
    return (one == other and not _is_bare_key(one)) or _refers_to(one, their, other) or _refers_to(other, my, one)


def _is_bare_key(name: str) -> bool:
    """Tell whether a name says only that it is a key: every table has an `id`."""
    return _KEY_WORDS.sub("", name) == ""


def _refers_to(name: str, table: _Column, key: str) -> bool:
    """Tell whether a name says which table's key it holds: `customer_id` the `id` of `shop_customers`."""
    stem = _KEY_WORDS.sub("", name)
    return name != stem != "" and _is_bare_key(key) and stem in _plain(table.table)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
