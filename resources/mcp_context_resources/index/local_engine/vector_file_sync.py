"""Synchronization of vector files: they and the graphs over them follow the database, a little at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from mcp_context_resources.index.local_engine import vector_files, vector_tables
from mcp_context_resources.index.local_engine.database import get_meta
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from mcp_context_resources.index.local_engine.vector_files import GraphBuilder, MappedVectors
    from mcp_context_resources.index.local_engine.vector_tables import VectorSpace

T = TypeVar("T")

_AGAIN_SECONDS: Final = 60.0


class VectorFileSync:
    """Writes what a folder lacks; graphs over files of more vectors than `most_exact`.

    What the disk has no room for is tried again after a minute. A graph that memory has no room for is done without.
    """

    def __init__(self, folder: Path, most_exact: int) -> None:
        self._folder = folder
        self._most_exact = most_exact
        self._graph: GraphBuilder | None = None
        self._too_large: set[Path] = set()
        self._files = _Failures()
        self._graphs = _Failures()

    @property
    def waits(self) -> bool:
        """Whether something could not be written and is to be tried again."""
        return bool(self._files or self._graphs)

    def write(self, connection: sqlite3.Connection, goes_on: Callable[[], bool]) -> bool:
        """Write files of vectors that have outgrown theirs; returns whether one was written."""
        spaces = vector_tables.spaces(connection)
        vector_files.sweep(self._folder, get_meta(connection, "identity"), {space.model for space in spaces})
        outgrown = [space for space in spaces if vector_files.outgrown(self._folder, space, connection)]
        for space in self._files.due({vector_files.file_stem(space): space for space in outgrown}):
            if vector_files.write(self._folder, space, connection, goes_on):
                self._files.forget(vector_files.file_stem(space))
                return True
            if not goes_on():
                break
            self._files.note(vector_files.file_stem(space))
        return False

    def build_graphs(self, connection: sqlite3.Connection, goes_on: Callable[[], bool]) -> bool:
        """Go on with a graph over a large file of vectors; returns whether there is more to do."""
        lacking = {mapped.path.name: (mapped, space) for mapped, space in self._without_graph(connection)}
        if self._graph is not None and self._graph.path.name not in lacking:
            self._graph = None  # another server was quicker, or nobody needs it any more
        for mapped, space in self._graphs.due(lacking):
            if self._graph is None or self._graph.path != mapped.path:
                self._graph = vector_files.GraphBuilder(mapped, space)
            outcome = self._graph.step(goes_on, max(1, available_cores() // 2))
            if outcome == "unfinished":
                return True
            if outcome == "no room":
                self._graphs.note(mapped.path.name)
                continue
            if outcome == "too large":
                self._too_large.add(mapped.path)
            self._graphs.forget(mapped.path.name)
            self._graph = None
        return False

    def _without_graph(self, connection: sqlite3.Connection) -> list[tuple[MappedVectors, VectorSpace]]:
        found = [(vector_files.newest(self._folder, space), space) for space in vector_tables.spaces(connection)]
        return [
            (mapped, space)
            for mapped, space in found
            if mapped is not None
            and len(mapped.passages) > self._most_exact
            and mapped.path not in self._too_large
            and vector_files.open_graph(mapped, space) is None
        ]


class _Failures:
    """When each of some things, by name, could not be written."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._since)

    def note(self, name: str) -> None:
        self._since[name] = time.monotonic()

    def forget(self, name: str) -> None:
        self._since.pop(name, None)

    def due(self, wanted: dict[str, T]) -> list[T]:
        """Return what may be tried now of all that is wanted; what isn't wanted any more is forgotten."""
        self._since = {name: since for name, since in self._since.items() if name in wanted}
        now = time.monotonic()
        return [one for name, one in wanted.items() if now - self._since.get(name, float("-inf")) >= _AGAIN_SECONDS]
