"""The labels that rows may get."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_LABELS: Final = 100
MAX_LABEL_CHARS: Final = 100
MAX_DESCRIPTION_CHARS: Final = 1_000


def check_labels(given: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Return labels with what each means, "" where that isn't told.

    Raises `InvalidInputError` for too few or too many, for empty or repeated ones, and for one that is too long.
    """
    pairs = list(given.items()) if isinstance(given, dict) else [(label, "") for label in given]
    if not 2 <= len(pairs) <= MAX_LABELS:
        raise InvalidInputError(
            f"There {'is' if len(pairs) == 1 else 'are'} {len(pairs)} label{'' if len(pairs) == 1 else 's'};"
            f" 2 to {MAX_LABELS} are allowed.",
            "Give labels as a list of names, or as an object of names with what each means.",
        )
    labels: dict[str, str] = {}
    seen: dict[str, str] = {}
    for number, (label, meaning) in enumerate(pairs, start=1):
        name = " ".join(label.split())
        if not name:
            raise InvalidInputError(f"Label {number} is empty.", "Give it a name, or leave it out.")
        if len(name) > MAX_LABEL_CHARS or len(meaning) > MAX_DESCRIPTION_CHARS:
            raise InvalidInputError(
                f"Label {number} is too long: a name may have {MAX_LABEL_CHARS} characters, its meaning"
                f" {MAX_DESCRIPTION_CHARS:,}.",
                "Shorten it; what a label means goes into its description.",
            )
        key = unicodedata.normalize("NFKC", name).casefold()
        if key in seen:
            raise InvalidInputError(f"The labels {seen[key]!r} and {name!r} are the same.", "Leave one of them out.")
        seen[key] = name
        labels[name] = " ".join(meaning.split())
    return labels
