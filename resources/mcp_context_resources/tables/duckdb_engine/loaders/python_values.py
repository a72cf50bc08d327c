"""From Python values to arrays that DuckDB takes over without guessing at types."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def as_array(values: Sequence[Any], kind: str) -> Any:
    """Return an array of the dtype in which a column of the SQL type `kind` is handed over."""
    return _ARRAYS.get(kind, _texts)(values)


def inserted(column: str, kind: str) -> str:
    """Return the SQL expression that makes the value of type `kind` from the array's."""
    if kind == "BLOB":
        return f"unhex({column})"
    return f"{column}::{kind or 'VARCHAR'}"


def as_text(value: Any, *, whole: bool) -> str:
    """Write a value that shares its column with other kinds, in the way DuckDB casts it to text."""
    for python_type, write in _TEXTS:
        if isinstance(value, python_type):
            return write(value)
    if whole and isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _integers(values: Sequence[Any]) -> Any:
    import numpy as np

    try:
        return np.array(values, dtype=np.int64)
    except (TypeError, ValueError):
        filled = [0 if value is None else int(value) for value in values]
        return np.ma.masked_array(np.array(filled, dtype=np.int64), _missing(values))


def _floats(values: Sequence[Any]) -> Any:
    import numpy as np

    return np.array(values, dtype=np.float64)


def _booleans(values: Sequence[Any]) -> Any:
    import numpy as np

    return np.ma.masked_array(np.array([bool(value) for value in values]), _missing(values))


def _texts(values: Sequence[Any]) -> Any:
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _missing(values: Sequence[Any]) -> Any:
    import numpy as np

    return np.fromiter((value is None for value in values), bool, len(values))


def _moments(values: Sequence[Any]) -> Any:
    import numpy as np

    return np.array(values, dtype="datetime64[us]")


def _durations(values: Sequence[Any]) -> Any:
    import numpy as np

    return np.array(values, dtype="timedelta64[us]")


def _times(values: Sequence[Any]) -> Any:
    return _texts([None if value is None else value.isoformat() for value in values])


def _hexadecimal(values: Sequence[Any]) -> Any:
    return _texts([None if value is None else value.hex() for value in values])


_ARRAYS: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {
    "BIGINT": _integers,
    "DOUBLE": _floats,
    "BOOLEAN": _booleans,
    "DATE": _moments,
    "TIMESTAMP": _moments,
    "INTERVAL": _durations,
    "TIME": _times,
    "BLOB": _hexadecimal,
}


def _duration_text(value: timedelta) -> str:
    days = f"{value.days} day{'s' if value.days != 1 else ''} " if value.days else ""
    clock = str(value - timedelta(days=value.days))
    return days + clock.rjust(8, "0")


def _binary_text(value: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02X}" for byte in value)


_TEXTS: Final[tuple[tuple[type, Callable[[Any], str]], ...]] = (
    (str, str),
    (bool, lambda value: "true" if value else "false"),
    (datetime, lambda value: value.isoformat(sep=" ")),  # before date, which it is one of
    (date, lambda value: value.isoformat()),
    (time, lambda value: value.isoformat()),
    (timedelta, _duration_text),
    (bytes, _binary_text),
)
