"""Web pages through lxml, which is given text and fetches nothing."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.documents.converted import Converted
from mcp_context_resources.documents.markup.conversion_errors import library, reason
from mcp_context_resources.documents.markup.html_blocks import HtmlBlocks
from mcp_context_resources.documents.markup.rich_text import visible
from mcp_context_resources.documents.markup.section_builder import SectionBuilder
from mcp_context_resources.file_errors import broken
from mcp_context_resources.html_grid import local_name
from mcp_context_resources.text_encoding import DecodedText, decode_text, known_encoding

if TYPE_CHECKING:
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_MAX_BYTES: Final = 24 << 20
_LOOKED_AT_BYTES: Final = 4_096
_NAMED: Final = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_DECLARATION: Final = re.compile(r"\A\ufeff?\s*<\?xml[^>]*\?>")
_META: Final = {
    "author": "author",
    "description": "description",
    "keywords": "keywords",
    "generator": "generator",
    "date": "created",
    "dc.date": "created",
    "dcterms.created": "created",
    "article:published_time": "created",
    "dcterms.modified": "modified",
    "article:modified_time": "modified",
    "last-modified": "modified",
    "og:site_name": "site",
}


def convert(job: Job, file: DocumentFile) -> Converted:
    """Read a web page as a browser without scripts would show it.

    Raises `UnreadableSourceError`, `InvalidInputError` for an unknown encoding, `DeadlineExceededError`, `ContextError`
    where lxml isn't installed.
    """
    library("lxml.etree", file.path)
    if (size := Path(file.path).stat().st_size) > _MAX_BYTES:
        raise broken(
            file.path, f"has {size >> 20:,} MB; up to {_MAX_BYTES >> 20} MB of HTML are read.", "Split the page."
        )
    source = decode_html(Path(file.path).read_bytes(), Path(file.path).name, file.encoding)
    page, notes = tree(source.text, file.path)
    title, properties = _properties(page)
    builder = SectionBuilder(job)
    blocks = HtmlBlocks(job, builder)
    blocks.add(page)
    sections = builder.sections()
    title = title or next((section.label for section in sections if section.level == 1), "")
    notes = [*source.notes, *notes, *blocks.notes(), *builder.notes]
    return Converted(title, {**properties, "encoding": source.encoding}, sections, notes)


def decode_html(content: bytes, name: str, encoding: str | None = None) -> DecodedText:
    """Decode a page: by a byte-order mark, else by what it declares if that fits, else by detection.

    Valid UTF-8 wins over a declared encoding of one byte, which fits any bytes.

    Raises `UnreadableSourceError`, `InvalidInputError` for an unknown encoding.
    """
    marked = content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE))
    found = None if encoding or marked else _NAMED.search(content[:_LOOKED_AT_BYTES])
    declared = known_encoding(found[1].decode("ascii")) if found else None
    if declared and not declared.startswith(("utf-16", "utf-32")) and b"\0" not in content:
        for candidate in (declared,) if declared.startswith("iso2022") else ("utf-8", declared):
            try:
                return DecodedText(content.decode(candidate), candidate)
            except UnicodeDecodeError:
                continue
        if declared.startswith(("utf", "cp932", "euc")) and _nearly(content, declared):
            return decode_text(content, name, declared)
    return decode_text(content, name, encoding)


def tree(text: str, path: str) -> tuple[Any, list[str]]:
    """Parse HTML as browsers do, however broken; return its root and a note where it is nested too deeply.

    Raises `UnreadableSourceError`, `ContextError` where lxml isn't installed.
    """
    etree = library("lxml.etree", path)
    parser = etree.HTMLParser(no_network=True, huge_tree=True, encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        content = _DECLARATION.sub("", text).encode(errors="replace")
        page = etree.fromstring(content, parser)
    except (etree.LxmlError, ValueError) as error:
        raise broken(path, f"can't be read as HTML: {reason(error, path)}.") from error
    if page is None:
        raise broken(path, "holds no HTML.", "There is nothing to read in it.")
    deep = any("depth" in entry.message.lower() for entry in parser.error_log)
    return page, ["It is nested too deeply: what follows the deepest place is left out."] if deep else []


def _nearly(content: bytes, encoding: str) -> bool:
    text = content.decode(encoding, "replace")
    return text.count("\ufffd") * 100 < sum(character > "\x7f" for character in text)


def _properties(page: Any) -> tuple[str, dict[str, Any]]:
    title = ""
    properties: dict[str, Any] = {}
    if language := page.get("lang") or page.get("{http://www.w3.org/XML/1998/namespace}lang"):
        properties["language"] = language[:40]
    head = next((child for child in page if local_name(child) == "head"), page)
    for element in head.iter():
        tag = local_name(element)
        if tag == "title" and not title:
            title = " ".join(visible("".join(element.itertext())).split())[:500]
        elif tag == "meta":
            name = (element.get("name") or element.get("property") or element.get("http-equiv") or "").lower()
            content = " ".join(visible(element.get("content") or "").split())[:2_000]
            if name in _META and content:
                properties.setdefault(_META[name], content)
    return title, properties
