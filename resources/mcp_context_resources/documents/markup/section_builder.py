"""Section builder: sections put together block by block, whatever the format the blocks come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.converted import MAX_SECTIONS, Section
from mcp_context_resources.documents.markup.conversion_errors import check
from mcp_context_resources.documents.markup.rich_text import Rich, fenced, table_rows, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.workers.job import Job

_MAX_CHARACTERS: Final = 48_000_000
_MAX_CELLS: Final = 1_000_000
_LONGEST_LABEL: Final = 300
_DEEPEST: Final = 12


class SectionBuilder:
    """Takes headings, paragraphs, list items, code and tables in reading order and makes sections of them.

    Every method raises `DeadlineExceededError` once the job must stop. What comes after 48 million characters is left
    out, and headings after the 50,000th section start no new one; `notes` says so.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._sections: list[Section] = []
        self._label, self._level = "", 0
        self._blocks: list[tuple[bool, Rich]] = []
        self._tables: list[tuple[tuple[str, ...], ...]] = []
        self._footnotes: list[Rich] = []
        self._left = _MAX_CHARACTERS
        self._crowded = False
        self._cut = False

    @property
    def notes(self) -> list[str]:
        """What the limits did to the document."""
        notes = []
        if self._left < 0:
            notes.append(f"Only its first {_MAX_CHARACTERS:,} characters are read.")
        if self._crowded:
            notes.append(f"Headings after the {MAX_SECTIONS:,}th start no section of their own.")
        if self._cut:
            notes.append(f"Of a table, only the first {_MAX_CELLS:,} cells are read, with those its short rows lack.")
        return notes

    def start(self, label: str, level: int) -> None:
        """Begin a section whose label is not part of its text."""
        self._close()
        self._label, self._level = " ".join(visible(label).split())[:_LONGEST_LABEL], level

    def heading(self, level: int, content: Rich) -> None:
        """Begin a section with a heading, from 1 to 6; an empty one begins none."""
        text, markdown = " ".join(content.text.split()), " ".join(content.markdown.split())
        if not text:
            return
        level = min(max(level, 1), 6)
        if len(self._sections) < MAX_SECTIONS:
            self.start(text, level)
        else:
            self._crowded = True
        self._add(Rich(text, f"{'#' * level} {markdown}"))

    def paragraph(self, content: Rich, *, indent: int = 0, quote: int = 0) -> None:
        """Add a paragraph, `indent` list levels in and quoted `quote` times."""
        if content.text.strip():
            lead = "  " * min(indent, _DEEPEST) + "> " * min(quote, _DEEPEST)
            self._add(Rich(_led(content.text.strip(), lead), _led(content.markdown.strip(), lead)))

    def item(self, marker: str, content: Rich, *, depth: int = 0, quote: int = 0) -> None:
        """Add a list item; `marker` is `-` or its number as shown, `depth` counts the lists around its own."""
        if content.text.strip():
            lead = "> " * min(quote, _DEEPEST) + "  " * min(depth, _DEEPEST)
            rest = "> " * min(quote, _DEEPEST) + "  " * min(depth + 1, _DEEPEST)
            text, markdown = (_led(part.strip(), rest).removeprefix(rest) for part in content)
            self._add(Rich(f"{lead}{marker} {text}", f"{lead}{marker} {markdown}"), item=True)

    def code(self, text: str, *, language: str = "") -> None:
        """Add text whose line breaks and blanks matter."""
        text = visible(text).strip("\n")
        if text.strip():
            self._add(Rich(text, fenced(text, language)))

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Add a table, header first; one without any text is left out."""
        cleaned = tuple(tuple(visible(cell).strip() for cell in row) for row in rows)
        # Filled up to the longest row, a small file could become larger than memory.
        most = max(1, _MAX_CELLS // max((1, *map(len, cleaned))))
        if len(cleaned) > most:
            cleaned, self._cut = cleaned[:most], True
        if any(cell for row in cleaned for cell in row):
            if self._left >= 0:
                self._tables.append(cleaned)
            self._add(table_rows(cleaned))

    def footnote(self, mark: str, content: Rich) -> None:
        """Add a note that is shown at the end of the section."""
        self._footnotes.append(Rich(f"[{mark}] {content.text.strip()}", f"[{mark}]: {content.markdown.strip()}"))

    def sections(self) -> list[Section]:
        """Close the last section and return all of them."""
        self._close()
        return self._sections

    def _add(self, block: Rich, *, item: bool = False) -> None:
        check(self._job)
        if self._left >= 0:
            self._left -= max(len(block.text), len(block.markdown))
            self._blocks.append((item, block))

    def _close(self) -> None:
        for note in self._footnotes:
            self._add(note)
        if self._blocks:
            text, markdown = [], []
            before = False
            for position, (item, block) in enumerate(self._blocks):
                gap = "" if not position else "\n" if item and before else "\n\n"
                text.append(gap + block.text)
                markdown.append(gap + block.markdown)
                before = item
            self._sections.append(
                Section(self._label, self._level, "".join(text), "".join(markdown), tuple(self._tables))
            )
        self._blocks, self._tables, self._footnotes = [], [], []
        self._label, self._level = "", 0


def _led(text: str, lead: str) -> str:
    return "\n".join(lead + line for line in text.split("\n")) if lead else text
