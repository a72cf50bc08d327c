"""A converted document as an open document: its sections stand for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_context_resources.documents.clean_text import one_line
from mcp_context_resources.documents.converted.registry import convert
from mcp_context_resources.documents.opened import PageText
from mcp_context_resources.documents.spec import DocumentTable, OutlineEntry
from mcp_context_resources.errors import UnreadableSourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_TITLE_CHARS = 200
_LABEL_CHARS = 100


class ConvertedDocument:
    """An open document without pages of its own; see `OpenDocument`."""

    def __init__(self, job: Job, file: DocumentFile) -> None:
        """Convert it.

        Raises as `convert` does, and `UnreadableSourceError` for a file with nothing in it.
        """
        self._converted = convert(job, file.path, file.format, file.encoding)
        self._sections = self._converted.sections
        self._engine = file.format
        self.total = len(self._sections)
        if not self.total:
            name = file.path.rpartition("/")[2]
            raise UnreadableSourceError(f"{name!r} is empty.", "There is nothing to read in it.")
        self.title = one_line(self._converted.title, _TITLE_CHARS)
        self.notes = list(self._converted.notes)

    def label(self, index: int) -> str:
        """See `OpenDocument`."""
        return one_line(self._sections[index].label, _LABEL_CHARS) or str(index + 1)

    def text(self, job: Job, index: int) -> PageText:
        """See `OpenDocument`."""
        del job
        return PageText(self._sections[index].text, self._engine)

    def markdown(self, job: Job, index: int) -> PageText:
        """See `OpenDocument`."""
        del job
        return PageText(self._sections[index].markdown, self._engine)

    def tables(self, job: Job, index: int) -> list[DocumentTable]:
        """See `OpenDocument`."""
        del job
        return [
            DocumentTable(
                part=f"p{index + 1}_t{number}",
                pages=(index + 1,),
                label=self.label(index),
                columns=_columns(rows[0]),
                rows=_even(rows),
                header_rows=1,
            )
            for number, rows in enumerate(self._sections[index].tables, start=1)
            if rows
        ]

    def outline(self) -> list[OutlineEntry]:
        """See `OpenDocument`."""
        return [
            OutlineEntry(section.level, self.label(index), index + 1, str(index + 1))
            for index, section in enumerate(self._sections)
            if section.level
        ]

    def properties(self, job: Job) -> tuple[dict[str, Any], list[str]]:
        """See `OpenDocument`."""
        del job
        return {"sections": self.total} | self._converted.properties, []

    def boxes(self, index: int, start: int, end: int) -> list[Box]:
        """See `OpenDocument`."""
        del index, start, end
        return []

    def close(self) -> None:
        """See `OpenDocument`."""
        self._sections = []


def _columns(names: Sequence[str]) -> tuple[str, ...]:
    """Name every column, and no two alike."""
    used: set[str] = set()
    columns = []
    for number, name in enumerate(names, start=1):
        base = " ".join(name.split()) or f"column_{number}"
        unique, again = base, 2
        while unique.casefold() in used:
            unique, again = f"{base}_{again}", again + 1
        used.add(unique.casefold())
        columns.append(unique)
    return tuple(columns)


def _even(rows: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Make all rows as long as the first."""
    width = len(rows[0])
    return tuple((*row[:width], *[""] * (width - len(row))) for row in rows)
