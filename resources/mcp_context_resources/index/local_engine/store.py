"""Local store: a folder with a SQLite file that is the truth, and the index of words and the vectors made of it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from mcp_context_resources.errors import StorageError
from mcp_context_resources.index.analysis.terms import version
from mcp_context_resources.index.local_engine import chunk_tables, vector_tables
from mcp_context_resources.index.local_engine.database import DamagedError, Database, get_meta, get_note, translated
from mcp_context_resources.index.local_engine.lexical_index import (
    BrokenCacheError,
    LexicalIndex,
    index_lag,
    last_of,
    last_of_sources,
)
from mcp_context_resources.index.local_engine.lexical_search import LexicalSearch
from mcp_context_resources.index.local_engine.retriever import LocalRetriever, View
from mcp_context_resources.index.local_engine.source_filter import SourceFilters
from mcp_context_resources.index.local_engine.vector_file_sync import VectorFileSync
from mcp_context_resources.index.local_engine.vector_search import Vectors
from mcp_context_resources.index.spec import IndexSize
from mcp_context_resources.index.store import Coverage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from mcp_context_resources.index.local_engine.source_filter import SourceFilter
    from mcp_context_resources.index.spec import (
        Chunk,
        EmbeddingInput,
        Ending,
        IndexedSource,
        KnownRow,
        RemainingWork,
    )
    from mcp_context_resources.index.store import RetrievalScope, Retriever, StoreLocation
    from mcp_context_resources.workers.job import Job

T = TypeVar("T")

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


class LocalStore:
    """A `ChunkStore` in a folder; up to `exact_vectors` vectors are compared one by one."""

    def __init__(self, folder: Path, exact_vectors: int) -> None:
        self._folder = folder
        self._exact_vectors = exact_vectors
        self._database = Database(folder)
        self._words = LexicalIndex(folder, version())
        self._filters = SourceFilters()
        self._vectors: Vectors | None = None
        self._vector_files = VectorFileSync(folder, exact_vectors)
        self._missing: tuple[int, float, float, dict[int, int]] = (0, 0.0, 0.0, {})
        self._counted: sqlite3.Connection | None = None
        self._swept = False

    def known(self) -> list[KnownRow]:
        """Return all versions of sources that aren't dropped."""
        return self._healed(lambda: chunk_tables.known(self._database.connection()))

    def begin(self, source: IndexedSource) -> int:
        """Note a version of a source; returns how many chunks of it there are."""
        return self._written(lambda connection: chunk_tables.begin(connection, source))

    def put(self, source: IndexedSource, first: int, chunks: Sequence[Chunk], ending: Ending | None) -> bool:
        """Put in the chunks from number `first` on; False where they aren't the next ones of a version begun."""
        return self._written(lambda connection: chunk_tables.put(connection, source, first, chunks, ending))

    def drop(self, keys: Sequence[str]) -> None:
        """Let all versions of sources answer no more; they are swept away later."""
        self._written(lambda connection: chunk_tables.drop(connection, keys))

    def without_vector(self, model: str, most: int) -> list[EmbeddingInput]:
        """Claim up to `most` texts of which a model has no vector."""
        return self._written(lambda connection: vector_tables.without_vector(connection, model, most))

    def put_vectors(self, model: str, digests: Sequence[str], vectors: bytes) -> None:
        """Put in vectors of texts; raises `InvalidInputError` where they are none."""
        self._written(lambda connection: vector_tables.put_vectors(connection, model, digests, vectors))

    def size(self, model: str) -> IndexSize:
        """Tell how much there is, and how many chunks have a vector of a model."""
        return self._healed(lambda: self._size(model))

    def retrieve(self, job: Job, scope: RetrievalScope, use: Callable[[Retriever], T]) -> T:
        """Run `use` in one transaction, after terms that are few or fresh were taken in."""
        return self._healed(lambda: self._retrieve(job, scope, use))

    def maintain(self, job: Job) -> RemainingWork:
        """Bring the index of words and the files of vectors up to date, and sweep."""
        return self._healed(lambda: self._maintain(job))

    def close(self) -> None:
        """Let go of the files."""
        self._vectors = None
        self._words.close()
        self._database.close()

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
            self._vector_files = VectorFileSync(self._folder, self._exact_vectors)
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
            self._counted, self._filters, self._missing = connection, SourceFilters(), (0, 0.0, 0.0, {})
        return connection

    def _retrieve(self, job: Job, scope: RetrievalScope, use: Callable[[Retriever], T]) -> T:
        connection = self._connected()
        self._words.open(connection)
        problem = ""
        with job.interruptible(connection.interrupt):
            if scope.by_terms:
                try:
                    self._catch_up(connection, scope.fresh, min(_SEARCH_SECONDS, job.seconds_left / 2))
                except StorageError as error:  # what is there can be searched all the same
                    problem = str(error)
            with self._database.reading():
                searcher = self._words.searcher()
                stamp = self._words.stamp_of(searcher)
                admitted = self._filters.of(connection, scope.sources, scope.kinds, stamp.drop)
                vectors = self._vectors_of(connection, scope.model)
                late = index_lag(connection, stamp.chunk) if scope.by_terms else ()
                lag = sum(admitted.sources is None or source in admitted.sources for source in late)
                coverage = Coverage(
                    chunks=admitted.chunks,
                    vectors=self._count_vectors(connection, vectors, admitted),
                    dimension=0 if vectors is None else vectors.space.dimension,
                    index_lag=lag,
                    problem=problem if lag else "",
                    identity=get_meta(connection, "identity"),
                )
                words = LexicalSearch(self._words.schema, searcher, admitted)
                return use(LocalRetriever(View(connection, words, vectors, admitted), coverage))

    def _catch_up(self, connection: sqlite3.Connection, fresh: Sequence[str], seconds: float) -> None:
        """Take in chunks that the index of words doesn't know of yet, where they are few or those of `fresh` sources.

        The rest is left to maintenance: a search must not wait for all that is being built.
        """
        began, stamp = time.monotonic(), self._words.stamp()
        with self._database.reading():
            late, last = index_lag(connection, stamp.chunk), last_of(connection)
            goal = last_of_sources(connection, fresh) if late and fresh else 0
        if goal <= stamp.chunk:
            if not late or (len(late) > 1 and last.chunk - stamp.chunk > _QUICK_CHUNKS):
                return
            seconds, goal = min(seconds, _OTHER_WRITER_SECONDS), stamp.chunk + 1
        while self._words.stamp().chunk < goal and (left := began + seconds - time.monotonic()) > 0:
            if not self._words.catch_up(self._database, _SEARCH_CHUNKS, left):
                time.sleep(0.02)

    def _vectors_of(self, connection: sqlite3.Connection, model: str) -> Vectors | None:
        space = vector_tables.space_of(connection, model)
        if space is None:
            return None
        if self._vectors is None or self._vectors.space != space:
            self._vectors = Vectors(self._folder, space, self._exact_vectors)
        self._vectors.refresh(connection)
        return self._vectors

    def _count_vectors(self, connection: sqlite3.Connection, vectors: Vectors | None, admitted: SourceFilter) -> int:
        """Count the chunks admitted that have a vector; kinds are not told apart."""
        if vectors is None:
            return 0
        missing = self._missing_of(connection, vectors.space.model)
        lacking = sum(count for source, count in missing.items() if admitted.admits_source(source))
        return max(0, admitted.chunks - lacking - vectors.unread)

    def _missing_of(self, connection: sqlite3.Connection, model: int) -> dict[int, int]:
        """Count what has no vector, by source; not each time while it takes long."""
        number, counted, took, missing = self._missing
        now = time.monotonic()
        if number != model or now - counted > took * _COUNT_AGAIN:
            missing = vector_tables.missing_by_source(connection, model)
            self._missing = (model, now, time.monotonic() - now, missing)
        return missing

    def _size(self, model: str) -> IndexSize:
        self._connected()
        with self._database.reading() as connection:
            sources, chunks = connection.execute(
                "SELECT count(*), coalesce(sum(chunks), 0) FROM sources WHERE state = 1"
            ).fetchone()
            space = vector_tables.space_of(connection, model)
            vectors = 0
            if space is not None:
                complete = {row[0] for row in connection.execute("SELECT id FROM sources WHERE state = 1")}
                missing = self._missing_of(connection, space.model)
                vectors = chunks - sum(count for source, count in missing.items() if source in complete)
            note = get_note(connection)
        return IndexSize(sources, chunks, max(0, vectors), _bytes_in(self._folder), (note,) if note else ())

    def _maintain(self, job: Job) -> RemainingWork:
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
                self._vector_files.write(connection, is_wanted)
                return "more"
        if (
            self._sweep()
            or self._vector_files.write(connection, is_wanted)
            or self._vector_files.build_graphs(connection, goes_on)
        ):
            return "more"
        return "later" if self._vector_files.waits else "nothing"

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


def open_store(location: StoreLocation) -> LocalStore:
    """Open the store in the folder of a location; nothing is read before its first method."""
    return LocalStore(Path(location.folder), location.exact_vectors)
