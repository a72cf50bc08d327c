"""Plugins: what installed packages offer under a group of entry points, where the user has allowed it by name."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from mcp_context_resources.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint


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
