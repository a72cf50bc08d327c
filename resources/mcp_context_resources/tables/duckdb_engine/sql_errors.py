"""SQL errors: the engine's, told so that the writer of the statement can mend it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from mcp_context_resources.errors import (
    ContextError,
    OutOfMemoryError,
    SqlError,
    SqlRefusedError,
    UnreadableSourceError,
)
from mcp_context_resources.tables.missing_table import MissingTableError

_SHOWN_LINE_CHARS: Final = 160
# Absolute paths, of which only the file's name is shown.
_PATH: Final = re.compile(
    r"""(?<![\w.)])(?:[A-Za-z]:)?(?:[\\/][^"'\\/\n]+)*[\\/]([^"'\\/\n]+\.\w{1,8})(?=["'\s,;:)]|$)"""
)
_DAMAGED: Final = re.compile(r'Failed to read file "([^"]+)": (.*)')


def explain(error: Exception, sql: str) -> ContextError:
    """Turn a DuckDB error (raised with `errors_as_json`) into ours: what, where in `sql`, and the nearest names."""
    details = _details(error)
    kind = details.get("exception_type", "")
    message = engine_message(error)
    if kind == "Permission":
        return SqlRefusedError(
            "The statement reaches for a file, a network address or a setting, which SQL here may not.",
            "Use the tables of list_sources by name.",
        )
    if kind == "Out of Memory":
        return OutOfMemoryError(
            "The statement needed more memory than tables.memory_mb allows.",
            "Filter or aggregate first, or select fewer columns.",
        )
    first, *rest = without_folders(message).strip().splitlines() or ["The statement failed."]
    if damaged := _DAMAGED.match(first):
        return UnreadableSourceError(
            f"{damaged[1]!r} is damaged: {damaged[2]}.", "Restore the file, or have it written anew."
        )
    where = _position(details.get("position"), sql)
    missing = str(details.get("name", "")) if details.get("type") == "Table" else ""
    hint = " ".join(line.strip() for line in rest if line.strip())[:400]
    if details.get("error_subtype") == "COLUMN_NOT_FOUND" and f'"{details.get("name")}"' in sql:
        hint = f"Text goes in single quotes: '{details['name']}'. {hint}"
    if "CSV Error" in first:  # the engine's advice names options that nobody can give here
        hint = "That line doesn't fit the rest of the file: correct it there."
    name = f"{kind} error" if kind else "Error"
    said = f"{name}: {first}{where}"
    return MissingTableError(said, hint, missing) if missing else SqlError(said, hint)


def engine_message(error: Exception) -> str:
    """Return what the engine says of an error, without the form it says it in."""
    return str(_details(error).get("exception_message") or error)


def without_folders(text: str) -> str:
    """Show files by their names alone."""
    return _PATH.sub(r"\1", text)


def contradicts_sample(error: Exception) -> bool:
    """Tell whether a value didn't fit the type that a sample of its file had suggested."""
    return "CSV Error" in str(error) or "JSON transform error" in str(error)


def _details(error: Exception) -> dict[str, Any]:
    _, _, body = str(error).partition("{")
    try:
        details = json.loads("{" + body)
    except ValueError:
        return {}
    return details if isinstance(details, dict) else {}


def _position(offset: str | None, sql: str) -> str:
    """Show the line of a byte offset with a caret under it."""
    if offset is None or not offset.isdigit() or int(offset) >= max(len(sql.encode()), 1):
        return ""
    before = sql.encode()[: int(offset)].decode(errors="ignore")
    line_number = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1)
    line = sql.split("\n")[line_number - 1] if sql else ""
    start = max(0, column - _SHOWN_LINE_CHARS // 2)
    shown = line[start : start + _SHOWN_LINE_CHARS]
    # Wide characters take two columns in a fixed-width font.
    pad = "".join("　" if ord(character) > 0x2E7F else " " for character in shown[: column - start])
    return f" (line {line_number}, column {column + 1})\n{shown}\n{pad}^"
