"""File errors: what can be wrong with a stranger's file, told in one way for tables and documents."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mcp_context_resources.errors import UnreadableSourceError

_MAX_CHARS: Final = 200


def broken(
    path: str, what: str, hint: str = "Check that the file is whole and what its name says."
) -> UnreadableSourceError:
    """Make the error for a file that can't be read; `what` goes on from its name."""
    return UnreadableSourceError(f"{Path(path).name!r} {what}", hint)


def first_line(message: str, error: Exception, path: str) -> str:
    """Return the first line of what a library says of an error, without the folder the file lies in."""
    text = message.replace(path, Path(path).name).strip() or type(error).__name__
    return text.splitlines()[0][:_MAX_CHARS].rstrip(".")
