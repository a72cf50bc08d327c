"""The block of properties that opens many Markdown files: YAML between `---`, TOML between `+++`."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from typing import Any, Final

_BLOCK: Final = re.compile(
    r"\A(---|\+\+\+)[ \t]*(?>\r\n?|\n)(.{0,65536}?)^(?:\1|\.\.\.)[ \t]*(?:(?>\r\n?|\n)|\Z)", re.DOTALL | re.MULTILINE
)
_ENTRY: Final = re.compile(r"([A-Za-z_\u0080-\U0010ffff][\w .-]{0,60}?)[ \t]*:(?:[ \t]+(.*))?$")
_LIST_ENTRY: Final = re.compile(r"[ \t]*-[ \t]+(.*)$")
_MAX_ENTRIES: Final = 200
_LONGEST: Final = 2_000


def front_matter(text: str) -> tuple[dict[str, Any], int]:
    """Return the properties at the start of a Markdown text and where the text after them begins.

    Of YAML, plain values and lists of them are understood and kept as text; deeper structure is left out.
    """
    block = _BLOCK.match(text)
    if block is None:
        return {}, 0
    found = _toml(block[2]) if block[1] == "+++" else _yaml(block[2])
    return (found, block.end()) if found else ({}, 0)


def _yaml(block: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    key = ""
    for line in re.split(r"\r\n?|\n", block):
        entry, listed = _ENTRY.match(line), _LIST_ENTRY.match(line)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if listed and key and (found[key] == "" or isinstance(found[key], list)):
            found[key] = [*(found[key] or []), _value(listed[1])][:_MAX_ENTRIES]
        elif entry and len(found) < _MAX_ENTRIES:
            key = entry[1]
            found[key] = _value(entry[2] or "")
        elif not found:
            return {}
        elif key and line[:1] in " \t" and isinstance(found[key], str) and ":" not in line:
            found[key] = f"{found[key].rstrip('|>-')} {line.strip()}".strip()[:_LONGEST]
    return found


def _value(text: str) -> Any:
    text = text.strip()[:_LONGEST]
    if text.startswith("[") and text.endswith("]"):
        return [_unquoted(part) for part in text[1:-1].split(",") if part.strip()]
    return _unquoted(text)


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _toml(block: str) -> dict[str, Any]:
    try:
        found = tomllib.loads(block.replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    return {key: _json(value) for key, value in found.items()}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value
