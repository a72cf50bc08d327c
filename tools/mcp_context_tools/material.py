"""Gathering the content of sources, marked and cited, for a model's prompt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import InvalidInputError, NotFoundError, PromptTooLongError, UnreadableSourceError
from mcp_context_tools.rendering import Untrusted, csv_line

if TYPE_CHECKING:
    from mcp_context_resources.provenance import SourceRef
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import Services

# No tokenizer packs more characters than this into a token on average, so longer material can't fit.
_CHARS_PER_TOKEN: Final = 8
_TABLE_ROWS: Final = 100
_CELL_CHARS: Final = 500


@dataclass(slots=True)
class Material:
    """Text of sources for a prompt, where it came from, and what was left out."""

    text: str = ""
    sources: list[SourceRef] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def gather(services: Services, catalogue: Catalogue, names: list[str], *, context_tokens: int) -> Material:
    """Read the named sources.

    A name may end in `#pages=2-4` for a document. Of a long table the first rows are taken, and a note says so.

    Raises `NotFoundError` for an unknown name, `PromptTooLongError` when a document can't fit the model's context.
    """
    material = Material()
    parts: list[tuple[str, str]] = []
    left = context_tokens * _CHARS_PER_TOKEN
    for name in dict.fromkeys(names):
        bare, _, pages = name.replace("#page=", "#pages=").partition("#pages=")
        table = None if pages else _table_named(services, catalogue, bare)
        if table is not None:
            text = await _table(services, table, left, material)
        else:
            text = await _document(services, bare, pages, left, material)
        left -= len(text)
        parts.append((text, name))
    # Made from the text itself, so that the same sources make the same prompt and the same answer.
    untrusted = Untrusted(hashlib.sha256("\0".join(text for text, _ in parts).encode()).hexdigest()[:12])
    material.text = "\n".join(untrusted.wrap(text, name) for text, name in parts)
    return material


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


async def _document(services: Services, name: str, pages: str, max_chars: int, material: Material) -> str:
    try:
        found = await services.documents.read(name, pages=pages, max_chars=max(max_chars, 1))
    except NotFoundError as error:
        raise NotFoundError(error.message.replace("no document", "no table or document"), error.hint) from error
    reading = found.content
    if reading.remaining:
        raise PromptTooLongError(
            f"{name} is too long for the model's context: page {reading.remaining} did not fit.",
            f"Name the pages that matter, such as {found.source.name}#pages=1-3.",
        )
    if not any(page.text.strip() for page in reading.pages):
        raise UnreadableSourceError(
            f"There is no text on the pages asked for of {found.source.name}.",
            "They are blank or scanned images; a model would only invent an answer.",
        )
    material.sources.append(found.ref)
    material.notes.extend(reading.notes)
    return "\n".join(f"[page {page.number}]\n{page.text}" for page in reading.pages)


async def _table(services: Services, table: Source, max_chars: int, material: Material) -> str:
    if max_chars <= 0:
        raise InvalidInputError("The sources are too long for the model's context.", "Name fewer of them.")
    page = await services.tables.query(
        f'FROM "{table.name}"', None, max_rows=_TABLE_ROWS, max_chars=max_chars, max_cell_chars=_CELL_CHARS
    )
    material.sources.extend(page.sources)
    fetched = page.fetched
    if fetched.more:
        material.notes.append(f"Of table {table.name} the model saw only the first {len(fetched.rows)} rows.")
    return csv_line([column.name for column in fetched.columns]) + "".join(csv_line(row) for row in fetched.rows)
