"""Table discovery: which tables there are, the files on disk and what is inside those that hold several."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from mcp_context_resources.errors import SourceBusyError, UnreadableSourceError
from mcp_context_resources.tables.spec import TableFile
from mcp_context_resources.workers.batch import ask_each
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workspace.catalogue import Contents
from mcp_context_resources.workspace.folders import set_apart_partitioned, shared_folder_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.tables.reader import TableReaders
    from mcp_context_resources.tables.settings import TableSettings
    from mcp_context_resources.tables.spec import EngineLimits
    from mcp_context_resources.workers.pool import WorkerPool
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.discovery import Scan
    from mcp_context_resources.workspace.file_naming import Found
    from mcp_context_resources.workspace.workspace import Workspace

_LOOK_INTO: Final[WorkerFunction[list[Contents | None], Sequence[TableFile], str | None, EngineLimits]] = (
    WorkerFunction("mcp_context_resources.tables.duckdb_engine.contents:look_into")
)
_LOOKING_SECONDS: Final = 10.0
_BATCH_SECONDS: Final = 8.0


class Discovery:
    """Makes catalogues in which every table inside a file, and every folder that is one table, has its name."""

    def __init__(
        self,
        workspace: Workspace,
        pool: WorkerPool,
        readers: TableReaders,
        settings: TableSettings,
        limits: EngineLimits,
    ) -> None:
        self._limits = limits
        self._workspace = workspace
        self._pool = pool
        self._readers = readers
        self._settings = settings
        self._contents: dict[str, Contents] = {}
        self._looking = anyio.Lock()
        self._last: tuple[Scan, Catalogue] | None = None

    async def catalogue(self) -> Catalogue:
        """Look at the disk now, and into the files that are new or have changed since."""
        found = await anyio.to_thread.run_sync(self._workspace.look)
        if self._last is not None and self._last[0] == found:
            return self._last[1]
        async with self._looking:
            wanted = self._wanted(found)
            self._contents = {key: self._contents[key] for key in wanted if self._is_known(key)}
            ends = time.monotonic() + _LOOKING_SECONDS
            while (new := wanted.keys() - self._contents.keys()) and time.monotonic() < ends:
                await self._look_into({key: wanted[key] for key in wanted if key in new})
            catalogue = await anyio.to_thread.run_sync(self._workspace.catalogue, found, dict(self._contents))
            # While something is still to be looked into, the same files may make another catalogue.
            self._last = (found, catalogue) if all(self._is_known(key) for key in wanted) else None
        return catalogue

    def _is_known(self, fingerprint: str) -> bool:
        known = self._contents.get(fingerprint)
        return known is not None and not known.passing

    def problem(self, fingerprint: str) -> UnreadableSourceError | None:
        """Return the error for a version of a file that could not be looked into, None where it could."""
        contents = self._contents.get(fingerprint)
        if contents is None or not contents.problem:
            return None
        if contents.passing:
            return SourceBusyError(contents.problem, "Try again in a moment.")
        return UnreadableSourceError(contents.problem, "Check the file, or leave it out.")

    def _holds_several(self, form: str) -> bool:
        reader = self._readers.loader(form)
        return reader is not None and bool(reader.parts)

    def _wanted(self, found: Scan) -> dict[str, Found]:
        _, files = set_apart_partitioned(self._workspace.table_files(found))
        wanted = [(file, form) for file, form in files if self._holds_several(form)]
        if self._settings.folders:
            wanted += shared_folder_files(files)
        return {self._workspace.fingerprint(file, form): (file, form) for file, form in wanted}

    async def _look_into(self, new: dict[str, Found]) -> None:
        async def look(keys: Sequence[str]) -> list[Contents | None]:
            files = [TableFile(str(new[key][0].path), new[key][1], self._readers.loader(new[key][1])) for key in keys]
            return await self._pool.run(
                _LOOK_INTO, files, self._settings.encoding, self._limits, deadline=_BATCH_SECONDS
            )

        found = await ask_each(list(new), look, lambda problem: Contents(problem=problem))
        self._contents.update({key: contents for key, contents in found if contents is not None})
