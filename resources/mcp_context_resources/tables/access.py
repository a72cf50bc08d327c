"""Table access: from sources to what a worker needs to read them, from their files or from copies."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ContextError
from mcp_context_resources.tables.spec import TableSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mcp_context_resources.tables.columnar_cache import ColumnarCache
    from mcp_context_resources.tables.discovery import Discovery
    from mcp_context_resources.tables.reader import TableReaders
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.source import Source

_NAMED_MISSING: Final = 10


class Access:
    """Tells how tables are read now: directly, or from a copy; `encoding` is that of CSV files that don't tell."""

    def __init__(
        self, discovery: Discovery, copies: ColumnarCache, readers: TableReaders, encoding: str | None
    ) -> None:
        self._discovery = discovery
        self._copies = copies
        self._readers = readers
        self._encoding = encoding

    def is_loaded(self, source: Source) -> bool:
        """Tell whether a table is read from its copy alone, since the engine can't read its format itself."""
        return self._readers.loader(source.format) is not None

    async def all_of(
        self, named: Mapping[str, Source], ends: float, on_progress: Progress | None, *, direct: bool
    ) -> tuple[list[TableSpec], list[str]]:
        """Return how each of many tables is read, and which can't be; copies may take half the time that is left."""
        specs, missing = [], []
        half = time.monotonic() + (ends - time.monotonic()) / 2
        for name, source in named.items():
            try:
                specs.append(await self.one(source, name, half, on_progress, direct=direct))
            except ContextError as error:
                missing.append(f"Left out: {source.name} ({error.message.splitlines()[0]})")
        return specs, missing[:_NAMED_MISSING]

    async def one(
        self, source: Source, name: str, ends: float, on_progress: Progress | None, *, direct: bool = False
    ) -> TableSpec:
        """Return how a table is read; a loaded one from its copy, which is waited for. `direct` is for the others.

        `ends` is on the clock of `time.monotonic`. Raises `UnreadableSourceError`, `DeadlineExceededError`.
        """
        if (problem := self._discovery.problem(source.fingerprint)) is not None:
            raise problem
        spec = self.bare(source, name)
        if spec.reader is not None:
            left = max(0.0, ends - time.monotonic())
            return replace(spec, copy=await self._copies.ensure(spec, seconds=left, on_progress=on_progress))
        return spec if direct else self._with_copies(spec)

    def at_once(self, source: Source, name: str) -> TableSpec | None:
        """Return how a table is read without waiting for anything; None where that can't be."""
        spec = self._with_copies(self.bare(source, name))
        return None if spec.reader is not None and not spec.copy else spec

    def copy_later(self, specs: Iterable[TableSpec]) -> None:
        """Start copies of what was read directly, for the next time."""
        for spec in specs:
            for file in spec.members or (spec,):
                if not file.copy and _gains_by_a_copy(spec):
                    self._copies.begin(file, file.size)

    def bare(self, source: Source, name: str) -> TableSpec:
        """Return how a table is read directly."""
        return TableSpec(
            name,
            str(source.path),
            source.format,
            source.fingerprint,
            self._encoding,
            source.part,
            members=tuple(self.bare(member, "") for member in source.members),
            partitioned=source.partitioned,
            size=source.size,
            state=() if source.members or source.origin or source.format in self._readers.companions else source.state,
            reader=self._readers.loader(source.format),
        )

    def _with_copies(self, spec: TableSpec) -> TableSpec:
        if not _gains_by_a_copy(spec):
            return spec
        if spec.members:
            return replace(spec, members=tuple(self._with_copies(member) for member in spec.members))
        return replace(spec, copy=self._copies.existing(spec))


def _gains_by_a_copy(spec: TableSpec) -> bool:
    """Tell whether a table is read from copies: Parquet is columnar itself, a partition's key is in its own path."""
    return spec.format != "parquet" and not spec.partitioned
