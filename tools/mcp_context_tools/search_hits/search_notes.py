"""Search notes: how a search was done, what it could not see, and what to try when it found nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.cut_text import first_names

if TYPE_CHECKING:
    from mcp_context_resources.index.request import SearchRequest, SearchResults
    from mcp_context_resources.index.spec import SearchMode

_MODES: Final[dict[SearchMode, str]] = {
    "hybrid": "by words and by meaning",
    "lexical": "by words alone",
    "vector": "by meaning alone",
}
_SHOWN_NAMES: Final = 3
_AGAIN: Final = "try again soon, some files are still being read"


def how_searched(results: SearchResults) -> str:
    """Say how many sources were searched, and how."""
    noun = "source" if results.searched == 1 else "sources"
    how = _MODES[results.mode]
    if results.mode != "lexical" and results.answer.vectors < results.answer.chunks:
        share = results.answer.vectors * 100 // max(1, results.answer.chunks)
        how += f" ({share} % of the passages so far)"
    return f"Searched {results.searched:,} {noun} {how}."


def left_out_text(results: SearchResults) -> str:
    """Name the sources that could not be searched."""
    return f"Not searched: {', '.join(results.left_out)}."


def what_else(results: SearchResults, request: SearchRequest) -> str:
    """Say what can be done where nothing was found."""
    advice = []
    if results.searched == 0:
        return _nothing_searched(results, request)
    if not results.answer.terms and results.mode == "lexical":
        advice.append("the query holds no word to look for, give one or more")
    else:
        advice.append("try other or fewer words, as they may stand in the text")
    if request.filtered:
        advice.append("take filters away")
    if results.reading:
        advice.append(_AGAIN)
    return f"Nothing found: {'; '.join(advice)}."


def _nothing_searched(results: SearchResults, request: SearchRequest) -> str:
    """Tell apart what isn't there, what isn't read yet, and what can't be read."""
    if results.reading:
        return f"Nothing could be searched yet: {_AGAIN}."
    if results.left_out:
        names = first_names(results.left_out, _SHOWN_NAMES)
        return f"Nothing could be searched, for {names} can't be read; list_sources tells what else there is."
    if request.filtered:
        return "No table or document fits these filters: take some away, or call list_sources to see what there is."
    return "There is no document and no table to search; call list_sources to see what is served."
