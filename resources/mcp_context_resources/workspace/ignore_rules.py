"""Ignore rules: what is left out of the served folders, by patterns in `.gitignore` syntax."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pathspec import GitIgnoreSpec

from mcp_context_resources.workspace.roots import normal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mcp_context_resources.workspace.roots import Roots

IGNORE_FILE: Final = ".contextignore"
"""A file of this name leaves out what its lines match (`.gitignore` syntax) in its folder and below."""

ALWAYS_IGNORED: Final = ("node_modules/", "__pycache__/", "site-packages/", "~$*", "*.tmp", "Thumbs.db", "desktop.ini")

_MAX_IGNORE_BYTES: Final = 1 << 20
_MOST_REMEMBERED: Final = 100_000
_MOST_COMPILED: Final = 64


def ignore_spec(patterns: Iterable[str]) -> GitIgnoreSpec:
    """Compile patterns in `.gitignore` syntax, in NFC; raises `ValueError` for one that means nothing."""
    try:
        return GitIgnoreSpec.from_lines(normal(pattern) for pattern in patterns)
    except Exception as error:  # pathspec has errors of its own
        raise ValueError(f"holds a pattern that means nothing ({error})") from error


class IgnoreRules:
    """Patterns that remember what they say of a path: folders are looked through again and again."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._spec = ignore_spec(patterns)
        self._said: dict[str, bool | None] = {}

    def says(self, path: str) -> bool | None:
        """Tell whether a path in NFC is left out (True), taken in after all (False), or not spoken of."""
        said = self._said
        if path in said:
            return said[path]
        if len(said) >= _MOST_REMEMBERED:
            said = self._said = {}
        said[path] = found = self._spec.check_file(path).include
        return found


@lru_cache(maxsize=_MOST_COMPILED)
def rules_of(patterns: tuple[str, ...]) -> IgnoreRules:
    """Compile patterns, or return the rules made of the same ones before; raises as `ignore_spec` does."""
    return IgnoreRules(patterns)


def own_rules(folder: str, roots: Roots) -> IgnoreRules | None:
    """Read the ignore file of a folder; None where there is none.

    Raises `ValueError` for one that can't be understood: then nothing in the folder may be served. Raises `OSError`.
    """
    named = Path(folder) / IGNORE_FILE
    if not named.exists() and not named.is_symlink():
        return None
    path = os.path.realpath(named)
    if roots.containing(path) is None or not Path(path).is_file():
        raise ValueError("is a link that leads outside the served folders or nowhere")
    try:
        with open(path, encoding="utf-8-sig") as lines:
            text = lines.read(_MAX_IGNORE_BYTES)
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8") from error
    return rules_of(tuple(text.splitlines()))


def is_ignored(relative: str, rules: Sequence[tuple[str, IgnoreRules]]) -> bool:
    """Tell whether a path in NFC is left out by rules, each of a folder; later (deeper) ones overrule, as in git."""
    verdict = False
    for folder, one in rules:
        below = relative[len(folder) + 1 :] if folder else relative
        if below and (said := one.says(below)) is not None:
            verdict = said
    return verdict
