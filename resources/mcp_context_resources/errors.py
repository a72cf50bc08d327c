"""The one error tree of Fresh Context.

Every failure a caller can act on is a `ContextError`: a message that says what happened and a hint that says
what to do next. It knows nothing of any protocol; `mcp_server.wire.errors` alone translates it to the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.provenance import SourceRef


class ContextError(Exception):
    """A failure worth telling the caller.

    `message` is one sentence about what happened, `hint` one about what to do next (may be empty).
    Both survive pickling, so an error raised in a worker process arrives whole.
    """

    code = "error"
    lasting = False
    """Whether asking again is no use until the source itself changes."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[ContextError], tuple[str, str]]:
        return type(self), (self.message, self.hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class ConfigurationError(ContextError):
    """A setting, flag or root folder is wrong."""

    code = "configuration"


class InvalidInputError(ContextError):
    """An argument is out of range or malformed."""

    code = "invalid_input"


class InvalidCursorError(InvalidInputError):
    """A cursor was not made by this server or belongs to another request."""

    code = "invalid_cursor"


class StaleCursorError(ContextError):
    """A source changed since the cursor was made, so going on would mix two versions."""

    code = "stale_cursor"


class NotFoundError(ContextError):
    """No source, page or model goes by that name.

    Where the name `wanted` fits several sources alike, these are the `candidates`. Neither crosses a process border.
    """

    code = "not_found"

    def __init__(self, message: str, hint: str = "", *, wanted: str = "", candidates: Sequence[SourceRef] = ()) -> None:
        super().__init__(message, hint)
        self.wanted = wanted
        self.candidates = tuple(candidates)


class AccessDeniedError(ContextError):
    """The path lies outside the folders this server may read."""

    code = "access_denied"


class UnreadableSourceError(ContextError):
    """The file is there but can't be read as what it claims to be."""

    code = "unreadable_source"
    lasting = True


class SourceBusyError(UnreadableSourceError):
    """Another program holds the file; it may be read a little later."""

    code = "source_busy"
    lasting = False


class SourceChangedError(SourceBusyError):
    """The file changed while it was read, so that what was read may mix two versions."""

    code = "source_changed"


class PasswordRequiredError(UnreadableSourceError):
    """The document is encrypted and opens only with a password."""

    code = "password_required"


class SqlError(ContextError):
    """The statement has a syntax, name or type error, or failed while it ran."""

    code = "sql_error"


class SqlRefusedError(ContextError):
    """The statement is not one read-only query."""

    code = "sql_refused"


class StorageError(ContextError):
    """The cache folder can't be written, or the disk is full."""

    code = "storage"


class ResultTooLargeError(ContextError):
    """A saved result is too large to be read through the server."""

    code = "result_too_large"


class DeadlineExceededError(ContextError):
    """The work took longer than its time limit and was stopped."""

    code = "deadline_exceeded"


class OutOfMemoryError(ContextError):
    """The work needed more memory than its limit and was stopped."""

    code = "out_of_memory"


class WorkerCrashedError(ContextError):
    """The process doing the work died; a new one takes its place."""

    code = "worker_crashed"


class BusyError(ContextError):
    """Every worker stayed occupied for too long."""

    code = "busy"


class ModelUnavailableError(ContextError):
    """No local model can run: none installed, or the file is not a usable GGUF."""

    code = "model_unavailable"


class ChartsUnavailableError(ContextError):
    """The chart renderer isn't installed."""

    code = "charts_unavailable"


class PromptTooLongError(ContextError):
    """Prompt and answer together do not fit the model's context window."""

    code = "prompt_too_long"


class OcrUnavailableError(ContextError):
    """The text recogniser, or the model of a language asked for, isn't installed."""

    code = "ocr_unavailable"
