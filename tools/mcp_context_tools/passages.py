"""Passages: the content of sources in pieces, each with a citation of its own, for a local model to read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.citation import parse_place, place_uri
from mcp_context_resources.errors import NotFoundError, PromptTooLongError, UnreadableSourceError
from mcp_context_resources.provenance import source_uri
from mcp_context_resources.workspace.name_matching import fitting
from mcp_context_resources.workspace.names import lookup_key
from mcp_context_tools.rendering import cell_line, csv_line, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.documents.spec import Reading
    from mcp_context_resources.provenance import Kind, SourceRef
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import Report, Services

MAX_MATERIAL_CHARS: Final = 4_000_000
"""Most characters that are read for one task: about two thousand full pages."""

_AT_ONCE_CHARS: Final = 400_000
_MAX_CELL_CHARS: Final = 2_000
_KINDS: Final[tuple[Kind, ...]] = ("table", "document")
_PAGES: Final = re.compile("#pages?=")
_QUERY: Final = re.compile(r"\s*(?:select|with|from|summarize|describe|pivot)\b[\s\S]*\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A page of a document, or rows of a table or of a query's result.

    `start` is where `text` begins in its page, in characters. `lines` tells that each line stands for itself.
    """

    source: str
    label: str
    text: str
    uri: str
    page: int | None = None
    start: int = 0
    lines: bool = False

    def cite(self, start: int, end: int) -> str:
        """Return the URI of characters of the text."""
        if self.page is None:
            return self.uri
        return f"{self.uri}#chars={self.start + start}-{self.start + end}"


@dataclass(slots=True)
class Material:
    """Passages, where they came from, and what is to be told of them."""

    passages: list[Passage] = field(default_factory=list)
    sources: list[SourceRef] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def chars(self) -> int:
        """How many characters all passages have."""
        return sum(len(passage.text) for passage in self.passages)


async def gather(
    services: Services, catalogue: Catalogue, names: Sequence[str], *, report: Report, max_chars: int
) -> Material:
    """Read sources: tables and documents by name, pages (`report.pdf#pages=2-4`), citations, and SELECT statements.

    Raises `NotFoundError` for an unknown name, `PromptTooLongError` when they have more than `max_chars` characters,
    `UnreadableSourceError` for pages without any text.
    """
    material = Material()
    for name in dict.fromkeys(names):
        if _QUERY.match(name) and not _is_named(catalogue, name):
            await _rows(services, name, "the query", name, material, max_chars)
            continue
        cited = name if name.startswith("document://") else name.replace("#page=", "#pages=")
        bare, _, pages = cited.partition("#pages=") if not name.startswith("document://") else (cited, "", "")
        table = None if pages else _table_named(services, catalogue, bare)
        if table is not None:
            uri = source_uri("table", table.name)
            dialect = services.tables.dialect
            sql = dialect.rows(dialect.identifier(table.name))
            await _rows(services, sql, table.name, uri, material, max_chars)
        else:
            await report(0, None, f"reading {bare}")
            await _document(services, catalogue, bare, pages, material, max_chars)
    return material


def _is_named(catalogue: Catalogue, name: str) -> bool:
    """Tell whether a table or document has a name that reads like SQL: `With love.txt`."""
    wanted = lookup_key(_PAGES.split(name, maxsplit=1)[0])
    return any(
        catalogue.find(kind, wanted) is not None or any(lookup_key(one.file) == wanted for one in catalogue.of(kind))
        for kind in _KINDS
    )


def _table_named(services: Services, catalogue: Catalogue, name: str) -> Source | None:
    """Return the table of that name, URI or path; None where it may be a document's."""
    if name.startswith("document://"):
        return None
    try:
        return services.workspace.resolve(catalogue, "table", name)
    except NotFoundError:
        if name.startswith("table://"):
            raise
        return None


def _tables_fitting(name: str, catalogue: Catalogue) -> list[SourceRef]:
    return [source.ref() for source in fitting(name, catalogue.of("table"))] if name else []


async def _document(
    services: Services, catalogue: Catalogue, name: str, pages: str, material: Material, max_chars: int
) -> None:
    if parse_place(name).start is not None and not pages:
        await _cited(services, name, material)
        return
    offset, version = 0, ""
    reading: Reading | None = None
    found_text = False
    while reading is None or reading.remaining:
        try:
            found = await services.documents.read(
                name, pages=pages, offset=offset, max_chars=_AT_ONCE_CHARS, version=version
            )
        except NotFoundError as error:
            raise NotFoundError(
                error.message.replace("no document", "no table or document"),
                error.hint,
                wanted=error.wanted,
                candidates=error.candidates or _tables_fitting(error.wanted, catalogue),
            ) from error
        if reading is None:
            material.sources.append(found.ref)
        reading = found.content
        material.notes += [note for note in reading.notes if note not in material.notes]
        for page in reading.pages:
            found_text = found_text or bool(page.text.strip())
            label = f"page {page.number}"
            uri = place_uri(found.source.name, page.number)
            material.passages.append(Passage(found.source.name, label, page.text, uri, page.number, page.start))
        name, pages = found.source.uri, reading.remaining
        offset, version = reading.next_offset, found.source.fingerprint
        _check_length(material, max_chars, found.source.name)
    if not found_text:
        raise UnreadableSourceError(
            f"There is no text on the pages asked for of {one_line(found.source.name)}.",
            "They are blank or scanned images; a model would only invent an answer.",
        )


async def _cited(services: Services, name: str, material: Material) -> None:
    found = await services.documents.passage(parse_place(name))
    material.sources.append(found.ref)
    for match in found.content.matches:
        uri = place_uri(found.source.name, match.number)
        label = f"page {match.number}"
        material.passages.append(Passage(found.source.name, label, match.text, uri, match.number, match.start))


async def _rows(services: Services, sql: str, name: str, uri: str, material: Material, max_chars: int) -> None:
    left = max(1, max_chars - material.chars)
    page = await services.tables.query(
        sql, None, max_rows=services.tables.settings.max_rows, max_chars=left, max_cell_chars=_MAX_CELL_CHARS
    )
    material.sources += [ref for ref in page.sources if ref not in material.sources]
    fetched = page.fetched
    columns = [cell_line(column.name) for column in fetched.columns]
    lines: list[str] = []
    for row in fetched.rows:
        line = _row_line(columns, row)
        left -= len(line)
        if lines and left < 0:
            break
        lines.append(line)
    if fetched.more or len(lines) < len(fetched.rows):
        material.notes.append(
            f"Of {name} only the first {len(lines):,} rows were read: narrow it down with a SELECT as source."
        )
    if fetched.cells_cut:
        material.notes.append(f"{fetched.cells_cut} long cells of {name} were cut.")
    text = "".join(lines) or csv_line(columns)
    label = f"rows 1-{len(lines)}" if lines else "no rows"
    material.passages.append(Passage(name, label, text, uri, lines=True))
    _check_length(material, max_chars, name)


def _row_line(columns: Sequence[str], row: Sequence[object]) -> str:
    """Write a row so that it can be understood and quoted by itself: `id: 7; name: Alice`."""
    cells = zip(columns, row, strict=True)
    return "; ".join(f"{column}: {cell_line(cell)}" for column, cell in cells if cell is not None) + "\n"


def _check_length(material: Material, max_chars: int, name: str) -> None:
    if material.chars > max_chars:
        raise PromptTooLongError(
            f"The sources have more than the {max_chars:,} characters that can be read for one task; {name} was the"
            " last one.",
            f"Name the pages that matter, such as {name}#pages=1-30, or fewer sources.",
        )
