"""Documents as the server sees them: pages in, text out; every parser in a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread

from mcp_context_resources.documents import jobs
from mcp_context_resources.documents.spec import PageCount
from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.workers.batch import COUNTING_SECONDS, ask_each
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.settings import DocumentSettings
    from mcp_context_resources.documents.spec import Reading
    from mcp_context_resources.provenance import SourceRef
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DocumentPages:
    """Pages of a document and where they came from."""

    source: Source
    ref: SourceRef
    reading: Reading


class Documents:
    """The documents of a workspace."""

    def __init__(self, workspace: Workspace, settings: DocumentSettings) -> None:
        self.settings = settings
        self._workspace = workspace
        self._page_counts: dict[str, PageCount] = {}
        self._pool = WorkerPool(
            "document",
            size=settings.workers,
            confinement=Confinement(
                readable=tuple(str(root.path) for root in workspace.roots),
                memory_bytes=settings.worker_memory_mb << 20,
            ),
            preload=("mcp_context_resources.documents.pdf", "pypdf"),
            identity=workspace.roots.identity,
        )

    async def aclose(self) -> None:
        """Stop the readers' processes."""
        await self._pool.aclose()

    async def read(
        self, name: str, *, pages: str = "", offset: int = 0, max_chars: int, on_progress: Progress | None = None
    ) -> DocumentPages:
        """Read pages of a document as text, up to `max_chars` characters.

        Raises `NotFoundError`, `AccessDeniedError`, `UnreadableSourceError` and the workers' errors.
        """
        if len(pages) > 1_000:
            raise InvalidInputError("The page range is too long.", "Write it as ranges, such as 1-300.")
        catalogue = await anyio.to_thread.run_sync(self._workspace.catalogue)
        source = self._workspace.resolve(catalogue, "document", name)
        ref = source.ref()
        reading = await self._pool.run(
            jobs.read_pages,
            str(source.path),
            source.fingerprint,
            pages,
            offset,
            max_chars,
            deadline=self.settings.deadline_seconds,
            on_progress=on_progress,
        )
        return DocumentPages(source, ref, reading)

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

    async def _count_pages(self, documents: Sequence[Source]) -> list[PageCount]:
        files = [(str(document.path), document.fingerprint) for document in documents]
        return await self._pool.run(jobs.count_pages, files, deadline=COUNTING_SECONDS)
