"""SQL quoting: names, texts and paths as they stand in DuckDB's SQL."""

from __future__ import annotations


def quoted(text: str) -> str:
    """Write text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def exact_path(path: str) -> str:
    """Write a path so that the engine takes it for one file, whatever marks of patterns its name holds."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def identifier(name: str) -> str:
    """Write a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
