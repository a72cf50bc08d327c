"""Opening documents in a worker process, a few kept open, and telling what is wrong with them."""

from __future__ import annotations

import time
from collections import OrderedDict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from mcp_context_resources.documents.reading.converted_document import ConvertedDocument
from mcp_context_resources.documents.spec import PageCount
from mcp_context_resources.errors import ContextError, UnreadableSourceError
from mcp_context_resources.workers.function import WorkerFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.documents.reading.open_document import OpenDocument
    from mcp_context_resources.documents.spec import DocumentFile
    from mcp_context_resources.workers.job import Job

_KEPT_DOCUMENTS: Final = 4
_COUNTING_SECONDS: Final = 3.0
_RESERVE_SECONDS: Final = 0.5
_COUNTED_BYTES: Final = 256 << 20
_CONVERTED_BYTES: Final = 1 << 19
_REASON_CHARS: Final = 200

P = ParamSpec("P")
T = TypeVar("T")

_open_documents: OrderedDict[str, OpenDocument] = OrderedDict()


def opened(job: Job, file: DocumentFile) -> OpenDocument:
    """Open a document, or return it as it was opened before; the last four are kept open.

    Raises `UnreadableSourceError` and `PasswordRequiredError`.
    """
    key = file.fingerprint
    if key in _open_documents:
        _open_documents.move_to_end(key)
        return _open_documents[key]
    document = _open(job, file)
    _open_documents[key] = document
    while len(_open_documents) > _KEPT_DOCUMENTS:
        _open_documents.popitem(last=False)[1].close()
    return document


def _open(job: Job, file: DocumentFile) -> OpenDocument:
    if not file.reader.paged:
        return ConvertedDocument(job, file)
    read: WorkerFunction[OpenDocument, DocumentFile] = WorkerFunction(file.reader.open)
    return read(job, file)


def told(
    function: Callable[Concatenate[Job, DocumentFile, P], T],
) -> Callable[Concatenate[Job, DocumentFile, P], T]:
    """Turn whatever a library raises on a stranger's bytes into an error that says which file it was."""

    @wraps(function)
    def telling(job: Job, file: DocumentFile, /, *arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(job, file, *arguments, **named)
        except (ContextError, MemoryError):
            raise
        except Exception as error:
            raise UnreadableSourceError(
                f"{Path(file.path).name!r} can't be read: {reason_of(error)}.",
                "The file is damaged: get it again, or save a fresh copy with the program it came from.",
            ) from error

    return telling


def reason_of(error: BaseException) -> str:
    """Return the first line of what a library says about a failure, without a full stop."""
    lines = str(error).strip().splitlines()
    return (lines[0][:_REASON_CHARS].rstrip(".") if lines else "") or type(error).__name__


def count_pages(job: Job, files: Sequence[DocumentFile]) -> list[PageCount]:
    """Count the pages of documents; one that can't be read becomes a `problem`."""
    counts = []
    started = time.process_time()
    for file in files:
        # Waiting for a busy machine is no reason to stop before the end is near.
        if time.process_time() - started > _COUNTING_SECONDS or job.seconds_left < _RESERVE_SECONDS:
            counts.append(PageCount(None))
            continue
        try:
            if Path(file.path).stat().st_size > (_COUNTED_BYTES if file.reader.paged else _CONVERTED_BYTES):
                counts.append(PageCount(None))
                continue
            counts.append(PageCount(opened(job, file).total))
        except ContextError as error:
            counts.append(PageCount(None, problem=error.message))
        except OSError as error:
            counts.append(PageCount(None, problem=error.strerror or "unreadable"))
        except MemoryError:
            counts.append(PageCount(None, problem="Reading it needs more memory than a worker may use."))
        except Exception as error:  # noqa: BLE001 - one damaged file must not cost the others their numbers
            counts.append(PageCount(None, problem=f"It is damaged ({type(error).__name__})."))
    return counts
