"""The files behind sources as they were listed last: looking at the whole disk again takes long for many files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mcp_context_resources.errors import NotFoundError, SourceChangedError
from mcp_context_resources.index.spec import IndexedSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mcp_context_resources.provenance import Kind
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source


class Listed:
    """Remembers which file each listed source was; `look` lists them anew."""

    def __init__(self, look: Callable[[], Awaitable[object]]) -> None:
        self._look = look
        self._catalogue: Catalogue | None = None
        self._known: dict[str, tuple[Source, IndexedSource]] = {}

    @property
    def limit(self) -> str:
        """Say that there are more files than were listed; empty where there aren't."""
        return self._catalogue.limit if self._catalogue is not None else ""

    def remember(
        self, catalogue: Catalogue, kind: Kind, make: Callable[[Source], IndexedSource]
    ) -> list[IndexedSource]:
        """Take in what there is now in place of what was before, and return it as the index sees it.

        What has no version is left out: nothing of it may be kept.
        """
        if catalogue is not self._catalogue:  # as long as nothing changes it is the very same one
            before, self._known = self._known, {}
            for source in catalogue.of(kind):
                if source.is_live:  # what is read of it may be gone a moment later
                    continue
                known = before.get(source.name)
                if known is None or known[0] is not source:
                    known = source, make(source)
                self._known[source.name] = known
            self._catalogue = catalogue
        return [one for _, one in self._known.values()]

    async def file(self, source: IndexedSource) -> Source:
        """Return the file of this version of a source; raises `SourceChangedError`, `NotFoundError`."""
        if (file := self._file(source)) is not None:
            return file
        await self._look()
        if (file := self._file(source)) is not None:
            return file
        if source.name not in self._known:
            raise NotFoundError(f"There is no {source.kind} {source.name!r} any more.", "It was removed or renamed.")
        raise SourceChangedError(f"{source.name!r} is another version by now.", "It is read anew.")

    def unchanged(self, sources: Sequence[IndexedSource]) -> list[IndexedSource]:
        """Return those whose files are on disk as they were listed. Blocking."""
        return [source for source in sources if self._is_unchanged(source)]

    def _file(self, source: IndexedSource) -> Source | None:
        """Return the file of a version of a source, where that was listed last."""
        known = self._known.get(source.name)
        return known[0] if known is not None and known[1].fingerprint == source.fingerprint else None

    def _is_unchanged(self, source: IndexedSource) -> bool:
        file = self._file(source)
        return file is not None and file.is_unchanged()


def indexed(source: Source, kind: Kind, made_with: str) -> IndexedSource:
    """Return a source as the index sees it: another version with every change of its files or of how they are cut."""
    fingerprint = f"{source.fingerprint}+{hashlib.sha256(made_with.encode()).hexdigest()[:16]}"
    return IndexedSource(source.uri, kind, source.name, source.file, fingerprint, source.modified_ns, source.size)
