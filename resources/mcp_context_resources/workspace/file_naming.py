"""Sources of files that are one source each: named anew only where files come or go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_context_resources.workspace.discovery import FoundFile
from mcp_context_resources.workspace.names import Spot, file_names, lookup_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.workspace.source import Source

Found = tuple[FoundFile, str]
"""A file and its format."""


@dataclass(frozen=True, slots=True)
class _Named:
    """Files in the order they were found, their sources, and the `order` of these by name."""

    files: list[Found]
    spots: list[Spot]
    sources: list[Source]
    order: list[int]


class FileNaming:
    """Names the files of one kind.

    `make` makes the source of a name, a file and its format; `held` is what each name meant so far, and is added to.
    """

    def __init__(self, make: Callable[[str, FoundFile, str], Source], held: dict[str, Spot]) -> None:
        self._make = make
        self._held = held
        self._last = _Named([], [], [], [])

    def sources(self, files: list[Found]) -> list[Source]:
        """Return the sources of some files by name; a file that is as it was is the very same source as before."""
        before, spots = self._last, [(file.root.name, file.relative, "") for file, _ in files]
        if before.spots == spots:
            order = before.order
            sources = [
                source if found[0] is was[0] else self._make(source.name, *found)
                for found, was, source in zip(files, before.files, before.sources, strict=True)
            ]
        else:
            names = file_names(spots, self._held)
            hold(self._held, names, spots)
            sources = [self._make(name, *found) for name, found in zip(names, files, strict=True)]
            order = sorted(range(len(names)), key=lambda place: _place_of(names[place]))
        self._last = _Named(files, spots, sources, order)
        return [sources[place] for place in order]


def by_name(sources: Sequence[Source]) -> list[Source]:
    """Return sources in the order of their names."""
    return sorted(sources, key=lambda source: _place_of(source.name))


def hold(held: dict[str, Spot], names: Sequence[str], spots: Sequence[Spot]) -> None:
    """Take down what names mean."""
    held.update((lookup_key(name), spot) for name, spot in zip(names, spots, strict=True))


def _place_of(name: str) -> tuple[str, str]:
    return lookup_key(name), name
