"""Converted document as an open document: its sections stand for pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from mcp_context_resources.documents.clean_text import one_line
from mcp_context_resources.documents.reading.converters import convert
from mcp_context_resources.documents.reading.open_document import OpenDocument, PageText
from mcp_context_resources.documents.spec import DocumentTable, OutlineEntry
from mcp_context_resources.errors import InvalidInputError, UnreadableSourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.geometry import Box
    from mcp_context_resources.documents.reading.open_document import Renderer
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_TITLE_CHARS = 200
_LABEL_CHARS = 100
_MOST_CELLS = 2_000_000
_PAIR = 2
_TITLE_HEADER_RECORD = 3
_FIGURE = re.compile(r"[-+−▲△(]?\W?\d[\d.,]*\W?\)?")
_YEAR = re.compile(r"(?:1[89]|2[01])\d\d")


class ConvertedDocument(OpenDocument):
    """An open document without pages of its own; see `OpenDocument`."""

    def __init__(self, job: Job, file: DocumentFile) -> None:
        """Convert it.

        Raises as `convert` does, and `UnreadableSourceError` for a file with nothing in it.
        """
        self._converted = convert(job, file)
        self._sections = self._converted.sections
        self._engine = file.reader.format
        self.total = len(self._sections)
        if not self.total:
            name = file.path.rpartition("/")[2]
            raise UnreadableSourceError(f"{name!r} is empty.", "There is nothing to read in it.")
        self.title = one_line(self._converted.title, _TITLE_CHARS)
        self.notes = list(self._converted.notes)

    @override
    def label(self, index: int) -> str:
        return one_line(self._sections[index].label, _LABEL_CHARS) or str(index + 1)

    @override
    def text(self, job: Job, index: int) -> PageText:
        del job
        return PageText(self._sections[index].text, self._engine)

    @override
    def markdown(self, job: Job, index: int) -> PageText:
        del job
        return PageText(self._sections[index].markdown, self._engine)

    @override
    def tables(self, job: Job, index: int) -> list[DocumentTable]:
        del job
        found = []
        for number, rows in enumerate(self._sections[index].tables, start=1):
            if not rows:
                continue
            title, even = _without_title(_even(rows))
            found.append(
                DocumentTable(
                    part=f"p{index + 1}_t{number}",
                    pages=(index + 1,),
                    label=self.label(index),
                    columns=_columns(even[0]),
                    rows=even,
                    header_rows=1,
                    caption=one_line(title, _TITLE_CHARS),
                )
            )
        return found

    @override
    def missing(self, index: int) -> str:
        del index
        return ""

    @override
    def outline(self) -> list[OutlineEntry]:
        return [
            OutlineEntry(section.level, self.label(index), index + 1, str(index + 1))
            for index, section in enumerate(self._sections)
            if section.level
        ]

    @override
    def properties(self, job: Job) -> tuple[dict[str, Any], list[str]]:
        del job
        return {"sections": self.total} | self._converted.properties, []

    @override
    def boxes(self, index: int, start: int, end: int) -> list[Box]:
        del index, start, end
        return []

    @override
    def renderer(self) -> Renderer:
        raise InvalidInputError("Only pages of PDFs can be drawn.", 'Read this document with view "text".')

    @override
    def close(self) -> None:
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
    """Make all rows as long as the longest."""
    width = max(map(len, rows))
    if width * len(rows) > _MOST_CELLS:
        raise UnreadableSourceError(
            f"A table has more than {_MOST_CELLS:,} cells, with those its short rows lack.", "Read it as text."
        )
    return tuple((*row, *[""] * (width - len(row))) for row in rows)


def _without_title(rows: tuple[tuple[str, ...], ...]) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """Part the title from the table that it stands over; a first row that is none is the header."""
    texts = set(filter(None, rows[0]))
    # A lone name over the second of two columns is that column's: the corner of a header is often left empty.
    if len(texts) != 1 or len(rows) < _TITLE_HEADER_RECORD or (len(rows[0]) == _PAIR and not rows[0][0]):
        return "", rows
    names = [cell for cell in rows[1] if cell]
    if len(names) < _PAIR or any(map(_is_figure, names)):
        return "", rows
    return texts.pop(), rows[1:]


def _is_figure(cell: str) -> bool:
    """Tell a number from a name; a year can be a column's name."""
    return _FIGURE.fullmatch(cell) is not None and _YEAR.fullmatch(cell) is None
