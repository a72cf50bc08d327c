"""What is different between two moments, told as sources rather than as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_context_resources.workspace.names import lookup_key

if TYPE_CHECKING:
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source


@dataclass(frozen=True, slots=True)
class Changes:
    """Sources that came, went or have changed, and the catalogue they are missing from or in by now.

    `listed` says that some came or went.
    """

    sources: tuple[Source, ...]
    listed: bool
    catalogue: Catalogue

    def __bool__(self) -> bool:
        return self.listed or bool(self.sources)


def differences(before: Catalogue, after: Catalogue) -> Changes:
    """Compare two catalogues by the names of their sources and the versions of their files."""
    old, new = _by_name(before), _by_name(after)
    gone = [source for key, source in old.items() if key not in new]
    come = [source for key, source in new.items() if key not in old]
    changed = [source for key, source in new.items() if key in old and not _same(old[key], source)]
    return Changes((*gone, *come, *changed), bool(gone or come), after)


def everything(catalogue: Catalogue) -> Changes:
    """Say that any source may have changed, come or gone: nobody knows what was there before."""
    return Changes(catalogue.sources, listed=True, catalogue=catalogue)


def _by_name(catalogue: Catalogue) -> dict[tuple[str, str], Source]:
    return {(source.kind, lookup_key(source.name)): source for source in catalogue.sources}


def _same(one: Source, other: Source) -> bool:
    """Tell whether two sources are one version of the same files, as their fingerprints would but without hashing."""
    return (
        one.version == other.version
        and (one.location, one.format, one.part) == (other.location, other.format, other.part)
        and len(one.members) == len(other.members)
        and all(map(_same, one.members, other.members))
    )
