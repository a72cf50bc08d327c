"""How a person names sources without spelling them out: parts of names, globs, slips of the pen."""

from __future__ import annotations

import difflib
import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from mcp_context_resources.workspace.names import lookup_key

if TYPE_CHECKING:
    from collections.abc import Iterable

GLOB_MARKS: Final = frozenset("*?[")
_SUGGESTIONS: Final = 3
_LOOKED_AT: Final = 12
_ALIKE: Final = 0.5
_MOST_COMPARED: Final = 20_000
_MOST_FITTING: Final = 12
_WIDE: Final = "\u2e80"
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")


class _Called(Protocol):
    """What has a name and lies in a file."""

    @property
    def name(self) -> str: ...

    @property
    def file(self) -> str: ...


CalledT = TypeVar("CalledT", bound=_Called)


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
    similar = difflib.get_close_matches(key, few, n=_LOOKED_AT, cutoff=_ALIKE)
    close = [name for name in similar if _called_alike(key, name)]
    return [by_key[name] for name in dict.fromkeys([*same, *close, *holding])][:_SUGGESTIONS]


def _called_alike(key: str, name: str) -> bool:
    """Tell whether two names are alike without folder and ending: `.md` and `/` alone make no likeness."""
    one, other = (text.rpartition("/")[2] for text in (key, name))
    one, other = (text.rpartition(".")[0] or text for text in (one, other))
    return difflib.SequenceMatcher(None, one, other).ratio() >= _ALIKE


def called(wanted: str, sources: Iterable[CalledT]) -> list[CalledT]:
    """Return the sources that lie in a file or folder called so, with the ending or without."""
    key = _words(wanted)
    return [source for source in sources if key in _own_names(source.file)] if key else []


def fitting(wanted: str, sources: Iterable[CalledT]) -> list[CalledT]:
    """Return the sources that a name fits alike; none where it fits fewer than two or more than a dozen.

    A name fits what lies in a file or folder called so, with the ending or without; failing several of these, also
    what has it as whole words of its name: `sales` fits `north_sales` and `sales_2025`. A single character is no such
    word.
    """
    key = _words(wanted)
    if not key:
        return []
    # Between letters of Japanese there are no borders of words.
    before = "" if key[0] >= _WIDE else r"(?<!\w)"
    after = "" if key[-1] >= _WIDE else r"(?!\w)"
    word = re.compile(f"{before}{re.escape(key)}{after}")
    own, holding = [], []
    for source in sources:
        if key in _own_names(source.file):
            own.append(source)
        elif len(key) > 1 and word.search(_words(source.name)):
            holding.append(source)
    found = own if len(own) > 1 else [*own, *holding]
    return found if 1 < len(found) <= _MOST_FITTING else []


def _own_names(file: str) -> set[str]:
    """Return what a file is called by itself, with its ending and without; of a table inside one also its own name."""
    path, _, part = file.partition("#")
    last = next((step for step in reversed(path.split("/")) if step and "*" not in step), "")
    return {_words(name) for name in (last, last.rpartition(".")[0], last.partition(".")[0], part) if name}


def _words(text: str) -> str:
    return _BETWEEN_WORDS.sub(" ", folded(text)).strip()
