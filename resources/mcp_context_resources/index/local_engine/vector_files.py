"""Vector files: the vectors of a space in a file to be mapped, and a graph over them, copies of the database.

A file is written whole under another name and renamed, and never changes after that: any number of processes map it,
and what came later they read from the database.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from mcp_context_resources.index.local_engine.vector_tables import read_vectors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from mcp_context_resources.index.local_engine.vector_tables import Matrix, Numbers, VectorSpace

MOST_OUTSIDE_BYTES: Final = 256 << 20
"""What vectors outside the file may take of a process's memory."""

_LEAST_IN_FILE: Final = 5_000
_SHARE_OUTSIDE: Final = 4

GraphProgress = Literal["unfinished", "written", "no room", "too large"]
"""How far a graph is: it goes on, or is complete, but for a disk that is too full, or has no room in memory."""

_PREFIX: Final = "vectors-"
_ENDING: Final = ".f4"
_GRAPH_ENDING: Final = ".usearch"
_BATCH: Final = 10_000
_KEPT_RESIDENT: Final = 512 << 20


@dataclass(frozen=True, slots=True)
class MappedVectors:
    """Vectors of a file, and row by row the number of the passage; `last` is the number of the last vector in it."""

    path: Path
    last: int
    passages: Numbers
    matrix: Matrix
    memory: mmap.mmap

    def give_back(self) -> None:
        """Leave the pages of a large file to the system: it has them when they are needed again."""
        if self.matrix.nbytes > _KEPT_RESIDENT and hasattr(mmap, "MADV_DONTNEED"):
            self.memory.madvise(mmap.MADV_DONTNEED)


def newest(folder: Path, space: VectorSpace) -> MappedVectors | None:
    """Map the newest file of a space; damaged ones are passed over."""
    for path in _whole_files(folder, space):
        with contextlib.suppress(OSError, ValueError):
            return _map(path, space.dimension)
    return None


def write(folder: Path, space: VectorSpace, connection: sqlite3.Connection, goes_on: Callable[[], bool]) -> bool:
    """Write a file of all vectors there are, and remove older ones; False where stopped, or there is no room."""
    passages: list[Numbers] = []
    last = 0
    try:
        with _new_file(folder) as (handle, temporary):
            while goes_on():
                some, matrix, after = read_vectors(connection, space, last, _BATCH)
                if after == last:
                    break
                handle.write(matrix.astype("<f4").tobytes())
                passages.append(some)
                last = after
            else:
                return False
            if not last:
                return False
            rows = np.concatenate(passages)
            handle.write(rows.astype("<i8").tobytes())
            handle.flush()
            name = f"{file_stem(space)}{last}-{len(rows)}{_ENDING}"
            temporary.replace(folder / name)
    except OSError:
        return False
    _remove(folder, file_stem(space), keep=(name,), ending=_ENDING)
    return True


