"""Notes: what a person should be told beside the hits, what is missing and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.cut_text import first_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.errors import ContextError
    from mcp_context_resources.index.spec import IndexAnswer

_SHOWN_NAMES: Final = 3
_SHOWN_PROBLEMS: Final = 2
_SHOWN_NOTES: Final = 5


def about_missing(names: Sequence[str], total: int) -> list[str]:
    """Say which sources couldn't be searched yet."""
    if not names:
        return []
    verb = "is" if len(names) == 1 else "are"
    noun = "source" if total == 1 else "sources"
    return [f"{len(names)} of {total} {noun} {verb} still being read: {first_names(names, _SHOWN_NAMES)}."]


def about_index_lag(sources: int) -> list[str]:
    """Say how many sources can't all be found by their words yet."""
    if not sources:
        return []
    return [f"{sources} {'source is' if sources == 1 else 'sources are'} still being sorted into the index of words."]


def about_words(problem: str) -> list[str]:
    """Say why words can't be sorted in."""
    return [f"New words can't be sorted in: {problem}"] if problem else []


def about_broken(broken: Sequence[tuple[str, str]]) -> list[str]:
    """Say which sources, by name and problem, can't be searched at all."""
    if not broken:
        return []
    shown = " ".join(f"{name}: {problem}" for name, problem in broken[:_SHOWN_PROBLEMS])
    more = f" And {len(broken) - _SHOWN_PROBLEMS} more." if len(broken) > _SHOWN_PROBLEMS else ""
    noun = "source" if len(broken) == 1 else "sources"
    return [f"{len(broken)} {noun} couldn't be read. {shown}{more}"]


def about_sources(noted: Sequence[tuple[str, str]]) -> list[str]:
    """Say what is to be known of sources, by name and note."""
    shown = [f"{name}: {note}" for name, note in noted[:_SHOWN_NOTES]]
    over = len(noted) - _SHOWN_NOTES
    return [*shown, f"There are notes on {over} more {'source' if over == 1 else 'sources'}."] if over > 0 else shown


def about_limits(limits: Sequence[str]) -> list[str]:
    """Say that there is more than could be listed."""
    return [f"Not everything is searched: {limit}." for limit in limits]


def about_changed(names: Sequence[str]) -> list[str]:
    """Say which sources changed or went away under the search."""
    return [f"Left out, for they changed meanwhile: {first_names(names, _SHOWN_NAMES)}."] if names else []


def about_missing_index(error: ContextError | None) -> list[str]:
    """Say why nothing new gets into the index."""
    return [f"New and changed files can't be taken in: {error}"] if error is not None else []


def about_vectors(answer: IndexAnswer, problem: str) -> list[str]:
    """Say how many passages could be compared by meaning, where not all could."""
    if answer.vectors >= answer.chunks:
        return []
    share = 100 * answer.vectors // max(answer.chunks, 1)
    why = f" ({problem})" if problem else ""
    return [f"So far {share} % of the passages were compared by meaning, all of them by words{why}."]
