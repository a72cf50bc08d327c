"""Names of columns as files have them, made usable in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def unique_names(names: Iterable[Any]) -> list[str]:
    """Give every column a name of its own, by ASCII-insensitive comparison as the engine's.

    White space becomes single blanks, an empty name `column3` by its position, a repeated one `name_2`.
    """
    taken: set[str] = set()
    unique = []
    for position, name in enumerate(names, start=1):
        plain = " ".join(str(name).split()) if name is not None else ""
        base = candidate = plain.replace("\0", "") or f"column{position}"
        number = 1
        while candidate.lower() in taken:
            number += 1
            candidate = f"{base}_{number}"
        taken.add(candidate.lower())
        unique.append(candidate)
    return unique
