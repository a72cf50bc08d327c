"""How a person names sources without spelling them out: parts of names, globs, slips of the pen."""

from __future__ import annotations

import difflib
import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final

from mcp_context_resources.workspace.names import lookup_key

if TYPE_CHECKING:
    from collections.abc import Iterable

GLOB_MARKS: Final = frozenset("*?[")
_SUGGESTIONS: Final = 3
_MOST_COMPARED: Final = 20_000


class NamePattern:
    """A part of a name or file path, or a glob over one of them; case and Unicode form are ignored."""

    def __init__(self, text: str) -> None:
        self._part = folded(text)
        self._glob = re.compile(translate(self._part)) if GLOB_MARKS & set(text) else None

    def matches(self, name: str, file: str) -> bool:
        """Tell whether a source's name, its file's path as shown or that file's own name fits."""
        file = folded(file)
        if self._glob is None:
            return self._part in file or self._part in folded(name)
        match = self._glob.match
        if match(file):
            return True
        name = folded(name)
        # A leading star takes in folders, too: what the end of a path fits, the path fits.
        if self._part.startswith("*") and file.endswith(name):
            return False
        return bool(match(name) or match(file.rpartition("/")[2]))


def folded(name: str) -> str:
    """Bring a name into the form in which names are compared, quickly where it is ASCII."""
    return name.lower() if name.isascii() else lookup_key(name)


def near_names(wanted: str, names: Iterable[str]) -> list[str]:
    """Return up to three names which resemble `wanted`, the likeliest first."""
    by_key = {folded(name): name for name in names}
    key = folded(wanted)
    # A bare name that two files claim comes first, then the similar, then names that hold the wanted one.
    same = [name for name in by_key if name.endswith((f"_{key}", f"/{key}")) or name.startswith(f"{key}_")]
    holding = [name for name in by_key if len(key) > 1 and (key in name or name in key)]
    few = by_key if len(by_key) <= _MOST_COMPARED else ()
    close = difflib.get_close_matches(key, few, n=_SUGGESTIONS, cutoff=0.5)
    return [by_key[name] for name in dict.fromkeys([*same, *close, *holding])][:_SUGGESTIONS]
