"""The index inside its worker process: the database, the caches made of it, and their upkeep."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from mcp_context_resources.errors import StorageError
from mcp_context_resources.index.local_engine import chunk_tables, vector_files, vector_tables
from mcp_context_resources.index.local_engine.database import DamagedError, Database, get_meta, get_note, translated
from mcp_context_resources.index.local_engine.index_lag import last_of_sources, unsorted
from mcp_context_resources.index.local_engine.lexical_index import BrokenCacheError, LexicalCache, last_of
from mcp_context_resources.index.local_engine.searching import Ground, search
from mcp_context_resources.index.local_engine.source_filter import Reaches
from mcp_context_resources.index.local_engine.vector_file_sync import VectorUpkeep
from mcp_context_resources.index.local_engine.vector_search import Vectors
from mcp_context_resources.index.metric import metric_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from mcp_context_resources.index.local_engine.chunk_tables import KnownRow
    from mcp_context_resources.index.local_engine.source_filter import Reach
    from mcp_context_resources.index.spec import Chunk, Ending, IndexAnswer, IndexedSource, IndexQuery, Passage
    from mcp_context_resources.workers.job import Job

T = TypeVar("T")

Left = Literal["more", "later", "nothing"]
"""What upkeep leaves to be done: more at once, or later, when the disk may have room again."""

_STEP_CHUNKS: Final = 5_000
_STEP_SECONDS: Final = 0.5
_SEARCH_CHUNKS: Final = 5_000
_SEARCH_SECONDS: Final = 2.0
_OTHER_WRITER_SECONDS: Final = 1.0
_QUICK_CHUNKS: Final = 50
_KEPT_DROPS: Final = 50_000
_COUNT_AGAIN: Final = 20
_NEW_DATABASE: Final = "The search index was damaged or of another version, so it had to be made anew from the files."
_NEW_WORDS: Final = "The index of words was damaged, so it had to be made anew."


class Engine:
    """What one worker process holds open of the index in a folder."""

    def __init__(self, folder: Path, version: str, exact_vectors: int) -> None:
        self._folder = folder
        self._exact_vectors = exact_vectors
        self._database = Database(folder)
        self._words = LexicalCache(folder, version)
        self._reaches = Reaches()
        self._vectors: Vectors | None = None
        self._vector_upkeep = VectorUpkeep(folder, exact_vectors)
        self._missing: tuple[int, float, float, dict[int, int]] = (0, 0.0, 0.0, {})
        self._counted: sqlite3.Connection | None = None
        self._swept = False

    def known(self) -> list[KnownRow]:
        """See `Index.known`."""
        return self._healed(lambda: chunk_tables.known(self._database.connection()))

    def begin(self, source: IndexedSource) -> int:
        """See `Index.begin`."""
        return self._written(lambda connection: chunk_tables.begin(connection, source))

    def put(self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None) -> bool:
        """See `Index.put`."""
        return self._written(lambda connection: chunk_tables.put(connection, source, first, chunks, ending))

    def drop(self, keys: Sequence[str]) -> None:
        """See `Index.drop`."""
        self._written(lambda connection: chunk_tables.drop(connection, keys))

    def without_vector(self, model: str, most: int) -> list[Passage]:
        """See `Index.without_vector`."""
        return self._written(lambda connection: vector_tables.without_vector(connection, model, most))

    def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        """See `Index.put_vectors`."""
        self._written(lambda connection: vector_tables.put_vectors(connection, model, digests, vectors))

    def size(self, model: str) -> tuple[int, int, int, int, tuple[str, ...]]:
        """See `Index.size`: sources, chunks, vectors, bytes, notes."""
        return self._healed(lambda: self._size(model))

    def search(self, job: Job, query: IndexQuery) -> IndexAnswer:
        """See `Index.search`."""
        return self._healed(lambda: self._search(job, query))

    def maintain(self, job: Job) -> Left:
        """Bring the caches up to date and sweep, for about a second; returns what is left to do."""
        return self._healed(lambda: self._maintain(job))

    def _written(self, write: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            with self._database.writing() as connection:
                return write(connection)

        return self._healed(run)

    def _healed(self, run: Callable[[], T]) -> T:
        """Run something; what turns out to be damaged is replaced and it runs once more."""
        try:
            return self._with_words(run)
        except DamagedError:
            self._vectors = None
            self._vector_upkeep = VectorUpkeep(self._folder, self._exact_vectors)
            self._words.close()
            self._database.replace(_NEW_DATABASE)
        try:
            return self._with_words(run)
        except DamagedError as error:
            raise _unusable(error) from error

    def _with_words(self, run: Callable[[], T]) -> T:
        with translated():
            try:
                return run()
            except BrokenCacheError:
                self._words.remake(self._database, _NEW_WORDS)
            try:
                return run()
            except BrokenCacheError as error:
                raise _unusable(error) from error

    def _connected(self) -> sqlite3.Connection:
        """Return the connection; what was counted of a file that was replaced is forgotten."""
        connection = self._database.connection()
        if connection is not self._counted:
            self._counted, self._reaches, self._missing = connection, Reaches(), (0, 0.0, 0.0, {})
        return connection

    def _search(self, job: Job, query: IndexQuery) -> IndexAnswer:
        connection = self._connected()
        self._words.open(connection)
        problem = ""
        with job.interruptible(connection.interrupt):
            if query.mode != "vector" or '"' in query.text or "「" in query.text:
                try:
                    self._catch_up(connection, query.fresh, min(_SEARCH_SECONDS, job.seconds_left / 2))
                except StorageError as error:  # what is there can be searched all the same
                    problem = str(error)
            with self._database.reading():
                searcher = self._words.searcher()
                stamp = self._words.stamp_of(searcher)
                reach = self._reaches.of(connection, query.sources, query.kinds, stamp.drop)
                vectors = self._vectors_of(connection, query.model) if query.mode != "lexical" else None
                ground = Ground(connection, self._words.schema, searcher, vectors)
                answer = search(ground, query, reach, self._count_vectors(connection, vectors, reach))
                late = unsorted(connection, stamp.chunk) if query.mode != "vector" else ()
                behind = sum(reach.sources is None or source in reach.sources for source in late)
                identity = get_meta(connection, "identity")
                return replace(answer, behind=behind, problem=problem if behind else "", identity=identity)

    def _catch_up(self, connection: sqlite3.Connection, fresh: Sequence[str], seconds: float) -> None:
        """Take in words that the cache doesn't know of yet, where they are few or those of `fresh` sources.

        The rest is left to upkeep: a search must not wait for all that is being built.
        """
        began, stamp = time.monotonic(), self._words.stamp()
        with self._database.reading():
            late, last = unsorted(connection, stamp.chunk), last_of(connection)
            goal = last_of_sources(connection, fresh) if late and fresh else 0
        if goal <= stamp.chunk:
            if not late or (len(late) > 1 and last.chunk - stamp.chunk > _QUICK_CHUNKS):
                return
            seconds, goal = min(seconds, _OTHER_WRITER_SECONDS), stamp.chunk + 1
        while self._words.stamp().chunk < goal and (left := began + seconds - time.monotonic()) > 0:
            if not self._words.catch_up(self._database, _SEARCH_CHUNKS, left):
                time.sleep(0.02)

    def _vectors_of(self, connection: sqlite3.Connection, model: str) -> Vectors | None:
        number, dimension = vector_tables.model_of(connection, model)
        if dimension == 0:
            return None
        family = vector_files.Family(get_meta(connection, "identity"), number, dimension, metric_of(model))
        if self._vectors is None or self._vectors.family != family:
            self._vectors = Vectors(self._folder, family, self._exact_vectors)
        self._vectors.refresh(connection)
        return self._vectors

    def _count_vectors(self, connection: sqlite3.Connection, vectors: Vectors | None, reach: Reach) -> int:
        """Count the chunks in reach that have a vector; kinds are not told apart."""
        if vectors is None:
            return 0
        missing = self._missing_of(connection, vectors.family.model)
        lacking = sum(
            count
            for source, count in missing.items()
            if source not in reach.hidden and (reach.sources is None or source in reach.sources)
        )
        return max(0, reach.chunks - lacking - vectors.unread)

    def _missing_of(self, connection: sqlite3.Connection, model: int) -> dict[int, int]:
        """Count what has no vector, by source; not each time while it takes long."""
        number, counted, took, missing = self._missing
        now = time.monotonic()
        if number != model or now - counted > took * _COUNT_AGAIN:
            missing = vector_tables.missing_by_source(connection, model)
            self._missing = (model, now, time.monotonic() - now, missing)
        return missing

    def _size(self, model: str) -> tuple[int, int, int, int, tuple[str, ...]]:
        self._connected()
        with self._database.reading() as connection:
            sources, chunks = connection.execute(
                "SELECT count(*), coalesce(sum(chunks), 0) FROM sources WHERE state = 1"
            ).fetchone()
            number, dimension = vector_tables.model_of(connection, model)
            vectors = 0
            if dimension:
                complete = {row[0] for row in connection.execute("SELECT id FROM sources WHERE state = 1")}
                missing = self._missing_of(connection, number)
                vectors = chunks - sum(count for source, count in missing.items() if source in complete)
            note = get_note(connection)
        return sources, chunks, max(0, vectors), _bytes_in(self._folder), (note,) if note else ()

    def _maintain(self, job: Job) -> Left:
        ends = time.monotonic() + _STEP_SECONDS

        def is_wanted() -> bool:
            return not job.should_stop

        def goes_on() -> bool:
            return time.monotonic() < ends and is_wanted()

        connection = self._database.connection()
        self._words.open(connection)
        if self._words.stamp().lacks(last_of(connection)):
            if not self._words.catch_up(self._database, _STEP_CHUNKS, _STEP_SECONDS):
                return "nothing"  # another process is at it
            if self._words.stamp().lacks(last_of(connection)):
                # Words may take long, and vectors that are in no file take memory in every process that searches.
                self._vector_upkeep.write(connection, is_wanted)
                return "more"
        if (
            self._sweep()
            or self._vector_upkeep.write(connection, is_wanted)
            or self._vector_upkeep.build_graphs(connection, goes_on)
        ):
            return "more"
        return "later" if self._vector_upkeep.waits else "nothing"

    def _sweep(self) -> bool:
        with self._database.writing() as connection:
            if chunk_tables.sweep(connection):
                self._swept = True
                return True
        if self._swept:
            self._swept = False
            with self._database.writing() as connection:
                chunk_tables.sweep_passages(connection)
                connection.execute("DELETE FROM drops WHERE id <= (SELECT max(id) FROM drops) - ?", (_KEPT_DROPS,))
            self._words.sweep(connection)
        return False


def _unusable(error: Exception) -> StorageError:
    return StorageError(
        f"The search index can't be used ({str(error)[:200]}).",
        "Delete its folder in the cache folder; it is made anew from your files.",
    )


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


class _Engines:
    engine: Engine | None = None
    key: Any = None


def engine_of(folder: str, version: str, exact_vectors: int) -> Engine:
    """Return the engine of a folder; a process holds one."""
    key = (folder, version, exact_vectors)
    if _Engines.engine is None or _Engines.key != key:
        _Engines.engine, _Engines.key = Engine(Path(folder), version, exact_vectors), key
    return _Engines.engine
