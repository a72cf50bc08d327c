"""Plugins: what installed packages offer under a group of entry points, where the user has allowed it by name."""

from __future__ import annotations

import re
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint

_FORMAT: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
_ENDING: Final = re.compile(r"(?:\.[a-z0-9_+-]{1,20}){1,2}")


def allowed_readers(group: str, names: Sequence[str]) -> list[object]:
    """Load the entry points of a group that have these names, in their order; others are not even imported.

    An entry point names a declaration alone: its module should import nothing heavy, since the server imports it.

    Raises `ConfigurationError` for a name that no package offers or several do, and for one that can't be imported.
    """
    if not names:
        return []
    installed: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=group):
        installed.setdefault(entry.name, []).append(entry)
    return [_loaded(group, name, installed) for name in dict.fromkeys(names)]


def check_declaration(name: str, form: str, endings: Sequence[str], functions: Sequence[str]) -> None:
    """Make sure that a plugin's format, the endings of its files and the functions that it names can be used.

    Raises `ConfigurationError`.
    """
    targets = [function.partition(":") for function in functions]
    if (
        not _FORMAT.fullmatch(form)
        or not endings
        or not all(map(_ENDING.fullmatch, endings))
        or not all(module and function.isidentifier() for module, _, function in targets)
    ):
        raise ConfigurationError(
            f"The plugin {name!r} declares no format, endings or function that could be used.",
            "A format is named like calendar, an ending like .ics, a function like package.module:convert.",
        )


def code_folders(form: str, function: str) -> list[str]:
    """Name the folders from which workers import the function of a reader; those of this installation they may anyway.

    Raises `ConfigurationError` where its package isn't there.
    """
    package = function.partition(":")[0].partition(".")[0]
    spec = None if package in sys.builtin_module_names else find_spec(package)
    if spec is None:
        raise ConfigurationError(
            f"The reader of {form} is to be found in {function}, but there is no {package}.",
            "Install its package again.",
        )
    homes = spec.submodule_search_locations or [spec.origin or ""]
    return [str(Path(home).resolve().parent) for home in homes]


def _loaded(group: str, name: str, installed: dict[str, list[EntryPoint]]) -> object:
    found = installed.get(name, [])
    if not found:
        there = ", ".join(sorted(installed))
        raise ConfigurationError(
            f"No installed package offers a plugin {name!r} for {group}.",
            f"Installed are: {there}." if there else "None is installed: install its package beside Fresh Context.",
        )
    if len(found) > 1:
        packages = ", ".join(sorted(entry.dist.name if entry.dist else "unknown" for entry in found))
        raise ConfigurationError(f"Several packages offer a plugin {name!r}: {packages}.", "Uninstall all but one.")
    try:
        return found[0].load()
    except Exception as error:  # a stranger's module may raise anything
        raise ConfigurationError(
            f"The plugin {name!r} ({found[0].value}) can't be imported: {type(error).__name__}: {error}.",
            "Install a version of it that fits, or don't allow it.",
        ) from error
