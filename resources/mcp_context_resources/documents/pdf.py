"""Reading PDFs inside a worker process: PDFium first, pypdf where PDFium fails.

PDFium is fast and reads Japanese well; pypdf mends broken files that PDFium rejects.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pypdfium2

from mcp_context_resources.cut_text import cut_text
from mcp_context_resources.documents.clean_text import clean_text
from mcp_context_resources.documents.page_range import format_page_range, parse_page_range
from mcp_context_resources.documents.spec import Page, PageCount, Reading
from mcp_context_resources.errors import (
    ContextError,
    DeadlineExceededError,
    InvalidInputError,
    PasswordRequiredError,
    UnreadableSourceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mcp_context_resources.workers.job import Job

_KEPT_DOCUMENTS: Final = 4
_ERROR_PASSWORD: Final = 4  # FPDF_ERR_PASSWORD of fpdfview.h
_ERROR_SECURITY: Final = 5  # FPDF_ERR_SECURITY
_COUNTING_SECONDS: Final = 3.0
_LABEL_CHARS: Final = 20
_TITLE_CHARS: Final = 200
_COUNTED_BYTES: Final = 256 << 20


class PdfEngine(Protocol):
    """One library's view of an open PDF; pages are counted from 0."""

    name: str
    total: int
    title: str

    def text(self, index: int) -> str:
        """Return the raw text of a page; raises whatever the library raises."""

    def label(self, index: int) -> str:
        """Return the printed label of a page, or an empty string."""

    def close(self) -> None:
        """Release the file."""


class _Pdfium:
    name = "pdfium"

    def __init__(self, path: str) -> None:
        self._document = pypdfium2.PdfDocument(path)
        self.total = len(self._document)
        self.title = str(self._document.get_metadata_value("Title"))

    def text(self, index: int) -> str:
        page = self._document[index]
        try:
            content = page.get_textpage()
            try:
                return str(content.get_text_range())
            finally:
                content.close()
        finally:
            page.close()

    def label(self, index: int) -> str:
        return str(self._document.get_page_label(index))

    def close(self) -> None:
        self._document.close()


class _Pypdf:
    name = "pypdf"

    def __init__(self, path: str) -> None:
        import pypdf

        logging.getLogger("pypdf").setLevel(logging.CRITICAL)
        self._reader = pypdf.PdfReader(path, strict=False)
        if self._reader.is_encrypted and not self._reader.decrypt(""):
            raise _password_required(path)
        self.total = len(self._reader.pages)
        metadata = self._reader.metadata
        self.title = (metadata.title if metadata else None) or ""

    def text(self, index: int) -> str:
        return self._reader.pages[index].extract_text()

    def label(self, index: int) -> str:
        return self._reader.page_labels[index]

    def close(self) -> None:
        self._reader.close()


_open_documents: OrderedDict[str, PdfEngine] = OrderedDict()


def read_pages(job: Job, path: str, fingerprint: str, pages: str, offset: int, max_chars: int) -> Reading:
    """Read pages of a PDF as text until `max_chars` characters are gathered.

    `pages` is a range such as `2-4`, empty for all; `offset` is where to start inside the first page.

    Raises `UnreadableSourceError`, `PasswordRequiredError`, `NotFoundError` and `InvalidInputError`.
    """
    document = _open(path, fingerprint)
    wanted = parse_page_range(pages, document.total)
    reading = Reading(document.total, _one_line(document.title, _TITLE_CHARS))
    left = max_chars
    for position, number in enumerate(wanted):
        if job.should_stop:
            if not reading.pages:
                raise DeadlineExceededError("Reading the first page took longer than the limit.", "Try another page.")
            reading.notes.append("Stopped at the time limit.")
        if left <= 0 or job.should_stop:
            reading.remaining = format_page_range(wanted[position:])
            break
        page = _page(path, document, number, offset if position == 0 else 0, left)
        if position == 0 and offset and offset >= page.total_chars:
            raise InvalidInputError(
                f"offset is {offset:,}, but page {number} has {page.total_chars:,} characters.",
                "Go on with the next page.",
            )
        reading.pages.append(page)
        left -= len(page.text)
        job.progress(position + 1, len(wanted))
        if page.end < page.total_chars:
            reading.remaining = format_page_range(wanted[position:])
            reading.next_offset = page.end
            break
    _note_empty_pages(reading)
    return reading


