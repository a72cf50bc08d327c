"""EPUB: the chapters in reading order, through lxml."""

from __future__ import annotations

import html
import posixpath
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from mcp_context_resources.documents.converted import Converted
from mcp_context_resources.documents.markup.conversion_errors import check, library
from mcp_context_resources.documents.markup.html_blocks import HtmlBlocks
from mcp_context_resources.documents.markup.rich_text import visible
from mcp_context_resources.documents.markup.section_builder import SectionBuilder
from mcp_context_resources.documents.markup.web_page import decode_html, tree
from mcp_context_resources.documents.office.archive import opened
from mcp_context_resources.errors import PasswordRequiredError
from mcp_context_resources.file_errors import broken
from mcp_context_resources.html_grid import local_name

if TYPE_CHECKING:
    from mcp_context_resources.documents.office.archive import Archive
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
_DOCTYPE: Final = re.compile(r"<!DOCTYPE[^>\[]*>", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_XML_ENTITIES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})
_PAGE_TYPES: Final = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/xml"})
_MAX_PAGES: Final = 10_000
_METADATA: Final = {
    "creator": "author",
    "contributor": "contributors",
    "publisher": "publisher",
    "language": "language",
    "date": "date",
    "identifier": "identifier",
    "subject": "subjects",
    "description": "description",
    "rights": "rights",
}
_LISTED: Final = frozenset({"author", "contributors", "subjects"})


def convert(job: Job, file: DocumentFile) -> Converted:
    """Read a book in the order of its spine; a chapter without a heading takes its title from the contents list.

    Raises `UnreadableSourceError`, `PasswordRequiredError` for a protected book, `DeadlineExceededError`,
    `ContextError` where lxml isn't installed.
    """
    library("lxml.etree", file.path)
    builder = SectionBuilder(job)
    blocks = HtmlBlocks(job, builder)
    with opened(job, file.path) as archive:
        package_name = _package_name(archive)
        package = _xml(archive, package_name)
        manifest = _manifest(package, posixpath.dirname(package_name))
        spine = _spine(archive, package, manifest)
        _refuse_protected(archive, {name for name, _ in spine})
        titles = _titles(archive, package, manifest)
        notes = []
        for number, (name, linear) in enumerate(spine[:_MAX_PAGES]):
            check(job)
            notes += _chapter(archive, name, titles.get(name, ""), builder, blocks)
            if not linear:
                notes.append(f"{posixpath.basename(name)!r} stands outside the reading order.")
            job.progress(number + 1, len(spine))
    title, properties = _metadata(package)
    properties |= {"chapters": len(spine), "contents": list(dict.fromkeys(titles.values()))[:200]}
    return Converted(title, properties, builder.sections(), [*notes, *blocks.notes(), *builder.notes])


def _chapter(archive: Archive, name: str, title: str, builder: SectionBuilder, blocks: HtmlBlocks) -> list[str]:
    if name not in archive.names:
        return [f"The chapter {posixpath.basename(name)[:100]!r} is missing from the book."]
    page, notes = _page(archive, name)
    headed = any(re.fullmatch("h[1-6]", local_name(element)) for element in page.iter())
    builder.start("" if headed else title, 0 if headed or not title else 1)
    blocks.add(page)
    return notes


def _page(archive: Archive, name: str) -> tuple[Any, list[str]]:
    from lxml import etree

    content = archive.read(name)
    if not content.strip():
        return etree.fromstring(b"<body/>"), []
    text = decode_html(content, posixpath.basename(name)).text
    return _strict_page(text) or tree(text, archive.path)


def _strict_page(text: str) -> tuple[Any, list[str]] | None:
    """Parse a page as the XML it should be; None where it is not, or declares something."""
    from lxml import etree

    text = _DOCTYPE.sub("", re.sub(r"\A\ufeff?\s*<\?xml[^>]*\?>", "", text), count=1)
    text = _ENTITY.sub(lambda match: match[0] if match[1] in _XML_ENTITIES else html.unescape(match[0]), text)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(text.strip().encode(errors="replace"), parser), []
    except (etree.LxmlError, ValueError):
        return None


