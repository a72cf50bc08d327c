"""Sources for a question that names none: the passages that the search finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread

from mcp_context_resources.cut_text import first_names
from mcp_context_resources.errors import ContextError
from mcp_context_resources.index.request import SearchRequest
from mcp_context_tools.model_tasks.outcome import Outcome
from mcp_context_tools.passages import MAX_MATERIAL_CHARS, Material, gather
from mcp_context_tools.rendering import one_line
from mcp_context_tools.search_hits.paging import folded
from mcp_context_tools.search_hits.places import place_of, row_sql
from mcp_context_tools.search_hits.search_notes import how_searched, left_out_text, what_else

if TYPE_CHECKING:
    from mcp_context_resources.index.request import SearchResults
    from mcp_context_resources.index.spec import Hit
    from mcp_context_resources.tables.dialect import Dialect
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_tools.tool import Report, Services

_HITS: Final = 12
_OF_ONE_SOURCE: Final = 8
_NAMES: Final = 5
_MOST_CHARS: Final = 10_000


async def searched(
    services: Services, catalogue: Catalogue, question: str, report: Report
) -> tuple[Material, Outcome | None]:
    """Search for a question and read what was found, as it stands in the files now.

    Returns also the outcome where nothing was found: there is nothing for a model to read then. What can't be read any
    more is told in the notes.
    """
    request = SearchRequest(question[:_MOST_CHARS], most=_HITS, per_source=_OF_ONE_SOURCE)
    results = await services.index.search(request, on_progress=report)
    material = Material(notes=list(results.notes))
    for found in await anyio.to_thread.run_sync(folded, results.answer.hits):
        try:
            part = await gather(
                services,
                catalogue,
                [_name(services.tables.dialect, found.hit)],
                report=report,
                max_chars=MAX_MATERIAL_CHARS,
            )
        except ContextError as error:
            material.notes.append(f"{one_line(found.hit.source.name)} was found but could not be read: {error.message}")
            continue
        material.passages += part.passages
        material.sources += [ref for ref in part.sources if ref.uri not in {known.uri for known in material.sources}]
    material.notes.append(_told(results, material))
    if material.passages:
        return material, None
    data = {"status": "not_in_sources", "text": "", "statements": [], "dropped": 0, "closest": []}
    return material, Outcome(f"{what_else(results, request)}\n", data)


def _name(dialect: Dialect, hit: Hit) -> str:
    """Name a hit as a source: the citation of a passage, a row by the statement that fetches it, or a whole table."""
    if hit.chunk.page is None and hit.chunk.row is not None:
        return row_sql(dialect, hit.source.name, hit.chunk.row)
    return place_of(hit.source, hit.chunk)


def _told(results: SearchResults, material: Material) -> str:
    told = how_searched(results)
    if material.passages:
        names = list(dict.fromkeys(ref.name for ref in material.sources))
        told += f" Read {len(material.passages)} passages of {first_names(names, _NAMES)}."
    return f"{told} {left_out_text(results)}" if results.left_out else told
