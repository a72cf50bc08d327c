"""Document service: places in, text, tables and pictures out; every parser runs in a worker process."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import anyio.to_thread

from mcp_context_resources.cache import Cache
from mcp_context_resources.documents.citation import Citation, parse_place
from mcp_context_resources.documents.ocr_models import system_folders
from mcp_context_resources.documents.page_problems import problem_notes, unreadable_page
from mcp_context_resources.documents.parallel_reading import MANY_CHARS, READ_PAGES, ParallelReading
from mcp_context_resources.documents.reader import PDF, DocumentReaders
from mcp_context_resources.documents.spec import (
    DocumentFile,
    FromDocument,
    Matches,
    Outline,
    PageCount,
    PagePicture,
    Properties,
    Reading,
    TablesFound,
)
from mcp_context_resources.documents.sql_tables import SqlTables
from mcp_context_resources.errors import InvalidInputError, SourceChangedError, StaleCursorError
from mcp_context_resources.workers.batch import COUNTING_SECONDS, ask_each
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.cores import available_cores
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workers.pool import WorkerPool
from mcp_context_resources.workspace.ignore_rules import ignore_spec
from mcp_context_resources.workspace.source import file_state

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.settings import DocumentSettings
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace

T = TypeVar("T")

_MOST_WORKERS: Final = 4
# PDFs may leave common fonts out; without the system's, PDFium loses characters of them.
_FONTS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/X11/fonts")
_HOME: Final = "mcp_context_resources.documents.reading"
_COUNT_PAGES: Final[WorkerFunction[list[PageCount], Sequence[DocumentFile]]] = WorkerFunction(
    f"{_HOME}.opening:count_pages"
)
_READ_OUTLINE: Final[WorkerFunction[Outline, DocumentFile, int, int]] = WorkerFunction(f"{_HOME}.pages:read_outline")
_READ_PROPERTIES: Final[WorkerFunction[Properties, DocumentFile]] = WorkerFunction(f"{_HOME}.pages:read_properties")
_READ_PASSAGE: Final[WorkerFunction[Matches, DocumentFile, str, int, int | None]] = WorkerFunction(
    f"{_HOME}.places:read_passage"
)
_READ_PICTURE: Final[
    WorkerFunction[PagePicture, DocumentFile, str, Box | None, Sequence[tuple[int, int | None]], float, int]
] = WorkerFunction(f"{_HOME}.places:read_picture")
_PRELOADED: Final = (READ_PAGES.module, PDF.open.partition(":")[0])
_MAX_RANGE_CHARS: Final = 1_000
_MOST_CELLS: Final = 2_000_000


class Documents:
    """The documents of a workspace.

    A document is named as `list_sources` does, or by the name of a place in it (see `citation`).
    """

    def __init__(self, workspace: Workspace, settings: DocumentSettings, cache_dir: Path, max_cache_bytes: int) -> None:
        self.settings = settings
        self.readers = DocumentReaders(settings.plugins)
        self._workspace = workspace
        self._cache_dir = cache_dir / "documents"
        self._max_cache_bytes = max_cache_bytes
        self._page_counts: dict[str, PageCount] = {}
        self._passwords = [
            (ignore_spec([pattern]), password)
            for pattern, _, password in (item.get_secret_value().partition("=") for item in settings.passwords)
        ]
        roots = [str(root.path) for root in workspace.roots]
        workers = settings.workers or min(_MOST_WORKERS, available_cores())
        self._cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._pool = WorkerPool(
            "document",
            size=workers,
            confinement=Confinement(
                readable=(*roots, *_FONTS, *system_folders(), *self.readers.plugin_folders),
                writable=(str(cache_dir),),
                memory_bytes=settings.worker_memory_mb << 20,
            ),
            preload=_PRELOADED,
            identity=workspace.roots.identity,
        )
        self._parts = ParallelReading(self._pool, workers)
        self.sql_tables = SqlTables(
            self._find_tables,
            Cache(cache_dir, "documents", max_cache_bytes),
            readers=self.readers,
            settings=str(settings.encoding),
            is_locked=lambda source: bool(self._passwords_of(source)),
        )

    def warm_up(self) -> None:
        """Start a reader's process without waiting for it; a call is about to come."""
        self._pool.warm_up()

    async def aclose(self) -> None:
        """Stop the readers' processes."""
        await self._pool.aclose()

    async def read(
        self,
        name: str,
        *,
        pages: str = "",
        offset: int = 0,
        max_chars: int,
        markdown: bool = False,
        version: str = "",
        source: Source | None = None,
        on_progress: Progress | None = None,
    ) -> FromDocument[Reading]:
        """Read pages of a document as text or Markdown, up to `max_chars` characters.

        `version` is the fingerprint of what was read before, where this goes on with it. With `source`, that very
        version is read and the folders aren't looked through for the name.

        Raises `NotFoundError`, `AccessDeniedError`, `UnreadableSourceError`, `StaleCursorError` and the workers'
        errors.
        """

        async def read(file: DocumentFile, place: Citation, deadline: float) -> Reading:
            if max_chars >= MANY_CHARS:
                return await self._parts.read(file, place.pages, offset, max_chars, markdown, deadline, on_progress)
            return await self._pool.run(
                READ_PAGES,
                file,
                place.pages,
                offset,
                max_chars,
                markdown,
                deadline=deadline,
                on_progress=on_progress,
            )

        return await self._from(name, pages, read, version, source)

    async def outline(
        self, name: str, *, skip: int, most: int, version: str = "", source: Source | None = None
    ) -> FromDocument[Outline]:
        """Return headings of a document, `most` of them from number `skip` on; arguments and errors as of `read`."""

        async def read(file: DocumentFile, _place: Citation, deadline: float) -> Outline:
            return await self._pool.run(_READ_OUTLINE, file, skip, most, deadline=deadline)

        return await self._from(name, "", read, version, source)

    async def properties(self, name: str, *, on_progress: Progress | None = None) -> FromDocument[Properties]:
        """Return what a document says of itself; raises as `read` does."""

        async def read(file: DocumentFile, _place: Citation, deadline: float) -> Properties:
            return await self._pool.run(_READ_PROPERTIES, file, deadline=deadline, on_progress=on_progress)

        return await self._from(name, "", read)

    async def tables(
        self, name: str, *, pages: str = "", max_cells: int, version: str = "", on_progress: Progress | None = None
    ) -> FromDocument[TablesFound]:
        """Find the tables on pages of a document, until `max_cells` are gathered; raises as `read` does."""

        async def read(file: DocumentFile, place: Citation, deadline: float) -> TablesFound:
            return await self._parts.tables(file, place.pages, max_cells, deadline, on_progress)

        return await self._from(name, pages, read, version)

    async def table_prefix(self, source: Source) -> str:
        """Return what the names of a document's tables begin with."""
        catalogue = await anyio.to_thread.run_sync(self._workspace.catalogue)
        names = [document.name for document in catalogue.of("document")]
        return self.sql_tables.prefixes({*names, source.name})[source.name]

    async def find(
        self,
        name: str,
        query: str,
        *,
        regex: bool = False,
        pages: str = "",
        offset: int = 0,
        most: int,
        version: str = "",
        on_progress: Progress | None = None,
    ) -> FromDocument[Matches]:
        """Find text in a document, at most `most` times; raises as `read` does."""

        async def read(file: DocumentFile, place: Citation, deadline: float) -> Matches:
            return await self._parts.find(file, query, regex, place.pages, offset, most, deadline, on_progress)

        return await self._from(name, pages, read, version)

    async def passage(self, place: Citation) -> FromDocument[Matches]:
        """Return the text of a place as one match; raises as `read` does."""

        async def read(file: DocumentFile, found: Citation, deadline: float) -> Matches:
            return await self._pool.run(
                _READ_PASSAGE, file, found.pages, place.start or 0, place.end, deadline=deadline
            )

        return await self._from(place.name, place.pages, read)

    async def picture(
        self,
        name: str,
        *,
        pages: str = "",
        region: Box | None = None,
        marks: Sequence[tuple[int, int | None]] = (),
        dpi: float,
    ) -> FromDocument[PagePicture]:
        """Draw a page, or a region of it, with the passages at `marks` highlighted; raises as `read` does."""

        async def read(file: DocumentFile, place: Citation, deadline: float) -> PagePicture:
            cited = () if place.start is None else ((place.start, place.end),)
            return await self._pool.run(
                _READ_PICTURE,
                file,
                place.pages,
                region,
                (*marks, *cited),
                dpi,
                self.settings.max_image_bytes,
                deadline=deadline,
            )

        return await self._from(name, pages, read)

    async def page_counts(self, documents: Sequence[Source]) -> list[PageCount]:
        """Count the pages of documents, each once for a version of its file; in their order.

        A file that a worker dies of is named as a problem and costs the others nothing.
        """
        new = [document for document in documents if document.fingerprint not in self._page_counts]
        for document, count in await ask_each(new, self._count_pages, lambda text: PageCount(None, problem=text)):
            self._page_counts[document.fingerprint] = count
        counts = [self._page_counts[document.fingerprint] for document in documents]
        # What there was no time for is tried again the next time.
        self._page_counts = {key: count for key, count in self._page_counts.items() if count.pages or count.problem}
        return counts

    async def _find_tables(self, name: str, pages: str, on_progress: Progress | None) -> FromDocument[TablesFound]:
        return await self.tables(name, pages=pages, max_cells=_MOST_CELLS, on_progress=on_progress)

    async def _count_pages(self, documents: Sequence[Source]) -> list[PageCount]:
        files = [self._file(document) for document in documents]
        return await self._pool.run(_COUNT_PAGES, files, deadline=COUNTING_SECONDS)

    async def _from(
        self,
        name: str,
        pages: str,
        read: Callable[[DocumentFile, Citation, float], Awaitable[T]],
        version: str = "",
        known: Source | None = None,
    ) -> FromDocument[T]:
        """Find a document, read it, and make sure that it is still what it was."""
        if len(pages) > _MAX_RANGE_CHARS:
            raise InvalidInputError("The page range is too long.", "Write it as ranges, such as 1-300.")
        place = parse_place(name)
        if pages:  # the characters of a cited place are those of its own page
            place = Citation(place.name, pages)
        left = self.settings.deadline_seconds
        ends = time.monotonic() + left
        for attempt in (1, 2):
            source, place = await anyio.to_thread.run_sync(self._found, place, pages, known)
            if version and version != source.fingerprint:
                raise StaleCursorError(
                    f"{source.name!r} has changed since the pages before were read.", "Read it again from the start."
                )
            ref = source.ref()
            try:
                content = await read(self._file(source), place, left)
            except Exception:
                if attempt == 2 or not await anyio.to_thread.run_sync(_has_changed, source):
                    raise
            else:
                if not await anyio.to_thread.run_sync(_has_changed, source):
                    _tell_problems(source, content)
                    return FromDocument(source, ref, self.readers.of(source.format), content)
            left = max(1.0, ends - time.monotonic())
        raise SourceChangedError(f"{place.name!r} changes while it is read.", "Try again in a moment.")

    def _found(self, place: Citation, pages: str, known: Source | None) -> tuple[Source, Citation]:
        if known is not None:
            self._workspace.check(known)
            return known, place
        catalogue = self._workspace.catalogue()
        if place.whole and catalogue.find("document", place.whole) is not None:  # its folders look like a place
            place = replace(place, name=place.whole, pages=pages)
        return self._workspace.resolve(catalogue, "document", place.name), place

    def _passwords_of(self, source: Source) -> tuple[str, ...]:
        return tuple(password for pattern, password in self._passwords if pattern.match_file(source.file))

    def _file(self, source: Source) -> DocumentFile:
        return DocumentFile(
            str(source.path),
            source.fingerprint,
            self.readers.of(source.format),
            self._passwords_of(source),
            self.settings.encoding,
            self.settings.ocr == "auto",
            self.settings.ocr_languages,
            str(self._cache_dir.parent),
            self._max_cache_bytes,
        )


def _tell_problems(source: Source, content: object) -> None:
    """Name the pages that could not be read; raises `UnreadableSourceError` where that is all there is to say."""
    if not isinstance(content, Reading | TablesFound | Matches):
        return
    if isinstance(content, Reading) and not content.pages and not content.remaining:
        numbers = [number for pages in content.problems.values() for number in pages]
        if len(numbers) == 1:
            raise unreadable_page(str(source.path), numbers[0], next(iter(content.problems)))
    content.notes += problem_notes(content.problems)


def _has_changed(source: Source) -> bool:
    """Tell whether a file is no longer the one that was found; one that is gone was still read whole."""
    return file_state(source.path) not in ((), source.state)
