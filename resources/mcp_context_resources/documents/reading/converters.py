"""Any document that is not a PDF, converted by the reader of its form."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from mcp_context_resources.documents.markup.conversion_errors import broken, check, reason
from mcp_context_resources.errors import ContextError, InvalidInputError, PasswordRequiredError

if TYPE_CHECKING:
    from mcp_context_resources.documents.markup.spec import Converted
    from mcp_context_resources.workers.job import Job

_HOME: Final = "mcp_context_resources.documents.markup"
_READERS: Final = {
    "markdown": "markdown",
    "text": "plain_text",
    "html": "web_page",
    "docx": "word",
    "pptx": "slides",
    "epub": "epub",
    "email": "mail",
    "notebook": "notebook",
}
_ZIPPED: Final = frozenset({"docx", "pptx", "epub"})
_NAMES: Final = {
    "docx": "a Word document",
    "pptx": "a PowerPoint presentation",
    "epub": "an EPUB book",
    "html": "a web page",
    "email": "an e-mail message",
    "notebook": "a notebook",
    "markdown": "a text file",
    "text": "a text file",
}
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


class _Reader(Protocol):
    def __call__(self, job: Job, path: str, encoding: str | None = None, /) -> Converted: ...


def convert(job: Job, path: str, form: str, encoding: str | None = None) -> Converted:
    """Read a document whole, in sections under its headings.

    `form` is a value of `CONVERTED_FORMATS`; `encoding` overrides the detected one where the form is text.

    Raises `UnreadableSourceError` with what is wrong with the file, `PasswordRequiredError`, `InvalidInputError` for
    an unknown form or encoding, `ContextError` naming the extra to install, `DeadlineExceededError`.
    """
    if form not in _READERS:
        raise InvalidInputError(f"There is no form {form!r}.", f"The forms are {', '.join(_READERS)}.")
    try:
        check(job)
        _refuse_others(path, form)
        reader = cast("_Reader", importlib.import_module(f"{_HOME}.{_READERS[form]}").convert)
        converted = reader(job, path, encoding)
    except (ContextError, MemoryError):
        raise
    except RecursionError as error:
        raise broken(path, "is nested too deeply to be read.") from error
    except OSError as error:
        raise broken(path, f"can't be read: {error.strerror or type(error).__name__}.") from error
    except Exception as error:
        if type(error).__name__ == "XMLSyntaxError":
            raise broken(path, f"is damaged: {reason(error, path)}.", "Save it again, or get a whole copy.") from error
        if form in _ZIPPED:
            raise broken(
                path, "is damaged: its parts don't fit together.", "Save it again, or get a whole copy."
            ) from error
        raise broken(path, f"can't be read as {_NAMES[form]}: {reason(error, path)}.") from error
    if not converted.sections:
        converted.notes.append("It holds no text.")
    return converted


def _refuse_others(path: str, form: str) -> None:
    """Tell a file that is empty, encrypted or plainly of another kind from one worth reading."""
    with open(path, "rb") as file:
        start = file.read(_START_BYTES)
    if not start:
        raise broken(path, "is empty.", "There is nothing to read in it.")
    if start.startswith(_OFFICE_MAGIC):
        _refuse_old_office(path, form)
    for magic, what, ending in _SIGNATURES:
        if start.startswith(magic) and not (form in _ZIPPED and ending == ".zip"):
            raise broken(path, f"is {what} by its content, not {_NAMES[form]}.", f"Give it the ending {ending}.")
    if form in _ZIPPED and not start.startswith(b"PK"):
        page = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))
        what = "is a web page by its content" if page else "is damaged or something else: it doesn't start as"
        told = f"{what}, not {_NAMES[form]}." if page else f"{what} {_NAMES[form]} does."
        raise broken(path, told, "Give it the ending .html." if page else "Save it again, or get a whole copy.")


def _refuse_old_office(path: str, form: str) -> None:
    name = Path(path).name
    with open(path, "rb") as file:
        content = file.read(64 << 20)
    if _ENCRYPTED in content:
        raise PasswordRequiredError(
            f"{name!r} is protected with a password.", "Save a copy without the password and read that."
        )
    raise broken(
        path,
        f"is an Office file of the kind before 2007, not {_NAMES[form]}.",
        "Open it in an office program and save it as .docx or .pptx.",
    )
