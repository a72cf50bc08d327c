"""Page problems: pages that could not be read, or not as they should: told by reason, never skipped in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.page_range import format_page_range
from mcp_context_resources.errors import UnreadableSourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Problems = dict[str, list[int]]
"""Reason → numbers of the pages."""

_SHOWN: Final = 5


def problem_notes(problems: Mapping[str, Sequence[int]]) -> list[str]:
    """Write a note for each reason, and one for the pages of those beyond the first five."""
    reasons = list(problems)
    notes = [
        f"Page {format_page_range(sorted(problems[reason]))}: {reason.rstrip('.')}." for reason in reasons[:_SHOWN]
    ]
    if others := sorted({number for reason in reasons[_SHOWN:] for number in problems[reason]}):
        notes.append(f"Page {format_page_range(others)} could not be read either.")
    return notes


def unreadable_page(path: str, number: int, reason: str) -> UnreadableSourceError:
    """Make the error for a page that was asked for alone."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return UnreadableSourceError(f"Page {number} of {name!r}: {reason.rstrip('.')}.", "Try the other pages.")


def add_problems(problems: Problems, others: Mapping[str, Sequence[int]]) -> None:
    """Put the problems of other pages to these."""
    for reason, numbers in others.items():
        problems.setdefault(reason, []).extend(numbers)
