"""Conversion errors: what can be wrong with a document."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ContextError, DeadlineExceededError
from mcp_context_resources.file_errors import first_line

if TYPE_CHECKING:
    from types import ModuleType

    from mcp_context_resources.workers.job import Job

INSTALL_HINT: Final = "Install it with: pip install 'fresh-context[documents]'"


def reason(error: Exception, path: str) -> str:
    """Return the first line of a library's error, without the folder the file lies in."""
    return first_line(str(error).replace(" (<string>, line", " (line"), error, path)


def library(module: str, path: str) -> ModuleType:
    """Import a module of a package of the extra `documents`.

    Raises `ContextError` that says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = {"docx": "python-docx", "pptx": "python-pptx"}.get(name := module.partition(".")[0], name)
        raise ContextError(
            f"Reading {Path(path).name!r} needs the package {package}, which isn't installed.", f"{INSTALL_HINT}."
        ) from error


def check(job: Job) -> None:
    """Go on only while the call may.

    Raises `DeadlineExceededError`.
    """
    if job.should_stop:
        raise DeadlineExceededError(
            "Reading the document took longer than the limit.", "Raise documents.deadline_seconds."
        )
