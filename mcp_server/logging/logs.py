"""Logs go to standard error: standard output may be the protocol's."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from mcp_server.logging.log_lines import JsonFormatter, TextFormatter, withhold_exceptions
from mcp_server.logging.standard_error import STDERR, StderrHandler, take_stderr
from mcp_server.logging.stderr_capture import Printed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from mcp_context_resources.errors import ContextError
    from mcp_server.settings import Settings

_OURS: Final = ("fresh_context", "mcp_server", "mcp_context_tools", "mcp_context_resources", "py.warnings")
_log = logging.getLogger("fresh_context")


def start_logging(settings: Settings) -> Callable[[str], str] | None:
    """Write log messages to standard error as the settings say; uncaught exceptions and warnings are among them.

    In JSON, and while redaction is on, nothing else is written there by this process and its workers: each line that
    something prints becomes a message of the logger `stderr`. Called once, before anything is served; returns what
    redacts a text as the log does, None while redaction is off.

    Raises `ConfigurationError` when redaction is on and its libraries are missing.
    """
    server = settings.server
    level = getattr(logging, server.log_level.upper())
    if not server.log_arguments:
        withhold_exceptions()
    redact = None
    if settings.redaction.enabled:
        from mcp_server.redaction.redacting import redact_logs

        redact = redact_logs(settings.redaction)
    json = server.log_format == "json"
    printed = Printed(whole=server.log_arguments)
    handler = StderrHandler(take_stderr(printed.hear) if json or redact else STDERR)
    handler.setFormatter(JsonFormatter(redact) if json else TextFormatter(redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # What libraries say at debug level may be what was asked and answered.
    root.setLevel(level if server.log_arguments and level == logging.DEBUG else max(level, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _ignored
    return redact


def told_as_json(error: ContextError, *, wanted: bool = False) -> bool:
    """Log why a command failed, where logs are JSON (or `wanted` so, if they hadn't begun); False where they aren't."""
    root = logging.getLogger()
    begun = any(isinstance(handler, StderrHandler) for handler in root.handlers)
    if not begun and wanted:
        handler = StderrHandler(STDERR)
        handler.setFormatter(JsonFormatter())
        root.handlers[:] = [handler]
    if not any(isinstance(handler.formatter, JsonFormatter) for handler in root.handlers):
        return False
    fields = {"code": error.code, "hint": error.hint or None}
    _log.error("%s", error.message, extra={"fields": fields})
    return True


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _log.critical("the server failed", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: Any) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        name = args.thread.name if args.thread is not None else "a thread"
        _log.critical("%s failed", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))


def _ignored(args: Any) -> None:
    if args.exc_value is not None:
        # What the object shows of itself may be what it holds.
        name = getattr(args.object, "__qualname__", None) or type(args.object).__qualname__
        _log.error("an exception was ignored in %s", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