def count_pages(job: Job, files: Sequence[tuple[str, str]]) -> list[PageCount]:
    """Count the pages of PDFs given as (path, fingerprint); a file that can't be read becomes a `problem`."""
    counts = []
    for path, fingerprint in files:
        if job.deadline_seconds - job.seconds_left > _COUNTING_SECONDS:
            counts.append(PageCount(None))
            continue
        try:
            if Path(path).stat().st_size > _COUNTED_BYTES:
                counts.append(PageCount(None))
                continue
            counts.append(PageCount(_open(path, fingerprint).total))
        except ContextError as error:
            counts.append(PageCount(None, problem=error.message))
        except OSError as error:
            counts.append(PageCount(None, problem=error.strerror or "unreadable"))
        except MemoryError:
            counts.append(PageCount(None, problem="Reading it needs more memory than a worker may use."))
    return counts


def _page(path: str, document: PdfEngine, number: int, offset: int, max_chars: int) -> Page:
    text, engine, label = "", document.name, ""
    try:
        text = clean_text(document.text(number - 1))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - any failure of one library is the other's turn
        text, engine = _second_opinion(path, document, number, error)
    with contextlib.suppress(Exception):  # a broken label tree must not cost the page
        label = _one_line(document.label(number - 1), _LABEL_CHARS)
    cut = cut_text(text, start=offset, max_chars=max_chars)
    return Page(number, label or str(number), cut.text, cut.start, cut.total, engine)


def _one_line(text: str, max_chars: int) -> str:
    """Make text from a file fit to stand in a line of ours."""
    return " ".join(clean_text(text).split())[:max_chars]


def _second_opinion(path: str, first: PdfEngine, number: int, error: Exception) -> tuple[str, str]:
    other: Callable[[str], PdfEngine] = _Pypdf if isinstance(first, _Pdfium) else _Pdfium
    try:
        with _quiet():
            document = other(path)
            try:
                return clean_text(document.text(number - 1)), document.name
            finally:
                document.close()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - both failed: the first one's reason is told
        raise UnreadableSourceError(
            f"Page {number} of {Path(path).name!r} can't be read: {_reason(error)}", "Try the other pages."
        ) from error


def _open(path: str, fingerprint: str) -> PdfEngine:
    if fingerprint in _open_documents:
        _open_documents.move_to_end(fingerprint)
        return _open_documents[fingerprint]
    document = _open_with_either(path)
    if document.total < 1:
        document.close()
        raise UnreadableSourceError(f"{Path(path).name!r} has no pages.", "There is nothing to read in it.")
    _open_documents[fingerprint] = document
    while len(_open_documents) > _KEPT_DOCUMENTS:
        _open_documents.popitem(last=False)[1].close()
    return document


def _open_with_either(path: str) -> PdfEngine:
    name = Path(path).name
    if Path(path).stat().st_size == 0:
        raise UnreadableSourceError(f"{name!r} is empty.", "There is nothing to read in it.")
    try:
        return _Pdfium(path)
    except pypdfium2.PdfiumError as error:
        reason = error
    try:
        with _quiet():
            return _Pypdf(path)
    except (ContextError, MemoryError):
        raise
    except Exception as error:  # pypdf raises many kinds on broken files
        # PDFium's error code may be a left-over of an earlier file, so it counts only where pypdf lacks the cipher.
        if reason.err_code in (_ERROR_PASSWORD, _ERROR_SECURITY) and type(error).__name__ == "DependencyError":
            raise _password_required(path) from error
        raise UnreadableSourceError(
            f"{name!r} can't be read as a PDF: {_reason(reason)}; {_reason(error)}",
            "The file is damaged, cut short, or not a PDF.",
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _password_required(path: str) -> PasswordRequiredError:
    return PasswordRequiredError(
        f"{Path(path).name!r} is protected by a password and can't be opened without it.",
        "Save a copy without the password in a served folder.",
    )


def _reason(error: Exception) -> str:
    text: Any = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__


def _note_empty_pages(reading: Reading) -> None:
    empty = [page.number for page in reading.pages if page.total_chars == 0]
    if empty:
        reading.notes.append(
            f"No text on page {format_page_range(empty)}: blank, or a scanned image without a text layer."
        )
