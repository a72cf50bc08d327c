"""Load errors: what can be wrong with a file of another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcp_context_resources.cut_text import first_names
from mcp_context_resources.errors import DeadlineExceededError, NotFoundError, SourceBusyError
from mcp_context_resources.file_errors import broken, first_line
from mcp_context_resources.tables.duckdb_engine.sql_errors import engine_message

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from mcp_context_resources.workers.job import Job

_NAMED_PARTS = 10


def busy(path: str, what: str, hint: str) -> SourceBusyError:
    """Make the error for a file that another program holds; `what` goes on from its name."""
    return SourceBusyError(f"{Path(path).name!r} {what}", hint)


def reason(error: Exception, path: str) -> str:
    """Return the first line of a library's error, without the folder the file lies in."""
    return first_line(engine_message(error), error, path)


def optional_module(name: str, path: str) -> ModuleType:
    """Import a module of an optional package.

    Raises `UnreadableSourceError` that names the extra to install.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise broken(path, f"needs the package {package}.", "Install fresh-context[formats].") from error


def no_such_part(path: str, part: str, there: Iterable[str]) -> NotFoundError:
    """Make the error for a table that a file doesn't hold."""
    names = list(there)
    shown = first_names(names, _NAMED_PARTS)
    return NotFoundError(
        f"{Path(path).name!r} holds no table {part!r}.", f"It holds: {shown}." if names else "It holds no tables."
    )


def check(job: Job) -> None:
    """Go on only while the call may.

    Raises `DeadlineExceededError`.
    """
    if job.should_stop:
        raise DeadlineExceededError("Reading the file took longer than the limit.", "Raise tables.deadline_seconds.")
