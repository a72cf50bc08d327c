"""Jupyter notebooks: prose, code and what it printed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.converted import Converted, Section
from mcp_context_resources.documents.markup.conversion_errors import check
from mcp_context_resources.documents.markup.markdown import split_markdown
from mcp_context_resources.documents.markup.plain_text import read_text
from mcp_context_resources.documents.markup.rich_text import fenced, visible
from mcp_context_resources.file_errors import broken

if TYPE_CHECKING:
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_MAX_OUTPUT: Final = 4_000
_MAX_CELLS: Final = 100_000
_TERMINAL_CODES: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def convert(job: Job, file: DocumentFile) -> Converted:
    """Read a notebook: headings in its Markdown cells start sections; code comes fenced, with its text outputs.

    An output longer than 4,000 characters is cut and says so; images are counted.

    Raises `UnreadableSourceError`, `InvalidInputError` for an unknown encoding, `DeadlineExceededError`.
    """
    source = read_text(file.path, file.encoding)
    try:
        book = json.loads(source.text)
    except (ValueError, RecursionError) as error:
        raise broken(file.path, "is not a notebook: its content is no valid JSON.") from error
    cells = _cells(book)
    if cells is None:
        raise broken(file.path, "is not a notebook: it holds no list of cells.")
    reader = _NotebookConverter(job)
    for number, cell in enumerate(cells[:_MAX_CELLS]):
        check(job)
        reader.read(cell)
        job.progress(number + 1, len(cells))
    notes = list(source.notes)
    if len(cells) > _MAX_CELLS:
        notes.append(f"Only the first {_MAX_CELLS:,} of {len(cells):,} cells are read.")
    sections = reader.sections()
    properties = _properties(book, cells)
    title = next((section.label for section in sections if section.level), "")
    metadata_title = properties.pop("title", "")
    return Converted(metadata_title or title, properties, sections, [*notes, *reader.notes()])


class _NotebookConverter:
    """Gathers cells into sections."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._done: list[Section] = []
        self._open = Section("", 0, "", "")
        self._texts: list[tuple[str, str]] = []
        self._tables: list[tuple[tuple[str, ...], ...]] = []
        self._images = self._cut = 0

    def read(self, cell: Any) -> None:
        if not isinstance(cell, dict):
            return
        kind, source = cell.get("cell_type"), _joined(cell.get("source", cell.get("input")))
        if kind == "code":
            self._code(cell, source)
        elif kind == "heading":
            level = cell.get("level")
            self._prose(f"{'#' * (level if isinstance(level, int) and 1 <= level <= 6 else 1)} {source}")
        elif kind == "markdown":
            self._prose(source)
        elif source.strip():
            self._texts.append((source, fenced(source)))

    def sections(self) -> list[Section]:
        """Close the last section and return all."""
        self._close()
        return self._done

    def notes(self) -> list[str]:
        notes = []
        if self._images:
            notes.append(f"{self._images:,} images in outputs were left out.")
        if self._cut:
            notes.append(f"{self._cut:,} long outputs were cut after {_MAX_OUTPUT:,} characters.")
        return notes

    def _prose(self, source: str) -> None:
        for part in split_markdown(self._job, visible(source)):
            if part.level:
                self._close()
                self._open = part
            if part.text.strip():
                self._texts.append((part.text.strip("\n"), part.text.strip("\n")))
            self._tables += part.tables

    def _code(self, cell: dict[str, Any], source: str) -> None:
        count = cell.get("execution_count", cell.get("prompt_number"))
        number = str(count) if isinstance(count, int) else " "
        source = visible(source).strip("\n")
        if source.strip():
            self._texts.append((f"In [{number}]:\n{source}", f"In [{number}]:\n\n{fenced(source, 'python')}"))
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            check(self._job)
            text = self._bounded(self._output(output) if isinstance(output, dict) else "")
            if text.strip():
                self._texts.append((f"Out [{number}]:\n{text}", f"Out [{number}]:\n\n{fenced(text)}"))

    def _output(self, output: dict[str, Any]) -> str:
        kind = output.get("output_type")
        if kind == "stream":
            return _joined(output.get("text"))
        if kind in ("error", "pyerr"):
            trace = output.get("traceback")
            lines = [str(line) for line in trace] if isinstance(trace, list) else []
            return "\n".join(lines) or f"{output.get('ename', 'Error')}: {output.get('evalue', '')}"
        data = output.get("data")
        shown: dict[str, Any] = data if isinstance(data, dict) else output
        pictures = [key for key in shown if key.startswith("image/") or key in ("png", "jpeg", "svg")]
        self._images += bool(pictures)
        for key in ("text/markdown", "text/plain", "text/latex", "text"):
            if key in shown:
                text = _joined(shown[key])
                return "[image]" if pictures and text.startswith("<") and text.endswith(">") else text
        return "[image]" if pictures else "[HTML output]" if "text/html" in shown or "html" in shown else ""

    def _bounded(self, text: str) -> str:
        text = visible(_TERMINAL_CODES.sub("", text)).strip("\n")
        if len(text) <= _MAX_OUTPUT:
            return text
        self._cut += 1
        return f"{text[:_MAX_OUTPUT]}\n… {len(text) - _MAX_OUTPUT:,} more characters"

    def _close(self) -> None:
        if self._texts:
            text, markdown = ("\n\n".join(parts) for parts in zip(*self._texts, strict=True))
            self._done.append(Section(self._open.label, self._open.level, text, markdown, tuple(self._tables)))
        self._texts, self._tables = [], []
        self._open = Section("", 0, "", "")


def _cells(book: Any) -> list[Any] | None:
    if not isinstance(book, dict):
        return None
    cells = book.get("cells")
    if isinstance(cells, list):
        return cells
    sheets = book.get("worksheets")  # nbformat 3
    if not isinstance(sheets, list):
        return None
    return [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or []]


def _joined(source: Any) -> str:
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _named(value: Any) -> str:
    return " ".join(visible(value).split())[:500] if isinstance(value, str) else ""


def _properties(book: dict[str, Any], cells: list[Any]) -> dict[str, Any]:
    metadata = book.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    kernel, language = metadata.get("kernelspec"), metadata.get("language_info")
    found: dict[str, Any] = {
        "title": _named(metadata.get("title")),
        "kernel": _named(kernel.get("display_name")) if isinstance(kernel, dict) else None,
        "language": _named(language.get("name")) if isinstance(language, dict) else None,
        "cells": len(cells),
        "code_cells": sum(isinstance(cell, dict) and cell.get("cell_type") == "code" for cell in cells),
    }
    authors = metadata.get("authors")
    if isinstance(authors, list):
        found["authors"] = [str(author.get("name", "")) for author in authors[:20] if isinstance(author, dict)]
    return {key: value for key, value in found.items() if value or isinstance(value, int)}
