"""The table `data`, filled chunk by chunk from Python values; a column's type widens when a later value needs it."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.tables.duckdb_engine.loaders.load_errors import check
from mcp_context_resources.tables.duckdb_engine.loaders.python_values import as_array, as_text, inserted
from mcp_context_resources.tables.duckdb_engine.loaders.single_row import single_row
from mcp_context_resources.tables.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from mcp_context_resources.workers.job import Job

_UNKNOWN: Final = ""
_SQL_TYPES: Final[dict[type, str]] = {
    NoneType: _UNKNOWN,
    bool: "BOOLEAN",
    int: "BIGINT",
    float: "DOUBLE",
    str: "VARCHAR",
    bytes: "BLOB",
    date: "DATE",
    datetime: "TIMESTAMP",
    time: "TIME",
    timedelta: "INTERVAL",
}
_WORDS: Final[dict[str, str]] = {
    "BOOLEAN": "true or false",
    "BIGINT": "numbers",
    "DOUBLE": "numbers",
    "VARCHAR": "texts",
    "BLOB": "binary values",
    "DATE": "dates",
    "TIMESTAMP": "dates",
    "TIME": "times",
    "INTERVAL": "durations",
}
_EXACT_IN_DOUBLE: Final = 1 << 53
_NOTED_COLUMNS: Final = 10


class GrowingTable:
    """Makes `data` in a connection and fills it.

    With `whole_numbers`, numbers without a fraction are integers although the file stores them as floats.
    """

    def __init__(
        self, job: Job, connection: duckdb.DuckDBPyConnection, names: Sequence[str], *, whole_numbers: bool = False
    ) -> None:
        self._job = job
        self._connection = connection
        self._names = list(names)
        self._types = [_UNKNOWN] * len(names)
        self._found: list[Counter[str]] = [Counter() for _ in names]
        self._whole_numbers = whole_numbers
        self._started = False
        self.rows = 0

    @property
    def types(self) -> dict[str, str]:
        """Column name → SQL type so far; an empty string where only nulls were seen."""
        return dict(zip(self._names, self._types, strict=True))

    def append(self, columns: Sequence[Sequence[Any]]) -> None:
        """Add rows, given column by column as None or values of the plain Python types.

        Raises `DeadlineExceededError` when the call must stop.
        """
        check(self._job)
        if not columns or not len(columns[0]):
            return
        before = list(self._types)
        for position, values in enumerate(columns):
            self._types[position] = self._wider(position, values)
        self._shape(before)
        self._insert(columns)
        self.rows += len(columns[0])

    def finish(self) -> list[str]:
        """Make the table even if no rows came; return a note for each column that mixes kinds of values."""
        self._shape(self._types)
        mixed = []
        for name, counts in zip(self._names, self._found, strict=True):
            words: Counter[str] = Counter()
            for kind, number in counts.items():
                words[_WORDS[kind]] += number
            if len(words) > 1:
                counted = " and ".join(f"{word} ({number:,})" for word, number in words.most_common())
                mixed.append(f"{name} mixes {counted}: it is kept as text.")
        if len(mixed) > _NOTED_COLUMNS:
            mixed[_NOTED_COLUMNS:] = [f"{len(mixed) - _NOTED_COLUMNS} more columns mix kinds of values."]
        return mixed

    def _wider(self, position: int, values: Sequence[Any]) -> str:
        """Return the type that holds what the column had and these values, both without loss."""
        current, found = self._types[position], Counter(map(type, values))
        wanted = current
        for python_type, number in found.items():
            kind = _SQL_TYPES.get(python_type, "VARCHAR")
            if kind:
                self._found[position][kind] += number
            if kind == "DOUBLE" and self._whole_numbers and _are_whole(values):
                kind = "BIGINT"
            wanted = _joined(wanted, kind)
        if wanted == "DOUBLE" and (int in found or current == "BIGINT") and self._would_round(position, values):
            return "VARCHAR"
        return wanted

    def _would_round(self, position: int, values: Sequence[Any]) -> bool:
        if any(type(value) is int and abs(value) > _EXACT_IN_DOUBLE for value in values):
            return True
        if self._types[position] != "BIGINT" or not self.rows:
            return False
        column = identifier(self._names[position])
        [largest] = single_row(self._connection, f"SELECT max(abs({column}::HUGEINT)) FROM data")
        return largest is not None and largest > _EXACT_IN_DOUBLE

    def _shape(self, before: Sequence[str]) -> None:
        if not self._started:
            kinds = zip(self._names, self._types, strict=True)
            columns = ", ".join(f"{identifier(name)} {kind or 'VARCHAR'}" for name, kind in kinds)
            self._connection.execute(f"CREATE OR REPLACE TABLE data ({columns})")
            self._started = True
            return
        for name, old, new in zip(self._names, before, self._types, strict=True):
            if (old or "VARCHAR") != (new or "VARCHAR"):
                using = f"{identifier(name)}::{new}" if old else f"NULL::{new}"
                self._connection.execute(f"ALTER TABLE data ALTER {identifier(name)} TYPE {new} USING {using}")

    def _insert(self, columns: Sequence[Sequence[Any]]) -> None:
        arrays = {}
        for position, (values, kind) in enumerate(zip(columns, self._types, strict=True)):
            plain = values
            if kind == "VARCHAR" and len(self._found[position]) > 1:
                plain = [None if value is None else as_text(value, whole=self._whole_numbers) for value in values]
            arrays[f"c{position}"] = as_array(plain, kind)
        selected = ", ".join(inserted(f"c{position}", kind) for position, kind in enumerate(self._types))
        # Objects are texts, whatever a sample of them may suggest.
        self._connection.execute("SET pandas_analyze_sample = 0")
        self._connection.register("chunk", arrays)
        try:
            self._connection.execute(f"INSERT INTO data SELECT {selected} FROM chunk")
        finally:
            self._connection.unregister("chunk")


def _joined(one: str, other: str) -> str:
    if one == other or not other:
        return one
    if not one:
        return other
    pair = {one, other}
    if pair == {"BIGINT", "DOUBLE"}:
        return "DOUBLE"
    if pair == {"DATE", "TIMESTAMP"}:
        return "TIMESTAMP"
    return "VARCHAR"


def _are_whole(values: Sequence[Any]) -> bool:
    import numpy as np

    floats = np.fromiter((value for value in values if type(value) is float), np.float64)
    return bool(np.all((floats == np.trunc(floats)) & (np.abs(floats) <= _EXACT_IN_DOUBLE)))
