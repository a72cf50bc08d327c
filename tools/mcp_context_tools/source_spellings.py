"""Names of sources as people give them to a host: picked, pasted, dragged in or typed with quotes round them."""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import unquote, urlsplit

_QUOTES: Final = ('""', "''", "``", "“”", "‘’", "„“", "«»", "「」", "『』", "<>", "＜＞", "＂＂")
_MENTION: Final = re.compile(r"@(?:[\w.-]{1,64}:(?=\w+://))?(?=.)")
_ESCAPED: Final = re.compile(r"\\([ ()&'\[\]])")
_DRIVE: Final = re.compile(r"/[A-Za-z]:/")


def spellings(given: str) -> list[str]:
    """Return what a name may stand for, as it was given first: without blanks and quotes, mention or file URI around.

    A path may have its blanks escaped as shells do, and begin with `~`.
    """
    found = [given.strip()]
    for plainer in (_unquoted, _unmentioned, _unquoted, _unescaped, _path, os.path.expanduser):
        found.append(plainer(found[-1]).strip())
    return [name for name in dict.fromkeys(found) if name]


def _unquoted(name: str) -> str:
    while len(name) > 2 and f"{name[0]}{name[-1]}" in _QUOTES:
        name = name[1:-1].strip()
    return name


def _unmentioned(name: str) -> str:
    return _MENTION.sub("", name, count=1) if name.startswith("@") else name


def _unescaped(name: str) -> str:
    return _ESCAPED.sub(r"\1", name)


def _path(name: str) -> str:
    """Return the path of a file URI (RFC 8089)."""
    if not name[:8].lower().startswith("file:"):
        return name
    path = unquote(urlsplit(name).path)
    return path[1:] if _DRIVE.match(path) else path
