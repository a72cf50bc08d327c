"""Packages of office files (OOXML): a cleared copy in memory that holds only parts that were looked at."""

from __future__ import annotations

import io
import posixpath
import zipfile
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from mcp_context_resources.documents.office.archive import opened, parsed, refuse_declarations
from mcp_context_resources.file_errors import broken

if TYPE_CHECKING:
    from mcp_context_resources.documents.office.archive import Archive
    from mcp_context_resources.workers.job import Job

_CONTENT_TYPES: Final = "[Content_Types].xml"
_MAIN_TYPES: Final = {
    "docx": b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    "pptx": b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
}
_VARIANTS: Final = {
    "docx": (
        b"application/vnd.ms-word.document.macroEnabled.main+xml",
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
        b"application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    ),
    "pptx": (
        b"application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
        b"application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
        b"application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
        b"application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
        b"application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
    ),
}
# Strict OOXML names its vocabularies differently (ISO/IEC 29500-1 and -4).
_STRICT: Final = (
    (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    ),
    (
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    ),
    (b"http://purl.oclc.org/ooxml/presentationml/main", b"http://schemas.openxmlformats.org/presentationml/2006/main"),
    (b"http://purl.oclc.org/ooxml/officeDocument/math", b"http://schemas.openxmlformats.org/officeDocument/2006/math"),
    (b"http://purl.oclc.org/ooxml/drawingml/", b"http://schemas.openxmlformats.org/drawingml/2006/"),
)
_OTHERS: Final = (
    ("word/", "a Word document", "docx"),
    ("ppt/", "a PowerPoint presentation", "pptx"),
    ("xl/", "an Excel workbook", "xlsx"),
)


def cleared(job: Job, path: str, form: str) -> io.BytesIO:
    """Copy the XML parts of an office file into a new archive in memory.

    Pictures, sounds, fonts and programs become empty parts; relations to parts that are missing are left out, so that
    readers don't stumble over them; macro, template and strict variants look like the plain kind.

    Raises `UnreadableSourceError`, `PasswordRequiredError`, `DeadlineExceededError`.
    """
    copy = io.BytesIO()
    with opened(job, path) as archive, zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as target:
        _check_kind(archive, form)
        for number, name in enumerate(sorted(archive.names)):
            if name.endswith("/"):
                continue
            target.writestr(name, _part(archive, name, form))
            job.progress(number + 1, len(archive.names))
    copy.seek(0)
    return copy


def _part(archive: Archive, name: str, form: str) -> bytes:
    if not name.lower().endswith((".xml", ".rels")):
        return b""
    content = archive.read(name)
    refuse_declarations(content, archive.path, name)
    if b"purl.oclc.org/ooxml" in content:
        for strict, usual in _STRICT:
            content = content.replace(strict, usual)
    if name == _CONTENT_TYPES:
        for variant in _VARIANTS[form]:
            content = content.replace(variant, _MAIN_TYPES[form])
    return _with_whole_relations(archive, name, content) if name.endswith(".rels") else content


def _with_whole_relations(archive: Archive, name: str, content: bytes) -> bytes:
    from lxml import etree

    relations: Any = parsed(content, archive.path, name)
    folder = posixpath.dirname(posixpath.dirname(name))
    for relation in list(relations):
        target = unquote(relation.get("Target") or "").partition("#")[0]
        inside = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        if relation.get("TargetMode") != "External" and inside not in archive.names:
            relations.remove(relation)
    return bytes(etree.tostring(relations, encoding="UTF-8", xml_declaration=True))


def _check_kind(archive: Archive, form: str) -> None:
    if _CONTENT_TYPES in archive.names and _MAIN_TYPES[form] in _main_types(archive, form):
        return
    for folder, what, ending in _OTHERS:
        if ending != form and any(name.startswith(folder) for name in archive.names):
            raise broken(archive.path, f"is {what} by its content.", f"Give it the ending .{ending}.")
    if "mimetype" in archive.names:
        kind = archive.read("mimetype")[:80].decode("ascii", "replace").strip()
        raise broken(archive.path, f"is of the kind {kind!r} by its content.", "Give it the ending of its kind.")
    raise broken(archive.path, "is a zip archive, but no office document.")


def _main_types(archive: Archive, form: str) -> bytes:
    content = archive.read(_CONTENT_TYPES)
    for variant in _VARIANTS[form]:
        content = content.replace(variant, _MAIN_TYPES[form])
    return content
