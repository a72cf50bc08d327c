"""Source rows: pages of documents as rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.language import language_of
from mcp_context_tools.passages import MAX_MATERIAL_CHARS, gather

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp_context_resources.tables.model_tables.spec import RowsWanted, TakenRows
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.passages import Passage
    from mcp_context_tools.tool import Report, Services

_KEEPING_SECONDS: Final = 60.0
_LONG_CHARS: Final = 4_000
# About what models that embed read at most: 512 tokens.
_SHORT_CHARS: Final = 1_500
_SHORT_CHARS_JAPANESE: Final = 700


async def source_rows(
    services: Services, names: Sequence[str], wanted: RowsWanted, report: Report, *, short: bool
) -> tuple[TakenRows, list[Source], list[str]]:
    """Read documents and keep a row for each page, or for each passage of a long one; `short` passages for embedding.

    Returns the rows, the documents and what is to be told. Raises as `gather`, and `InvalidInputError` for tables.
    """
    catalogue = await services.tables.catalogue()
    material = await gather(services, catalogue, names, report=report, max_chars=MAX_MATERIAL_CHARS)
    if any(passage.lines for passage in material.passages):
        raise InvalidInputError("sources are documents or pages of them.", 'For a table give sql: "SELECT * FROM it".')
    columns: dict[str, list[Any]] = {"source": [], "page": [], "uri": [], "text": []}
    for passage in material.passages:
        for text, uri in _pieces(passage, short=short):
            for name, value in zip(columns, (passage.source, passage.page, uri, text), strict=True):
                columns[name].append(value)
    wanted = replace(wanted, columns=wanted.columns or ("text",))
    taken = await services.tables.mapped.keep_rows(columns, wanted, _KEEPING_SECONDS)
    documents = [found for ref in material.sources if (found := catalogue.find("document", ref.name)) is not None]
    return taken, documents, material.notes


def _pieces(passage: Passage, *, short: bool) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a page with the URI that cites each."""
    text, most = passage.text, _LONG_CHARS
    if short:
        most = _SHORT_CHARS_JAPANESE if language_of(text) == "ja" else _SHORT_CHARS
    if len(text) <= most:
        yield text, passage.cite(0, len(text)) if passage.start else passage.uri
        return
    start = 0
    while start < len(text):
        piece = cut_text(text, start=start, max_chars=most)
        yield piece.text, passage.cite(piece.start, piece.end)
        start = piece.end
