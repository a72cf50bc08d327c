"""Logs on standard error, as text for people or JSON for machines: bounded, a line each but for tracebacks."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from mcp_server.logging.standard_error import STDERR, StderrHandler, take_stderr
from mcp_server.logging.stderr_capture import Printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from mcp_context_resources.errors import ContextError
    from mcp_server.settings import Settings

MOST_CHARS: Final = 4_000
"""Most characters of a message and of a field."""

_MOST_TRACE: Final = 4 * MOST_CHARS
_MOST_LOOKED_AT: Final = 5 * MOST_CHARS
_MOST_CHAINED: Final = 8
_WITHHELD: Final = "(what it says may quote a file and is logged only with server.log_arguments)"
# These tell of the program or of a path, never of what is in a file.
_PLAIN: Final = (OSError, ImportError, AttributeError, NameError, NotImplementedError, MemoryError)
_FRAME: Final = re.compile(r'^  File ".*", line \d+, in .*$', re.MULTILINE)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BARE: Final = re.compile(r'[^\s"=,]+')


class TextFormatter(logging.Formatter):
    """`TIME LEVEL LOGGER: MESSAGE key=value …`, in local time; tracebacks follow on lines of their own."""

    def __init__(self, redact: Callable[[str], str] | None = None) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        fields = _told(getattr(record, "fields", {}), self._redact)
        pairs = "".join(f" {key}={_value(value)}" for key, value in fields.items())
        head = f"{self.formatTime(record)} {record.levelname} {record.name}: "
        below = [*_exception(self, record).splitlines(), *_shortened(record.stack_info or "", _MOST_TRACE).splitlines()]
        return "\n".join(map(_visible, [f"{head}{_message(record)}{pairs}", *below]))


class JsonFormatter(logging.Formatter):
    """One JSON object: `time` (UTC), `level`, `logger`, `message`, the fields of a call, `exception`, `stack`."""

    def __init__(self, redact: Callable[[str], str] | None = None) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {
            "time": time,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        known = {**getattr(record, "said", {}), **getattr(record, "fields", {})}
        line |= {key: value for key, value in _told(known, self._redact).items() if key not in line}
        if exception := _exception(self, record):
            line["exception"] = exception
        if record.stack_info:
            line["stack"] = _shortened(record.stack_info, _MOST_TRACE)
        return _visible(json.dumps(line, ensure_ascii=False, default=str, separators=(",", ":")))


def withhold_exceptions() -> None:
    """Have every record of this process tell of an exception where it happened, but not what it says."""
    make = logging.getLogRecordFactory()

    def discreet(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = discreet_traceback(record.exc_info[1])
            record.exc_info = None
        return record

    logging.setLogRecordFactory(discreet)


def discreet_traceback(error: BaseException) -> str:
    """Write an exception, what caused it and what is grouped in it, as Python does but without what they say."""
    return "\n\n".join(_discreet(one, how) for one, how in _chain(error))


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    waiting: list[tuple[BaseException, str]] = [(error, "")]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_CHAINED:
        one, how = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one, how
        if one.__cause__ is not None:
            waiting.append((one.__cause__, "Caused by: "))
        elif one.__context__ is not None and not one.__suppress_context__:
            waiting.append((one.__context__, "While handling: "))
        if isinstance(one, BaseExceptionGroup):
            waiting += [(inner, "Grouped in it: ") for inner in one.exceptions]


def _discreet(error: BaseException, how: str) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if name.endswith("RemoteTraceback"):  # what a worker's exception leaves behind: the text of its traceback
        frames = _FRAME.findall(str(error))
        return "\n".join([f"{how}in the worker:", *frames])
    said = f": {error}" if isinstance(error, _PLAIN) else f" {_WITHHELD}"
    frames = [line for entry in traceback.format_tb(error.__traceback__) for line in entry.rstrip("\n").split("\n")]
    return "\n".join([f"{how}{name}{said}", *frames])


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except (TypeError, ValueError, LookupError, AttributeError):
        message = f"{record.msg} {record.args}"
    return _shortened(message, MOST_CHARS)


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.exc_text or ""
    if not text and record.exc_info and record.exc_info[0] is not None:
        text = formatter.formatException(record.exc_info)
    return _shortened(text, _MOST_TRACE)


def _told(fields: dict[str, Any], redact: Callable[[str], str] | None) -> dict[str, Any]:
    """Return fields without those that are None, redacted and shortened; what is nested becomes JSON."""
    told: dict[str, Any] = {}
    for key, value in fields.items():
        if value is None:
            continue
        clean = _redacted(value, redact)
        if isinstance(clean, dict):
            clean = json.dumps(clean, ensure_ascii=False, default=str, separators=(",", ":"))
        if isinstance(clean, list):
            clean = [_shortened(item, MOST_CHARS) if isinstance(item, str) else item for item in clean]
        told[key] = _shortened(clean, MOST_CHARS) if isinstance(clean, str) else clean
    return told


def _redacted(value: Any, redact: Callable[[str], str] | None) -> Any:
    if isinstance(value, str):
        # Longer than what is shown, so that no value is cut in two before it is found.
        text = value[:_MOST_LOOKED_AT]
        return text if redact is None else redact(text)
    if isinstance(value, dict):
        return {_redacted(str(key), redact): _redacted(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item, redact) for item in value]
    return value


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… [{len(text) - most:,} more characters]"


def _visible(line: str) -> str:
    """Write control characters, line ends among them, as escapes: nobody can forge a line or move a cursor."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_value(item) for item in value) or '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


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
