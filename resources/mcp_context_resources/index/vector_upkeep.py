"""Keeps the files of vectors and the graphs over them in step with the database, a little at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from mcp_context_resources.index import vector_files
from mcp_context_resources.index.database import get_meta
from mcp_context_resources.index.metric import metric_of
from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from mcp_context_resources.index.vector_files import Family, GraphBuilding

_AGAIN_SECONDS: Final = 60.0


class VectorUpkeep:
    """Writes what a folder lacks; graphs over files of more vectors than `most_exact`.

    What can't be written, for want of room, is not tried again for a minute: a file is written from all vectors.
    """

    def __init__(self, folder: Path, most_exact: int) -> None:
        self._folder = folder
        self._most_exact = most_exact
        self._graph: GraphBuilding | None = None
        self._failed_at = float("-inf")

    def write(self, connection: sqlite3.Connection, goes_on: Callable[[], bool]) -> bool:
        """Write a file of vectors that have outgrown theirs; returns whether one was written."""
        families = self._families(connection)
        vector_files.sweep(self._folder, get_meta(connection, "identity"), {family.model for family in families})
        return not self._waits and any(
            self._write(family, connection, goes_on)
            for family in families
            if vector_files.outgrown(self._folder, family, connection)
        )

    def build_graphs(self, connection: sqlite3.Connection, goes_on: Callable[[], bool]) -> bool:
        """Go on with a graph over a large file of vectors; returns whether there is more to do."""
        for family in self._families(connection):
            mapped = vector_files.newest(self._folder, family)
            if mapped is None or len(mapped.passages) <= self._most_exact or self._waits:
                continue
            if vector_files.open_graph(mapped, family) is None:
                if self._graph is None or self._graph.path != mapped.path:
                    self._graph = vector_files.GraphBuilding(mapped, family)
                if self._graph.step(goes_on, max(1, available_cores() // 2)):
                    self._graph = None
                elif self._graph.failed:
                    self._failed_at = time.monotonic()
                else:
                    return True
        return False

    @property
    def _waits(self) -> bool:
        return time.monotonic() - self._failed_at < _AGAIN_SECONDS

    def _write(self, family: Family, connection: sqlite3.Connection, goes_on: Callable[[], bool]) -> bool:
        written = vector_files.write(self._folder, family, connection, goes_on)
        if not written and goes_on():
            self._failed_at = time.monotonic()
        return written

    def _families(self, connection: sqlite3.Connection) -> list[Family]:
        identity = get_meta(connection, "identity")
        models = connection.execute("SELECT id, dimension, name FROM models WHERE dimension > 0").fetchall()
        return [vector_files.Family(identity, number, dimension, metric_of(name)) for number, dimension, name in models]