def most_outside(held: int, dimension: int) -> int:
    """Return how many vectors outside a file of so many make a new one worth its while."""
    return max(_LEAST_IN_FILE, min(held // _SHARE_OUTSIDE, MOST_OUTSIDE_BYTES // (8 * dimension)))


def outgrown(folder: Path, space: VectorSpace, connection: sqlite3.Connection) -> bool:
    """Tell whether so many vectors came since the newest file was written that another is worth its while."""
    # Not mapped for that: where it can't be, another one can't either, and would be written over and over.
    path = next(iter(_whole_files(folder, space)), None)
    held, last = (0, 0) if path is None else (_count_in_name(path.name), _last_in_name(path.name))
    worth = most_outside(held, space.dimension)
    rows = "SELECT count(*) FROM (SELECT 1 FROM vectors WHERE model = ? AND id > ? LIMIT ?)"
    return bool(connection.execute(rows, (space.model, last, worth)).fetchone()[0] >= worth)


def sweep(folder: Path, identity: str, models: set[int]) -> None:
    """Remove files of other databases and of models forgotten."""
    for name in _names(folder, _PREFIX):
        parts = name.split("-")
        if parts[1] != identity or not parts[2].isdecimal() or int(parts[2]) not in models:
            with contextlib.suppress(OSError):
                (folder / name).unlink()


def graph_path(mapped: MappedVectors) -> Path:
    """Name the graph over a file of vectors; its size, which shows damage, is told by the file beside it."""
    return mapped.path.with_suffix(_GRAPH_ENDING)


def open_graph(mapped: MappedVectors, space: VectorSpace) -> Any:
    """Map the graph over a file of vectors; None where there is none."""
    path = graph_path(mapped)
    with contextlib.suppress(Exception):
        if path.stat().st_size == int(_size_file(path).read_bytes()[:32]):
            graph = _graph(space)
            graph.view(str(path))
            return graph if len(graph) == len(mapped.passages) else None
    return None


class GraphBuilder:
    """Builds the graph over a file of vectors in steps.

    HNSW: Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small
    World graphs", arXiv 1603.09320.
    """

    def __init__(self, mapped: MappedVectors, space: VectorSpace) -> None:
        self._mapped = mapped
        self._space = space
        self._graph: Any = _graph(space)
        self._done = 0

    @property
    def path(self) -> Path:
        """The file of vectors it is built over."""
        return self._mapped.path

    def step(self, goes_on: Callable[[], bool], threads: int) -> GraphProgress:
        """Go on until told to stop, or try again to write it. One that is too large for memory can't go on."""
        total = len(self._mapped.passages)
        while self._done < total and goes_on():
            end = min(total, self._done + 2000)
            rows = slice(self._done, end)
            try:
                self._graph.add(np.arange(self._done, end), self._mapped.matrix[rows], copy=True, threads=threads)
            except (MemoryError, RuntimeError):
                return "too large"
            self._done = end
            self._mapped.give_back()
        if self._done < total:
            return "unfinished"
        return "written" if self._write() else "no room"

    def _write(self) -> bool:
        path = graph_path(self._mapped)
        try:
            with _new_file(path.parent) as (handle, temporary):
                handle.close()
                self._graph.save(str(temporary))
                size = temporary.stat().st_size
                temporary.replace(path)
            with _new_file(path.parent) as (handle, temporary):
                handle.write(str(size).encode())
                handle.close()
                temporary.replace(_size_file(path))
        except (OSError, RuntimeError):
            return False
        return open_graph(self._mapped, self._space) is not None  # a full disk may cut it without an error


def _graph(space: VectorSpace) -> Any:
    from usearch.index import Index

    return Index(
        ndim=space.dimension,
        metric="l2sq" if space.metric == "l2" else "ip",
        dtype="i8" if space.metric == "cosine" else "bf16",  # a byte holds the numbers of vectors of length 1 only
        connectivity=24,
        expansion_add=128,
        expansion_search=128,
    )


def file_stem(space: VectorSpace) -> str:
    """Return how the names of the files of a space start."""
    return f"{_PREFIX}{space.identity}-{space.model}-{space.dimension}-"


def _size_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.size")


def _whole_files(folder: Path, space: VectorSpace) -> list[Path]:
    """Return the files of a space that are as large as their names say, the newest first."""
    names = [name for name in _names(folder, file_stem(space)) if name.endswith(_ENDING)]
    paths = [folder / name for name in sorted(names, key=_last_in_name, reverse=True)]
    return [path for path in paths if _is_whole(path, space.dimension)]


def _is_whole(path: Path, dimension: int) -> bool:
    count = _count_in_name(path.name)
    try:
        return count > 0 and path.stat().st_size == count * (dimension * 4 + 8)
    except OSError:
        return False


def _map(path: Path, dimension: int) -> MappedVectors:
    count = _count_in_name(path.name)
    with path.open("rb") as handle:
        memory = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    cells = count * dimension
    matrix = np.frombuffer(memory, dtype="<f4", count=cells).reshape(count, dimension)
    passages = np.frombuffer(memory, dtype="<i8", count=count, offset=cells * 4).astype(np.int64)
    return MappedVectors(path, _last_in_name(path.name), passages, matrix, memory)


@contextlib.contextmanager
def _new_file(folder: Path) -> Iterator[tuple[Any, Path]]:
    """Open a new file that is removed again unless it was renamed."""
    number, name = tempfile.mkstemp(prefix="new-", dir=folder)
    path = Path(name)
    try:
        with os.fdopen(number, "wb") as handle:
            yield handle, path
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _names(folder: Path, stem: str) -> list[str]:
    with contextlib.suppress(OSError):
        return [path.name for path in folder.iterdir() if path.name.startswith(stem)]
    return []


def _last_in_name(name: str) -> int:
    part = name.split("-")[-2]
    return int(part) if part.isdecimal() else 0


def _count_in_name(name: str) -> int:
    part = name.removesuffix(_ENDING).rpartition("-")[2]
    return int(part) if part.isdecimal() else 0


def _remove(folder: Path, stem: str, *, keep: tuple[str, ...], ending: str) -> None:
    """Remove older files of a space and the graphs over them."""
    kept = tuple(name.removesuffix(ending) + "." for name in keep)
    for name in _names(folder, stem):
        if not name.startswith(kept):
            with contextlib.suppress(OSError):
                (folder / name).unlink()