def _xml(archive: Archive, name: str) -> Any:
    """Parse one of the book's own lists; the document types that old books name are dropped unread."""
    from mcp_context_resources.documents.office.archive import parsed

    content = re.sub(rb"<!DOCTYPE[^>\[]*>", b"", archive.read(name), count=1)
    return parsed(content, archive.path, name)


def _package_name(archive: Archive) -> str:
    if _CONTAINER in archive.names:
        for element in _xml(archive, _CONTAINER).iter():
            if local_name(element) == "rootfile" and element.get("full-path"):
                return unquote(element.get("full-path"))
    found = next((name for name in sorted(archive.names) if name.endswith(".opf")), None)
    if found is None:
        raise broken(archive.path, "is a zip archive, but no EPUB book: it has no package file.")
    return found


def _manifest(package: Any, folder: str) -> dict[str, tuple[str, str, str]]:
    """Map identifiers to file name, media type and properties."""
    found = {}
    for item in package.iter():
        if local_name(item) == "item" and item.get("id") and item.get("href"):
            name = _inside(folder, item.get("href"))
            found[item.get("id")] = (name, item.get("media-type") or "", item.get("properties") or "")
    return found


def _spine(archive: Archive, package: Any, manifest: dict[str, tuple[str, str, str]]) -> list[tuple[str, bool]]:
    found: dict[str, bool] = {}
    for reference in package.iter():
        if local_name(reference) == "itemref" and reference.get("idref") in manifest:
            name, kind, _ = manifest[reference.get("idref")]
            if kind in _PAGE_TYPES or name.lower().endswith((".xhtml", ".html", ".htm")):
                found.setdefault(name, reference.get("linear") != "no")
    if not found:
        raise broken(archive.path, "names no chapters to read in its package file.")
    return list(found.items())


def _refuse_protected(archive: Archive, chapters: set[str]) -> None:
    if _ENCRYPTION not in archive.names:
        return
    locked = {
        unquote(element.get("URI") or "")
        for element in _xml(archive, _ENCRYPTION).iter()
        if local_name(element) == "cipherreference"
    }
    if locked & chapters:  # encrypted fonts alone are common and don't matter
        raise PasswordRequiredError(
            f"{posixpath.basename(archive.path)!r} is protected against copying (DRM).",
            "Use a copy without protection.",
        )


def _titles(archive: Archive, package: Any, manifest: dict[str, tuple[str, str, str]]) -> dict[str, str]:
    """Map file names to their titles in the contents list (nav of EPUB 3, ncx of EPUB 2)."""
    toc = next((element.get("toc") for element in package.iter() if local_name(element) == "spine"), None)
    ncx = manifest.get(toc or "", ("", "", ""))[0]
    nav = next((name for name, _, properties in manifest.values() if "nav" in properties.split()), "")
    found: dict[str, str] = {}
    if nav in archive.names:
        page, _ = _page(archive, nav)
        for link in page.iter():
            if local_name(link) == "a" and link.get("href"):
                _name(found, nav, link.get("href"), "".join(link.itertext()))
    elif ncx in archive.names:
        for point in _xml(archive, ncx).iter():
            if local_name(point) == "navpoint":
                label = next((child for child in point if local_name(child) == "navlabel"), None)
                content = next((child for child in point if local_name(child) == "content"), None)
                if label is not None and content is not None:
                    _name(found, ncx, content.get("src") or "", "".join(label.itertext()))
    return found


def _name(found: dict[str, str], base: str, href: str, title: str) -> None:
    title = " ".join(visible(title).split())[:300]
    if title:
        found.setdefault(_inside(posixpath.dirname(base), href.partition("#")[0]), title)


def _inside(folder: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(href))).lstrip("/")


def _metadata(package: Any) -> tuple[str, dict[str, Any]]:
    title, properties = "", dict[str, Any]()
    metadata = next((element for element in package.iter() if local_name(element) == "metadata"), ())
    for element in metadata:
        tag, text = local_name(element), " ".join(visible("".join(element.itertext())).split())[:2_000]
        if not text:
            continue
        if tag == "title":
            title = title or text
        elif tag == "meta" and element.get("property") == "dcterms:modified":
            properties["modified"] = text
        elif (key := _METADATA.get(tag)) in _LISTED:
            properties[key] = [*properties.get(key, []), text][:20]
        elif key:
            properties.setdefault(key, text)
    return title, properties
