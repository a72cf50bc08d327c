"""Citation of a place in a document: `document://handbook.pdf/page/3#chars=120-240`.

The fragment is that of RFC 5147 for plain text, counted in characters of the page's text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.provenance import source_uri

_CITED: Final = re.compile(r"(?P<name>.+)/page/(?P<page>[^/]+)", re.DOTALL)
_CHARS: Final = re.compile(r"chars?=(\d{1,9})(?:[-,](\d{0,9}))?")
_PAGE: Final = re.compile(r"pages?=(.+)")
_SCHEME: Final = "document://"


@dataclass(frozen=True, slots=True)
class Citation:
    """A document, pages of it (empty: all), and characters of the page (`start` None: all; `end` None: to its end).

    `whole` is what the place says where it has no fragment: a document may be called so, and is meant then, since a
    folder can have the name `page`. Otherwise it is empty.
    """

    name: str
    pages: str = ""
    start: int | None = None
    end: int | None = None
    whole: str = ""


def parse_place(text: str) -> Citation:
    """Read the name of a document, or of a place in one.

    Only what begins with `document://` is taken apart: a file's name may hold any sign. Of several `/page/` the last
    one leads to the page.

    Raises `InvalidInputError` for a fragment that names nothing.
    """
    if not text.startswith(_SCHEME):
        return Citation(text)
    cited, _, fragment = text[len(_SCHEME) :].partition("#")
    if not cited:
        return Citation(text)
    whole = unquote(cited)
    if of_page := _PAGE.fullmatch(fragment):  # pages are said once: all before is the name
        return Citation(whole, unquote(of_page[1]))
    match = _CITED.fullmatch(cited)
    name, pages = (unquote(match["name"]), unquote(match["page"])) if match else (whole, "")
    if not fragment:
        return Citation(name, pages, whole=whole)
    found = _CHARS.fullmatch(fragment)
    if found is None or not pages:
        raise InvalidInputError(
            f"{text!r} names no place in a document.", "Write document://NAME/page/3#chars=120-240."
        )
    start, end = int(found[1]), int(found[2]) if found[2] else None
    if end is not None and end <= start:
        raise InvalidInputError(f"{text!r} ends before it starts.", "Write the first character, then the last.")
    return Citation(name, pages, start, end)


def place_uri(name: str, page: int, start: int | None = None, end: int | None = None) -> str:
    """Name a page of a document, or characters of it."""
    uri = f"{source_uri('document', name)}/page/{page}"
    return uri if start is None else f"{uri}#chars={start}-{'' if end is None else end}"
