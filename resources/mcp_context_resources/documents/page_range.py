"""Page ranges such as `1-3,7,10-`."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from mcp_context_resources.errors import InvalidInputError, NotFoundError

_PART: Final = re.compile(r"\s*(\d{1,9})?\s*(?:([-–—−〜~])\s*(\d{1,9})?)?\s*", re.ASCII)
_HINT: Final = "Write pages as 5, 2-4, 7- (to the end) or a list such as 1-3,8."


def parse_page_range(text: str, total: int) -> list[int]:
    """Return the page numbers a range names, in its order, without repetition; an empty range means all.

    An end beyond the last page is taken as the last page.

    Raises `InvalidInputError` for what is not a range, `NotFoundError` for a page the document doesn't have.
    """
    if not text.strip():
        return list(range(1, total + 1))
    pages: dict[int, None] = {}
    for part in unicodedata.normalize("NFKC", text).replace("、", ",").split(","):
        match = _PART.fullmatch(part)
        if match is None or not part.strip() or not (match[1] or match[3]):
            raise InvalidInputError(f"{text!r} is not a page range.", _HINT)
        first = int(match[1]) if match[1] else 1
        last = first if not match[2] else int(match[3]) if match[3] else total
        if first < 1 or (match[3] and last < first):
            raise InvalidInputError(f"{text!r} is not a page range.", _HINT)
        if first > total:
            raise NotFoundError(f"There is no page {first}: the document has {total}.", f"Ask for pages 1-{total}.")
        pages.update(dict.fromkeys(range(first, min(last, total) + 1)))
    return list(pages)


def format_page_range(pages: list[int]) -> str:
    """Write page numbers as the shortest range that names them in the same order."""
    parts: list[str] = []
    start = 0
    for i in range(1, len(pages) + 1):
        if i == len(pages) or pages[i] != pages[i - 1] + 1:
            parts.append(str(pages[start]) if i - start == 1 else f"{pages[start]}-{pages[i - 1]}")
            start = i
    return ",".join(parts)
