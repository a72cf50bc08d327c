"""Opaque cursors: all that is needed to go on, carried by the client, so that the server keeps nothing."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from mcp_context_resources.errors import InvalidCursorError


def encode_cursor(*state: str | int) -> str:
    """Pack a few values into URL-safe text."""
    return base64.urlsafe_b64encode(json.dumps(state).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """Unpack the values of a cursor, one of each kind.

    Raises `InvalidCursorError` unless the text is a cursor with exactly these kinds of values.
    """
    try:
        state = json.loads(base64.urlsafe_b64decode((cursor + "=" * (-len(cursor) % 4)).encode("ascii")))
        if not isinstance(state, list) or [type(value) for value in state] != list(kinds):
            raise ValueError
    except (ValueError, RecursionError, binascii.Error) as error:
        raise InvalidCursorError("The cursor was not made by this server.", "Start again without a cursor.") from error
    return state
