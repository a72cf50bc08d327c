"""The tables of a page, with those that go on over the following pages made whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.spec import DocumentTable

if TYPE_CHECKING:
    import pypdfium2

    from mcp_context_resources.documents.pdf.tables.spec import PageTable
    from mcp_context_resources.workers.job import Job

_MOST_PAGES: Final = 60


class PageTables:
    """The tables of an open PDF; those of a page are looked for once."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self._document = document
        self._found: dict[int, list[PageTable]] = {}
        self._heights: dict[int, float] = {}

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
            if number == 1 and index > 0 and self._goes_on(index - 1, table):
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

    def _goes_on(self, index: int, table: PageTable) -> bool:
        before = self.on_page(index)
        return bool(before) and self._continues(index, before[-1], table)

    def _continues(self, index: int, earlier: PageTable, later: PageTable) -> bool:
        """Tell whether a table of page `index` goes on as one of the page behind it."""
        from mcp_context_resources.documents.pdf.tables.find import continues

        height, next_height = self._heights[index], self._heights[index + 1]
        return continues(earlier, later, earlier_height=height, later_height=next_height)

    def _rest(self, job: Job, index: int, table: PageTable) -> list[PageTable]:
        parts: list[PageTable] = []
        last = table
        total = len(self._document)
        while index + 1 < total and len(parts) < _MOST_PAGES and not job.should_stop:
            following = self.on_page(index + 1)
            if not following or not self._continues(index, last, following[0]):
                break
            index += 1
            last = following[0]
            parts.append(last)
            if len(following) > 1:
                break
        return parts
