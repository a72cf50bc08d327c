"""Arguments of a search, checked before anything is read for it: words to look for, and a folder to look in."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import AccessDeniedError, InvalidInputError

if TYPE_CHECKING:
    from mcp_context_resources.workspace.roots import Roots

_EXCLUDED: Final = re.compile(
    r"(?:(?<=\s)|^)[-\uff0d\u2212](?:[\"\uff02\u201c「『][^\"\uff02\u201d」』]*[\"\uff02\u201d」』]|[^\W\d]\S*)"
)
_WORD: Final = re.compile(r"[^\W_]")


def checked_query(query: str) -> str:
    """Return a query; raises `InvalidInputError` for one that is blank or only says what must not occur."""
    if not query.strip():
        raise InvalidInputError("There is nothing to look for.", "Say in words what you want to find.")
    rest, excluded = _EXCLUDED.subn("", query)
    if excluded and not _WORD.search(rest):
        raise InvalidInputError(
            "The query only says what must not occur.", "Give a word to look for, too, such as: pump -draft."
        )
    return query


def folder_in_roots(folder: str, roots: Roots) -> str:
    """Return a folder as file paths show it: an absolute one becomes relative to its root, any other stays.

    Blocking: run it in a thread. Raises `AccessDeniedError` for an absolute one outside the roots,
    `InvalidInputError` for one that can't be told from that of another root.
    """
    path = folder.removeprefix("file://")
    if not os.path.isabs(path):
        return folder
    real = os.path.realpath(path.replace("\0", ""))
    root = roots.containing(real)
    if root is None:
        raise AccessDeniedError(
            f"The folder {folder[:200]!r} is outside the folders this server may read.",
            "Write it as list_sources shows file paths, or leave it away.",
        )
    below = Path(real).relative_to(root.path)
    if len(roots) > 1 and any(one != root and (one.path / below).exists() for one in roots):
        raise InvalidInputError(
            f"The folder {folder[:200]!r} can't be told from that of another served folder.",
            "Name the sources instead; a glob will do.",
        )
    return "" if below == Path() else below.as_posix()
