"""Conversion of documents without pages by the readers of their formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.converted import Converted
from mcp_context_resources.documents.markup.conversion_errors import check, reason
from mcp_context_resources.errors import ContextError, InvalidInputError, PasswordRequiredError
from mcp_context_resources.file_errors import broken
from mcp_context_resources.workers.function import WorkerFunction

if TYPE_CHECKING:
    from mcp_context_resources.documents.reader import DocumentReader
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_OFFICE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_SIGNATURES: Final = (
    (b"%PDF-", "a PDF", ".pdf"),
    (b"\x89PNG\r\n", "a PNG picture", ".png"),
    (b"\xff\xd8\xff", "a JPEG picture", ".jpg"),
    (b"GIF8", "a GIF picture", ".gif"),
    (b"\x1f\x8b", "a gzip archive", ".gz"),
    (b"{\\rtf", "an RTF document", ".rtf"),
    (b"PK\x03\x04", "a zip archive or an office document", ".zip"),
)
_START_BYTES: Final = 1_024


def convert(job: Job, file: DocumentFile) -> Converted:
    """Read a document of a format without pages whole, in sections under its headings.

    Raises `UnreadableSourceError` with what is wrong with the file, `PasswordRequiredError`, `InvalidInputError` for
    a format that has pages or an unknown encoding, `ContextError` naming the extra to install, `DeadlineExceededError`.
    """
    path, form = file.path, file.reader
    if form.paged:
        raise InvalidInputError(f"There is no form {form.format!r}.", "It has pages, and is not converted.")
    try:
        check(job)
        _refuse_others(path, form)
        read: WorkerFunction[object, DocumentFile] = WorkerFunction(form.open)
        converted = read(job, file)
        if not isinstance(converted, Converted):
            raise TypeError(f"its reader returned a {type(converted).__name__}")
    except (ContextError, MemoryError):
        raise
    except Exception as error:
        raise _told(error, path, form) from error
    if not converted.sections:
        converted.notes.append("It holds no text.")
    return converted


def _told(error: Exception, path: str, form: DocumentReader) -> ContextError:
    """Make the error that says what is wrong with the file, or with the installation."""
    if isinstance(error, RecursionError):
        return broken(path, "is nested too deeply to be read.")
    if isinstance(error, OSError):
        return broken(path, f"can't be read: {error.strerror or type(error).__name__}.")
    if isinstance(error, ModuleNotFoundError):
        return ContextError(
            f"Reading {Path(path).name!r} needs the package {error.name}, which isn't installed.",
            f"Install it with: pip install '{form.extra or error.name}'.",
        )
    if type(error).__name__ == "XMLSyntaxError":
        return broken(path, f"is damaged: {reason(error, path)}.", "Save it again, or get a whole copy.")
    if form.zipped:
        return broken(path, "is damaged: its parts don't fit together.", "Save it again, or get a whole copy.")
    return broken(path, f"can't be read as {form.title}: {reason(error, path)}.")


def _refuse_others(path: str, form: DocumentReader) -> None:
    """Tell a file that is empty, encrypted or plainly of another kind from one worth reading."""
    with open(path, "rb") as file:
        start = file.read(_START_BYTES)
    if not start:
        raise broken(path, "is empty.", "There is nothing to read in it.")
    if start.startswith(_OFFICE_MAGIC):
        _refuse_old_office(path, form)
    for magic, what, ending in _SIGNATURES:
        if start.startswith(magic) and not (form.zipped and ending == ".zip"):
            raise broken(path, f"is {what} by its content, not {form.title}.", f"Give it the ending {ending}.")
    if form.zipped and not start.startswith(b"PK"):
        page = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))
        what = "is a web page by its content" if page else "is damaged or something else: it doesn't start as"
        told = f"{what}, not {form.title}." if page else f"{what} {form.title} does."
        raise broken(path, told, "Give it the ending .html." if page else "Save it again, or get a whole copy.")


def _refuse_old_office(path: str, form: DocumentReader) -> None:
    name = Path(path).name
    with open(path, "rb") as file:
        content = file.read(64 << 20)
    if _ENCRYPTED in content:
        raise PasswordRequiredError(
            f"{name!r} is protected with a password.", "Save a copy without the password and read that."
        )
    raise broken(
        path,
        f"is an Office file of the kind before 2007, not {form.title}.",
        "Open it in an office program and save it as .docx or .pptx.",
    )
