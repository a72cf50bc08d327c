"""Redaction at the front door: what comes in is turned back, what goes out is redacted."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
import logging
import re
import traceback
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.budget import BudgetSettings
from mcp_context_resources.errors import ContextError, InvalidInputError
from mcp_context_resources.redaction.finding import LITERAL
from mcp_context_resources.redaction.redactor import Redacted, Redactor
from mcp_context_resources.sentences import flat
from mcp_context_tools.rendering import compact_json, cost, csv_line
from mcp_server.redaction.uris import PrivateUris

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mcp_context_resources.redaction.finding import Finding
    from mcp_context_resources.redaction.settings import RedactionSettings
    from mcp_context_tools.tool import Report, Services, Tool, ToolResult

# Placeholders may be longer than values; a tool then tells less in a smaller budget.
_TRIES: Final = 3
_LEAST_CHARS: Final = 2_000
_NOTE_CHARS: Final = 400
# Quick enough to be run again; any other tool may have a model write for minutes, so it begins with less room.
_CHEAP: Final = frozenset(("list_sources", "describe_table", "query_tables", "read_document", "search", "get_context"))
_SHARE: Final = 90
_OPEN: Final = re.compile(r"<[A-Z_]{1,20}[0-9.]{0,20}\Z")
# No more than a C long has everywhere.
_MOST_CELL: Final = 2**31 - 1
# Refused before it draws; whatever else answers with a picture is refused after.
_DRAWS: Final = "plot_query"
_URIS: Final = "_uris"


class Redaction:
    """Redacts all that a server with these settings sends.

    Raises `ConfigurationError` when the libraries of the `redact` extra are missing.
    """

    def __init__(self, settings: RedactionSettings) -> None:
        self._redactor = Redactor(settings)

    def call(self, arguments: dict[str, Any]) -> RedactedCall:
        """Begin a call; raises `InvalidInputError` for a placeholder that stands for nothing."""
        return RedactedCall(self._redactor, *self._redactor.restored(arguments))

    def text(self, text: str) -> str:
        """Redact a text."""
        return _text(self._redactor, text)

    def error(self, error: ContextError) -> ContextError:
        """Redact an error of a call that has no arguments to turn back."""
        return _error(self._redactor, error, {})

    def saved(self, content: bytes, form: str) -> str:
        """Redact a saved result of a form that is text: CSV or NDJSON.

        Raises `InvalidInputError` for others, and for CSV that can't be read.
        """
        if form == "csv":
            names, *rows = _csv_rows(content.decode())
            data = _result(self._redactor, "", {"columns": names, "rows": rows}).data
            return "".join(map(csv_line, [data["columns"], *data["rows"]]))
        if form == "json":
            lines = [json.loads(line) for line in content.decode().split("\n") if line.strip()]
            data = _result(self._redactor, "", {"lines": lines}).data
            return "".join(f"{compact_json(line)}\n" for line in data["lines"])
        raise InvalidInputError(
            f"A result in {form} can't be redacted, so it isn't sent while redaction is on.", "Save it as csv or json."
        )


class RedactedCall:
    """One call of a tool: `arguments` with the values in place of placeholders.

    `private` is for the services of the call; what it has seen is taken out of what the call answers.
    """

    def __init__(self, redactor: Redactor, arguments: dict[str, Any], used: dict[str, str]) -> None:
        self.arguments = arguments
        self.private = _PrivateValues(redactor, used)
        self._redactor = redactor
        self._used = used

    async def run(self, tool: Tool[Any], services: Services, given: Any, report: Report) -> ToolResult:
        """Run a tool and redact its result, which then still fits the budget.

        Only the quick tools are run again for that; of another's answer the text is cut, which says so. Raises what
        the tool raises, and `InvalidInputError` for a picture, which can't be redacted, and for a result
        that doesn't fit with placeholders.
        """
        if tool.name == _DRAWS or getattr(given, "view", None) == "image":
            raise _picture_refused()
        most = services.budget.max_chars
        again = tool.name in _CHEAP
        room = most if again else max(_LEAST_CHARS, most * _SHARE // 100)
        for _ in range(_TRIES if again else 1):
            budget = BudgetSettings(max_chars=room, max_cell_chars=services.budget.max_cell_chars)
            result = self._redacted(
                await tool.run(
                    dataclasses.replace(services, budget=budget, private=self.private), given, self._reporting(report)
                )
            )
            size = cost(result.text, result.data)
            if size <= most:
                return result
            room = max(_LEAST_CHARS, room * (most - _NOTE_CHARS) // size)
        if not again and (shorter := _shortened(result, most)) is not None:
            return shorter
        raise InvalidInputError(
            f"With placeholders the answer is too long for {most:,} characters.", "Ask for fewer rows or pages."
        )

    def text(self, text: str, data: dict[str, Any] | None = None) -> str:
        """Redact a text, and in it what the arguments held, and what `data` shows to be private by its columns."""
        if data is None:
            return _text(self._redactor, text, self._known)
        return _result(self._redactor, text, data, self._known).text

    def error(self, error: ContextError) -> ContextError:
        """Redact an error, and in it what the arguments held."""
        return _error(self._redactor, error, self._used)

    @property
    def _known(self) -> dict[str, str]:
        return self._used | self.private.beyond_form

    def _redacted(self, answer: ToolResult) -> ToolResult:
        if answer.images:
            raise _picture_refused()
        redacted = _result(self._redactor, answer.text, answer.data, self._known)
        links = tuple(
            dataclasses.replace(link, name=_text(self._redactor, link.name, self._known)) for link in answer.links
        )
        text, data = redacted.text, redacted.data
        if redacted.counts:
            told = ", ".join(f"{count:,} {kind}" for kind, count in redacted.counts.items())
            text += f"\nRedacted: {told}. Placeholders such as <EMAIL_1> can be used in sql, params and prompts."
            data = data | {"redacted": redacted.counts}
        return dataclasses.replace(answer, text=text, data=data, links=links)

    def _reporting(self, report: Report) -> Report:
        async def redacted(done: float, total: float | None = None, message: str | None = None) -> None:
            await report(done, total, None if message is None else _text(self._redactor, message, self._used))

        return redacted


class _PrivateValues:
    """Keeps parts of texts from ending inside a value (`PrivateValues` of the tools).

    `beyond_form` are values (value → kind) that only the whole text gives away, such as by a word before them.
    """

    def __init__(self, redactor: Redactor, used: dict[str, str]) -> None:
        self.beyond_form: dict[str, str] = {}
        self._redactor = redactor
        self._used = used
        self._found: dict[str, list[Finding]] = {}

    def whole(self, text: str, start: int, end: int) -> tuple[int, int]:
        inside = self._inside(text, start, end)
        if not inside:
            return start, end
        start, end = min(start, inside[0].start), max(end, inside[-1].end)
        shown = flat(text[start:end])
        alone = [shown[found.start : found.end] for found in self._redactor.find(shown, self._used)]
        for finding in inside:
            value = flat(text[finding.start : finding.end])
            if finding.kind != LITERAL and not any(value in one for one in alone):
                self.beyond_form[value] = finding.kind
        return start, end

    def touched(self, text: str, start: int, end: int) -> bool:
        return bool(self._inside(text, start, end))

    def _inside(self, text: str, start: int, end: int) -> list[Finding]:
        if text not in self._found:
            self._found[text] = self._redactor.find(text, self._used)
        return [found for found in self._found[text] if found.start < end and start < found.end]


def _shortened(result: ToolResult, most: int) -> ToolResult | None:
    """Return a result with its text cut to fit; None when its data alone is too long."""
    note = "… [cut: with placeholders the text is too long; what the data holds is whole]"
    room = most - cost(note, result.data)
    if room < 0:
        return None
    # A character takes up to six on the wire.
    low, high = 0, min(room, len(result.text))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(result.text[:middle], "") - 4 <= room else (low, middle - 1)
    return dataclasses.replace(result, text=f"{_whole_placeholders(result.text[:low])}{note}")


def _whole_placeholders(text: str) -> str:
    """Return text without a placeholder that a cut left open."""
    return _OPEN.sub("", text)


def _csv_rows(text: str) -> list[list[str]]:
    csv.field_size_limit(_MOST_CELL)
    try:
        return list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    except csv.Error as error:
        raise InvalidInputError(
            f"The saved CSV can't be redacted, since it can't be read: {error}.", "Save the result as json."
        ) from error


def _picture_refused() -> InvalidInputError:
    return InvalidInputError(
        "Pictures can't be redacted, so none is sent while redaction is on.",
        "Read the page as text, or query the data instead.",
    )


def _error(redactor: Redactor, error: ContextError, used: dict[str, str]) -> ContextError:
    return type(error)(_text(redactor, error.message, used), _text(redactor, error.hint, used))


def _text(redactor: Redactor, text: str, known: Mapping[str, str] | None = None) -> str:
    return _result(redactor, text, {}, known).text


def _result(redactor: Redactor, text: str, data: dict[str, Any], known: Mapping[str, str] | None = None) -> Redacted:
    """Redact both channels, and in them what URIs hold."""
    uris = PrivateUris(lambda uri: bool(redactor.find(uri, known)))
    text, data = uris.taken_out(text), uris.taken_out(data)
    if not uris.decoded:
        return redactor.result(text, data, known)
    redacted = redactor.result(text, data | {_URIS: uris.decoded}, known)
    shown = redacted.data.pop(_URIS)
    return Redacted(uris.put_back(redacted.text, shown), uris.put_back(redacted.data, shown), redacted.counts)


def redact_logs(settings: RedactionSettings) -> Callable[[str], str]:
    """Have every log line of this process redacted, tracebacks too. Their placeholders can't be turned back.

    Returns what redacts a text in the same way, for what else goes into a line.

    Raises `ConfigurationError` when the libraries of the `redact` extra are missing.
    """
    redactor = Redactor(settings.model_copy(update={"max_values": 0}))
    make = logging.getLogRecordFactory()

    def redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        try:
            told = record.getMessage()
        except (TypeError, ValueError, LookupError, AttributeError):
            told = f"{record.msg} {record.args}"
        record.msg, record.args = _text(redactor, told), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = _text(redactor, "".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = _text(redactor, record.exc_text)
        if record.stack_info:
            record.stack_info = _text(redactor, record.stack_info)
        return record

    logging.setLogRecordFactory(redacted)
    return functools.partial(_text, redactor)
