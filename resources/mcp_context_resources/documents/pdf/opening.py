"""Opening PDFs: PDFium for text, places and pictures, pypdf for structure; each takes over where the other fails."""

from __future__ import annotations

import contextlib
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pypdfium2

from mcp_context_resources.documents.clean_text import one_line
from mcp_context_resources.errors import ContextError, PasswordRequiredError, UnreadableSourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pypdf

    from mcp_context_resources.documents.spec import DocumentFile

_ERROR_PASSWORD: Final = 4  # FPDF_ERR_PASSWORD of fpdfview.h
_ERROR_SECURITY: Final = 5  # FPDF_ERR_SECURITY
_TITLE_CHARS: Final = 200
_LABEL_CHARS: Final = 20
_PDF_WITHIN: Final = 1_024
_MARKUP: Final = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")


class PdfFile:
    """An open PDF. `pdfium` is None where only pypdf can read it."""

    def __init__(self, file: DocumentFile) -> None:
        """Open it.

        Raises `UnreadableSourceError` and `PasswordRequiredError`.
        """
        self.file = file
        self.name = Path(file.path).name
        self.password = ""
        self._reader: pypdf.PdfReader | None = None
        self._labels: list[str] | None = None
        self.pdfium = self._open()
        self.total = len(self.pdfium) if self.pdfium is not None else len(self.reader().pages)
        if self.total < 1:
            self.close()
            raise UnreadableSourceError(f"{self.name!r} has no pages.", "There is nothing to read in it.")

    @property
    def title(self) -> str:
        """The title in the file's metadata, or an empty string."""
        with contextlib.suppress(Exception):
            if self.pdfium is not None:
                return one_line(str(self.pdfium.get_metadata_value("Title")), _TITLE_CHARS)
            metadata = self.reader().metadata
            return one_line((metadata.title if metadata else None) or "", _TITLE_CHARS)
        return ""

    def reader(self) -> pypdf.PdfReader:
        """Return pypdf's view of the file, opened when first asked for; raises whatever pypdf raises."""
        if self._reader is None:
            import pypdf

            logging.getLogger("pypdf").setLevel(logging.CRITICAL)
            with quiet():
                reader = pypdf.PdfReader(self.file.path, strict=False)
                if reader.is_encrypted and not any(reader.decrypt(word) for word in self._passwords()):
                    raise _password_required(self.name, tried=bool(self.file.passwords))
            self._reader = reader
        return self._reader

    def label(self, index: int) -> str:
        """Return the printed label of a page (counted from 0); its number where it has none."""
        with contextlib.suppress(Exception):  # a broken label tree must not cost the page
            if self.pdfium is not None:
                text = str(self.pdfium.get_page_label(index))
            else:
                self._labels = self._labels or self.reader().page_labels
                text = self._labels[index]
            return one_line(text, _LABEL_CHARS) or str(index + 1)
        return str(index + 1)

    def close(self) -> None:
        """Release the file."""
        if self.pdfium is not None:
            self.pdfium.close()
        if self._reader is not None:
            self._reader.close()

    def _passwords(self) -> tuple[str, ...]:
        return self.password, "", *self.file.passwords

    def _open(self) -> pypdfium2.PdfDocument | None:
        if Path(self.file.path).stat().st_size == 0:
            raise UnreadableSourceError(f"{self.name!r} is empty.", "There is nothing to read in it.")
        refusals: list[pypdfium2.PdfiumError] = []
        for password in ("", *self.file.passwords):
            try:
                document = pypdfium2.PdfDocument(self.file.path, password=password or None)
            except pypdfium2.PdfiumError as error:
                refusals.append(error)
            else:
                self.password = password
                return document
        self._open_by_pypdf(refusals[0])
        return None

    def _open_by_pypdf(self, refusal: pypdfium2.PdfiumError) -> None:
        try:
            self.reader()
        except (ContextError, MemoryError):
            raise
        except Exception as error:  # pypdf raises many kinds on broken files
            # PDFium's code may be a left-over of an earlier file, so it counts only where pypdf lacks the cipher.
            locked = refusal.err_code in (_ERROR_PASSWORD, _ERROR_SECURITY)
            if locked and type(error).__name__ == "DependencyError":
                raise _password_required(self.name, tried=bool(self.file.passwords)) from error
            raise UnreadableSourceError(
                f"{self.name!r} can't be read as a PDF: {reason_of(refusal)}; {reason_of(error)}", self._advice()
            ) from error

    def _advice(self) -> str:
        with open(self.file.path, "rb") as content:
            start = content.read(_PDF_WITHIN).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if start.startswith(_MARKUP):
            return "It holds a web page, perhaps an error or login page saved in its place: fetch the PDF again."
        if b"%pdf-" not in start:
            return "It is not a PDF, whatever its name says."
        return "The file is damaged or cut short: fetch it again, or open and save it with a PDF viewer."


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what pypdf has to say about faulty files to itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def reason_of(error: Exception) -> str:
    """Return the first line of what a library says about a failure."""
    text: Any = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__


def _password_required(name: str, *, tried: bool) -> PasswordRequiredError:
    if tried:
        return PasswordRequiredError(
            f"{name!r} is protected by a password, and none of those configured for it opens it.",
            "Check documents.passwords in the configuration.",
        )
    return PasswordRequiredError(
        f"{name!r} is protected by a password and can't be opened without it.",
        "Give the password for its file name in documents.passwords of the configuration, or save a copy without it.",
    )
