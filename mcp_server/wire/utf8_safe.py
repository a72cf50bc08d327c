"""UTF-8 safe text: what can go over the wire."""

from __future__ import annotations

from typing import TypeVar, cast

T = TypeVar("T")


def sendable(value: T) -> T:
    """Replace what UTF-8 can't carry in a text or JSON-like data: one lone surrogate would end the session."""
    if isinstance(value, str):
        return value if value.isascii() else cast("T", value.encode(errors="replace").decode())
    if isinstance(value, dict):
        return cast("T", {sendable(key): sendable(item) for key, item in value.items()})
    if isinstance(value, list):
        return cast("T", [sendable(item) for item in value])
    return value
