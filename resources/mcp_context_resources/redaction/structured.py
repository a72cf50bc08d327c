"""Walking structured content: which of it is text of files, and what a column's name says about its values."""

from __future__ import annotations

import base64
import binascii
import json
from functools import lru_cache
from typing import Any, Final, Protocol

from mcp_context_resources.redaction.columns import sign_of_name

CURSOR_KEY: Final = "next_cursor"

_LEAST_NUMBER: Final = 1_000_000
_SHORT_KEY: Final = 16
# Sizes of files are ours; every other number may be a cell.
_NEVER: Final = frozenset({"size"})
_ROWS: Final = ("rows", "examples")
_COLUMN_NAME: Final = "column_name"
_EXTREMES: Final = frozenset({"min", "max"})

_sign_of = lru_cache(maxsize=2_048)(sign_of_name)


class Visit(Protocol):
    """Gives back a text or number, or what stands in its place; `sign` tells what its column or key is named for."""

    def __call__(self, value: str | float, sign: int | None, /) -> str | float:
        """Visit one value."""


def walked(value: Any, visit: Visit, sign: int | None = None) -> Any:
    """Return a copy of JSON-like data in which every text and every large number went through `visit`, in order.

    Keys are visited too, unless they are short identifiers. A cursor is opened, its parts are visited, and it is
    closed again.
    """
    if isinstance(value, str):
        return visit(value, sign)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return visit(value, sign) if sign or not -_LEAST_NUMBER < value < _LEAST_NUMBER else value
    if isinstance(value, dict):
        return _walked_dict(value, visit)
    if isinstance(value, list | tuple):
        return [walked(item, visit, sign) for item in value]
    return value


def _walked_dict(value: dict[Any, Any], visit: Visit) -> dict[Any, Any]:
    names = _names_of_columns(value.get("columns"))
    own = _sign_of(value["name"]) if "min" in value and isinstance(value.get("name"), str) else None
    result: dict[Any, Any] = {}
    new: Any
    for key, item in value.items():
        if key == CURSOR_KEY and isinstance(item, str):
            new = walked_cursor(item, visit)
        elif key in _NEVER and isinstance(item, int | float):
            new = item
        elif names and key in _ROWS and isinstance(item, list):
            new = [_walked_row(row, _signs_in(row, names), visit) for row in item]
        elif own and key in _EXTREMES:
            new = walked(item, visit, own)
        elif own and key == "most_frequent" and isinstance(item, list):
            new = [_walked_row(pair, [own, None], visit) for pair in item]
        else:
            new = walked(item, visit, _sign_of(key) if isinstance(key, str) else None)
        result[_new_key(key, visit, result)] = new
    return result


def _new_key(key: Any, visit: Visit, taken: dict[Any, Any]) -> Any:
    if not isinstance(key, str) or (len(key) <= _SHORT_KEY and key.isascii() and key.isidentifier()):
        return key
    shown = visit(key, None)
    # Values beyond the vault share one placeholder; no entry may be lost for that.
    return f"{shown} ({len(taken) + 1})" if shown != key and shown in taken else shown


def _names_of_columns(columns: Any) -> list[str]:
    """Return the names of columns if any of them, or of those that the rows are about, may tell of its values."""
    if not isinstance(columns, list):
        return []
    names = [column.get("name") if isinstance(column, dict) else column for column in columns]
    shown = [name if isinstance(name, str) else "" for name in names]
    return shown if _COLUMN_NAME in shown or any(map(_sign_of, shown)) else []


def _signs_in(row: Any, names: list[str]) -> list[int | None]:
    """Return what the names say about the cells of a row; a row of SUMMARIZE is about the column it names."""
    if _COLUMN_NAME in names and isinstance(row, list) and len(row) == len(names):
        about = row[names.index(_COLUMN_NAME)]
        sign = _sign_of(about) if isinstance(about, str) else None
        return [sign if name in _EXTREMES else None for name in names]
    return [_sign_of(name) for name in names]


def _walked_row(row: Any, signs: list[int | None], visit: Visit) -> Any:
    if not isinstance(row, list) or len(row) > len(signs):
        return walked(row, visit)
    return [walked(cell, visit, sign) for cell, sign in zip(row, signs, strict=False)]


def walked_cursor(cursor: str, visit: Visit) -> str:
    """Return a cursor whose parts went through `visit`; what isn't a cursor is visited as text."""
    try:
        state = json.loads(base64.urlsafe_b64decode((cursor + "=" * (-len(cursor) % 4)).encode("ascii")))
    except (ValueError, RecursionError, binascii.Error):
        state = None
    if not isinstance(state, list):
        return str(visit(cursor, None))
    # Only text can be content: numbers in a cursor are places.
    new = [visit(part, None) if isinstance(part, str) else part for part in state]
    if new == state:
        return cursor
    return base64.urlsafe_b64encode(json.dumps(new).encode()).decode().rstrip("=")
