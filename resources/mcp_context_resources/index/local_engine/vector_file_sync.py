"""Keeps the files of vectors and the graphs over them in step with the database, a little at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from mcp_context_resources.index.local_engine import vector_files
from mcp_context_resources.index.local_engine.database import get_meta
from mcp_context_resources.index.metric import metric_of
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from mcp_context_resources.index.local_engine.vector_files import Family, GraphBuilding, Mapped

T = TypeVar("T")

_AGAIN_SECONDS: Final = 60.0


class VectorUpkeep:
    """Writes what a folder lacks; graphs over files of more vectors than `most_exact`.

    What the disk has no room for is tried again after a minute. A graph that memory has no room for is done without.
    """

    def __init__(self, folder: Path, most_exact: int) -> None:
        self._folder = folder
        self._most_exact = most_exact
        self._graph: GraphBuilding | None = None
        self._too_large: set[Path] = set()
        self._files = _Failures()
        self._graphs = _Failures()

    @property
    def waits(self) -> bool:
        """Whether something could not be written and is to be tried again."""
        return bool(self._files or self._graphs)

    def write(self, connection: sqlite3.Connection, goes_on: Callable[[], bool]) -> bool:
        """Write files of vectors that have outgrown theirs; returns whether one was written."""
        families = self._families(connection)
        vector_files.sweep(self._folder, get_meta(connection, "identity"), {family.model for family in families})
        outgrown = [family for family in families if vector_files.outgrown(self._folder, family, connection)]
        for family in self._files.due({family.stem: family for family in outgrown}):
            if vector_files.write(self._folder, family, connection, goes_on):
                self._files.forget(family.stem)
                return True
            if not goes_on():
                break
            self._files.note(family.stem)
        return False

    def build_graphs(self, connection: sqlite3.Connection, goes_on: Callable[[], bool]) -> bool:
        """Go on with a graph over a large file of vectors; returns whether there is more to do."""
        lacking = {mapped.path.name: (mapped, family) for mapped, family in self._without_graph(connection)}
        if self._graph is not None and self._graph.path.name not in lacking:
            self._graph = None  # another server was quicker, or nobody needs it any more
        for mapped, family in self._graphs.due(lacking):
            if self._graph is None or self._graph.path != mapped.path:
                self._graph = vector_files.GraphBuilding(mapped, family)
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

    def _without_graph(self, connection: sqlite3.Connection) -> list[tuple[Mapped, Family]]:
        found = [(vector_files.newest(self._folder, family), family) for family in self._families(connection)]
        return [
            (mapped, family)
            for mapped, family in found
            if mapped is not None
            and len(mapped.passages) > self._most_exact
            and mapped.path not in self._too_large
            and vector_files.open_graph(mapped, family) is None
        ]

    def _families(self, connection: sqlite3.Connection) -> list[Family]:
        identity = get_meta(connection, "identity")
        models = connection.execute("SELECT id, dimension, name FROM models WHERE dimension > 0").fetchall()
        return [vector_files.Family(identity, number, dimension, metric_of(name)) for number, dimension, name in models]


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
