"""The files behind sources as they were listed last: looking at the whole disk again takes long for many files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_context_resources.errors import NotFoundError, SourceChangedError
from mcp_context_resources.workspace.source import file_state

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mcp_context_resources.index.spec import IndexedSource
    from mcp_context_resources.provenance import Kind
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source


class Listed:
    """Remembers which file each listed source was; `look` lists them anew."""

    def __init__(self, look: Callable[[], Awaitable[object]]) -> None:
        self._look = look
        self._files: dict[str, tuple[Source, str]] = {}
        self._catalogue: Catalogue | None = None
        self._sources: list[IndexedSource] = []
        self._by_name: dict[str, tuple[Source, IndexedSource]] = {}

    def remember(
        self, catalogue: Catalogue, kind: Kind, indexed: Callable[[Source], IndexedSource]
    ) -> list[IndexedSource]:
        """Take in what there is now in place of what was before, and return it as the index sees it."""
        if catalogue is not self._catalogue:  # as long as nothing changes it is the very same one
            pairs = [(source, self._indexed(source, indexed)) for source in catalogue.of(kind)]
            self._files = {one.key: (source, one.fingerprint) for source, one in pairs}
            self._sources = [one for _, one in pairs]
            self._by_name = {source.name: (source, one) for source, one in pairs}
            self._catalogue = catalogue
        return self._sources

    def _indexed(self, source: Source, indexed: Callable[[Source], IndexedSource]) -> IndexedSource:
        was, known = self._by_name.get(source.name, (None, None))
        return known if known is not None and was is source else indexed(source)

    async def file(self, source: IndexedSource) -> Source:
        """Return the file of this version of a source; raises `SourceChangedError`, `NotFoundError`."""
        if self._files.get(source.key, (None, ""))[1] != source.fingerprint:
            await self._look()
        if source.key not in self._files:
            raise NotFoundError(f"There is no {source.kind} {source.name!r} any more.", "It was removed or renamed.")
        file, fingerprint = self._files[source.key]
        if fingerprint != source.fingerprint:
            raise SourceChangedError(f"{source.name!r} is another version by now.", "It is read anew.")
        return file

    def unchanged(self, sources: Sequence[IndexedSource]) -> list[IndexedSource]:
        """Return those whose files are on disk as they were listed. Blocking."""
        return [source for source in sources if self._is_unchanged(source)]

    def _is_unchanged(self, source: IndexedSource) -> bool:
        file, fingerprint = self._files.get(source.key, (None, ""))
        if file is None or fingerprint != source.fingerprint:
            return False
        return all(file_state(one.origin or one.path) == one.state for one in file.members or (file,))
