"""JSON values: what engines give as cells, so that nothing a reader needs is lost."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_EXACT_INTEGER: Final = 1 << 53


class CellCutter:
    """Turns engine values into JSON values, cutting long texts and counting how many it cut."""

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self.cut = 0

    def row(self, row: tuple[Any, ...]) -> list[Any]:
        """Convert one row."""
        return [self._bounded(json_value(value)) for value in row]

    def _bounded(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > self._max_chars:
            self.cut += 1
            return f"{value[: self._max_chars]}… [{len(value) - self._max_chars:,} more characters]"
        if isinstance(value, list | dict) and len(text := repr(value)) > self._max_chars:
            self.cut += 1
            return f"{text[: self._max_chars]}… [{len(text) - self._max_chars:,} more characters]"
        return value


def json_value(value: Any) -> Any:
    """Convert one engine value: exact decimals and large integers become text where a JSON number would round them.

    Dates and times become ISO 8601, durations text, binary data its length and first bytes in hex.
    """
    if value is None or isinstance(value, bool | str):
        return value
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    return str(value)


def _integer(value: int) -> Any:
    return value if abs(value) <= _EXACT_INTEGER else str(value)


def _float(value: float) -> Any:
    return value if math.isfinite(value) else str(value)


def _decimal(value: Decimal) -> Any:
    if not value.is_finite():
        return str(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def _datetime(value: datetime) -> str:
    if value.replace(tzinfo=None) in (datetime.max, datetime.min):  # noqa: DTZ901 - what the engine's client makes of ±infinity
        return "infinity" if value.year > 1 else "-infinity"
    return value.isoformat(sep=" ")


def _date(value: date) -> str:
    if value in (date.max, date.min):
        return "infinity" if value.year > 1 else "-infinity"
    return value.isoformat()


def _binary(value: bytes | bytearray | memoryview) -> str:
    raw = bytes(value)
    return f"<{len(raw)} bytes: {raw[:16].hex()}{'…' if len(raw) > 16 else ''}>"


_CONVERSIONS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (int, _integer),
    (float, _float),
    (Decimal, _decimal),
    (datetime, _datetime),  # before date, which it is one of
    (date, _date),
    (time, lambda value: value.isoformat()),
    ((bytes, bytearray, memoryview), _binary),
    (dict, lambda value: {str(key): json_value(item) for key, item in value.items()}),
    ((list, tuple), lambda value: [json_value(item) for item in value]),
)
