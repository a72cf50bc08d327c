"""Data of charts: numbers as numbers, times as V8 parses them, names Vega-Lite can't misread."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Kind = Literal["number", "time", "index", "category"]
"""What a column is on a chart; an `index` is a whole number that counts time: a year, a month, an hour."""

_NUMBER_TYPE: Final = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|U?BIGNUM|FLOAT|DOUBLE|REAL|DECIMAL(\(.*\))?")
_WHOLE_TYPE: Final = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
_TIME_TYPE: Final = re.compile(r"DATE|TIMESTAMP.*|DATETIME")
_TIME_TEXT: Final = re.compile(r"\d{4}-\d\d(-\d\d)?([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?")
_TIME_VALUE: Final = re.compile(r"(\d{4}-\d\d(?:-\d\d)?)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)\S*)?")

_YEAR_NAME: Final = re.compile(r"(.*[_ ])?(year|yr|fy)|(?!.*(前|昨|翌|今|去|経過)年).*(年|年度|西暦)", re.IGNORECASE)
_CYCLE_NAME: Final = re.compile(
    r"((iso)?(month|week|weekday|dow|day|doy|hour|minute|quarter)|hour_of_day|day_of_\w+|month_of_year|week_of_year)"
    r"(_(no|num|number))?|月|週|日|曜日|時|時刻|時間帯|四半期|分",
    re.IGNORECASE,
)
_CODE_NAME: Final = re.compile(r"(.*[_ ])?(id|code|zip|postcode)|.*(番号|コード|ID|Id)", re.IGNORECASE)

# Vega-Lite takes these for paths into nested values or trips over them even when escaped.
_LOOK_ALIKE: Final = str.maketrans({".": "．", "[": "［", "]": "］", "'": "’", '"': "”", "\\": "＼"})
# Every JavaScript object has these; a hair space behind tells a column from them.
_OF_JAVASCRIPT: Final = frozenset(
    "constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf __proto__".split()
)
DATASET: Final = "query"
"""What the rows are called in a specification."""


@dataclass(frozen=True, slots=True)
class ChartColumn:
    """A result column. Specifications name it by `key`, which reads like `name`; `low` and `high` are of numbers."""

    name: str
    key: str
    kind: Kind
    distinct: int
    nulls: int
    low: float | None = None
    high: float | None = None
    nested: bool = False


@dataclass(frozen=True, slots=True)
class ChartData:
    """Rows of a result as objects by key."""

    columns: list[ChartColumn]
    rows: list[dict[str, Any]]

    @property
    def keys(self) -> dict[str, str]:
        """Map what a column may be called in a specification to its key."""
        return {name: column.key for column in self.columns for name in (column.key, column.name)}

    def values(self, column: ChartColumn) -> list[Any]:
        """Return a column's values that aren't null, in order."""
        return [value for row in self.rows if (value := row[column.key]) is not None]

    def distinct(self, column: ChartColumn) -> list[Any]:
        """Return the different values of a column that isn't nested, in order of appearance."""
        return list(dict.fromkeys(self.values(column)))

    def inject(self, vega_lite: dict[str, Any]) -> str:
        """Write a specification with these rows as its data, as JSON."""
        whole = {"data": {"name": DATASET}} | vega_lite | {"datasets": {DATASET: self.rows}}
        return json.dumps(whole, separators=(",", ":"), default=str)


def chart_data(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> ChartData:
    """Turn a result (names and engine types of columns, rows of JSON values) into chart data."""
    names = _unique([name for name, _ in columns])
    keys = _unique([_key(name) for name in names])
    described, converted = [], []
    for position, (name, key, (_, kind_name)) in enumerate(zip(names, keys, columns, strict=True)):
        values = [row[position] for row in rows]
        kind = _kind(name, kind_name, values)
        values = [_CONVERT[kind](value) for value in values]
        described.append(_described(name, key, kind, values))
        converted.append(values)
    labels = [{name, key} for name, key in zip(names, keys, strict=True)]
    table = [
        {label: value for both, value in zip(labels, row, strict=True) for label in both}
        for row in zip(*converted, strict=True)
    ]
    return ChartData(described, table)


def _key(name: str) -> str:
    """Name a column so that Vega-Lite finds nothing else by that name."""
    key = name.translate(_LOOK_ALIKE)
    return f"{key}\u200a" if key in _OF_JAVASCRIPT else key


def _unique(names: list[str]) -> list[str]:
    seen: set[str] = set()
    unique = []
    for name in names:
        number, candidate = 1, name
        while candidate in seen:
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate)
        unique.append(candidate)
    return unique


def _kind(name: str, type_name: str, values: list[Any]) -> Kind:
    if _TIME_TYPE.fullmatch(type_name):
        return "time"
    if _WHOLE_TYPE.fullmatch(type_name):
        return _kind_of_whole(name, [value for value in values if isinstance(value, int)])
    if _NUMBER_TYPE.fullmatch(type_name):
        return "number"
    given = [value for value in values if value is not None]
    if type_name == "VARCHAR" and given and all(_TIME_TEXT.fullmatch(value) for value in given):
        return "time"
    return "category"


def _kind_of_whole(name: str, values: list[int]) -> Kind:
    if values and _YEAR_NAME.fullmatch(name) and min(values) >= 1500 and max(values) <= 2500:
        return "index"
    if values and _CYCLE_NAME.fullmatch(name) and min(values) >= 0 and max(values) <= 366:
        return "index"
    return "category" if _CODE_NAME.fullmatch(name) else "number"


def _number(value: Any) -> float | int | None:
    if isinstance(value, int | float):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _time(value: Any) -> str | None:
    """Write a time as V8 reads it: as it stands, without its offset, so that no chart shifts it."""
    found = _TIME_VALUE.fullmatch(str(value))
    if found is None:
        return None
    day, clock = found.groups()
    return f"{day}T{clock}" if clock else str(day)


def _category(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | str | list | dict) else str(value)


_CONVERT: Final[dict[Kind, Callable[[Any], Any]]] = {
    "number": _number,
    "index": _number,
    "time": _time,
    "category": _category,
}


def _described(name: str, key: str, kind: Kind, values: list[Any]) -> ChartColumn:
    given = [value for value in values if value is not None]
    numeric = kind in {"number", "index"} and given
    return ChartColumn(
        name=name,
        key=key,
        kind=kind,
        distinct=len({_hashable(value) for value in given}),
        nulls=len(values) - len(given),
        low=min(given) if numeric else None,
        high=max(given) if numeric else None,
        nested=any(isinstance(value, list | dict) for value in given),
    )


def _hashable(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
