"""Page tables, with those that go on over the following pages made whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.spec import DocumentTable
from mcp_context_resources.errors import DeadlineExceededError

if TYPE_CHECKING:
    import pypdfium2

    from mcp_context_resources.documents.pdf.tables.grid import PageTable
    from mcp_context_resources.workers.job import Job

_MOST_PAGES: Final = 60  # a longer table is cut into several


class PageTables:
    """The tables of an open PDF; those of a page are looked for once."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self._document = document
        self._found: dict[int, list[PageTable]] = {}
        self._heights: dict[int, float] = {}
        self._pages_behind: dict[int, int] = {}

    def on_page(self, index: int) -> list[PageTable]:
        """Return the tables of a page as they are on it."""
        from mcp_context_resources.documents.pdf.tables.find import find_tables

        if index not in self._found:
            page = self._document[index]
            try:
                self._found[index] = find_tables(page)
                self._heights[index] = page.get_height()
            finally:
                page.close()
        return self._found[index]

    def beginning_on(self, job: Job, index: int, label: str) -> list[DocumentTable]:
        """Return the tables that begin on a page, with what follows of the last one on the pages behind it."""
        from mcp_context_resources.documents.pdf.tables.find import column_names, joined

        tables = list(self.on_page(index))
        found = []
        for number, table in enumerate(tables, start=1):
            behind = self._behind(job, index) if number == 1 else 0
            if behind % _MOST_PAGES:
                continue  # it belongs to the page where it begins
            parts = [table]
            if number == len(tables):
                parts += self._rest(job, index, table)
            whole = joined(parts) if len(parts) > 1 else table
            found.append(
                DocumentTable(
                    part=f"p{index + 1}_t{number}",
                    pages=tuple(range(index + 1, index + 1 + len(parts))),
                    label=label,
                    columns=tuple(column_names(whole)),
                    rows=whole.rows,
                    header_rows=whole.header_rows,
                    box=table.box,
                    caption=table.caption,
                )
            )
        return found

    def _behind(self, job: Job, index: int) -> int:
        """Count the pages before this one over which its first table already stretches.

        Raises `DeadlineExceededError`.
        """
        chain: list[int] = []
        while index not in self._pages_behind:
            if job.should_stop:
                raise DeadlineExceededError("Looking for the beginning of a long table took longer than the limit.")
            before = self.on_page(index - 1) if index else []
            tables = self.on_page(index)
            if not before or not tables or not self._continues(index - 1, before[-1], tables[0]):
                self._pages_behind[index] = 0
            elif len(before) > 1:
                self._pages_behind[index] = 1
            else:
                chain.append(index)
                index -= 1
        count = self._pages_behind[index]
        for page in reversed(chain):
            count += 1
            self._pages_behind[page] = count
        return count

    def _continues(self, index: int, earlier: PageTable, later: PageTable) -> bool:
        """Tell whether a table of page `index` goes on as one of the page behind it."""
        from mcp_context_resources.documents.pdf.tables.find import continues

        height, next_height = self._heights[index], self._heights[index + 1]
        return continues(earlier, later, earlier_height=height, later_height=next_height)

    def _rest(self, job: Job, index: int, table: PageTable) -> list[PageTable]:
        parts: list[PageTable] = []
        last = table
        total = len(self._document)
        while index + 1 < total and len(parts) < _MOST_PAGES - 1:
            if job.should_stop:
                raise DeadlineExceededError("Reading a long table took longer than the limit.", "Ask for fewer pages.")
            following = self.on_page(index + 1)
            if not following or not self._continues(index, last, following[0]):
                break
            index += 1
            last = following[0]
            parts.append(last)
            if len(following) > 1:
                break
        return parts
