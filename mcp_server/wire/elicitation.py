"""Elicitation: a person is asked which of several sources a name means, where their client can ask.

Handshake versions ask on the back channel while the call waits. The stateless ones answer with the question and get
the same call again with the person's answer. What a client then says was chosen before is only a name, which must be
among the sources the name fits at that moment: nothing about it needs to be kept secret or sealed.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS, is_version_at_least
from pydantic import ValidationError

from mcp_context_resources.errors import NotFoundError
from mcp_context_resources.provenance import source_uri
from mcp_context_tools.named_sources import spellings
from mcp_context_tools.text_cutting import one_line
from mcp_server.wire.utf8_safe import sendable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server.context import ServerRequestContext
    from mcp_types import ElicitRequestedSchema, InputResponseRequestParams

    from mcp_context_resources.provenance import Kind, SourceRef
    from mcp_context_tools.tool import Services

T = TypeVar("T")

_FIELD: Final = "source"
# A person who went away must not keep a call open for ever.
_SECONDS: Final = 300.0
_MOST_QUESTIONS: Final = 8
_MOST_STATE_CHARS: Final = 100_000
# Shorter ones would lose names without blanks.
_SHOWN_CHARS: Final = 200
_TITLED_SINCE: Final = "2025-11-25"
# Arguments of tools and prompts that name sources; text such as a question is never taken for a name.
_NAMING: Final = frozenset(("table", "document", "sources", "a", "b"))
_WIDE: Final = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]")


class Asking:
    """Asks on behalf of one request; `told` redacts what is shown."""

    def __init__(
        self,
        context: ServerRequestContext[Services],
        params: InputResponseRequestParams,
        told: Callable[[str], str] = str,
    ) -> None:
        self._context = context
        self._redacted = told
        self._answers = params.input_responses or {}
        self._earlier = _earlier(params.request_state)

    async def chosen(self, error: NotFoundError) -> SourceRef | InputRequiredResult | None:
        """Return which source a name was meant for, or the question that is to be answered first.

        None where it can't be asked, isn't answered, or the candidates look alike once redacted.
        """
        options = {self._told(one.name): one for one in error.candidates}
        if not options or len(options) < len(error.candidates) or not self._can_ask():
            return None
        wanted = self._told(error.wanted)
        if self._context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            name = await self._asked_now(wanted, options)
        elif wanted in self._earlier:
            name = self._earlier[wanted]
        else:
            key = f"{_FIELD}_{hashlib.sha256(wanted.encode(errors='replace')).hexdigest()[:12]}"
            if key not in self._answers:
                state = sendable(json.dumps(self._earlier, ensure_ascii=False)) if self._earlier else None
                question = ElicitRequest(params=self._question(wanted, options))
                return InputRequiredResult(input_requests={key: question}, request_state=state)
            name = _accepted(self._answers[key])
            self._earlier[wanted] = name
        return options.get(name)

    def _told(self, text: str) -> str:
        # A file's name may hold what UTF-8 can't carry.
        return sendable(self._redacted(text))

    def _can_ask(self) -> bool:
        capabilities = self._context.session.client_capabilities
        able = None if capabilities is None else capabilities.elicitation
        # Before there were modes, a form was the only one.
        return able is not None and (able.form is not None or able.url is None)

    async def _asked_now(self, wanted: str, options: Mapping[str, SourceRef]) -> str:
        session = self._context.session
        if not session.can_send_request:
            return ""
        question = self._question(wanted, options)
        try:
            with anyio.fail_after(_SECONDS):
                answer = await session.elicit_form(
                    question.message, question.requested_schema, self._context.request_id
                )
        except (MCPError, ValidationError, TimeoutError):
            return ""
        return _accepted(answer)

    def _question(self, wanted: str, options: Mapping[str, SourceRef]) -> ElicitRequestFormParams:
        titles = {name: self._title(name, one) for name, one in options.items()}
        if len(set(titles.values())) < len(titles):
            titles = {name: f"{title} [{quote(name)}]" for name, title in titles.items()}
        shown = one_line(wanted, _SHOWN_CHARS)
        japanese = _WIDE.search("".join((wanted, *options)))
        if japanese:
            message = f"「{shown}」に当てはまるものが{len(options)}件あります。どれを使いますか。"
        else:
            message = f"{len(options)} sources fit {shown!r}. Which one is meant?"
        schema = _schema(titles, self._context.protocol_version, "ファイル" if japanese else "Source")
        return ElicitRequestFormParams(message=message, requested_schema=schema)

    def _title(self, name: str, source: SourceRef) -> str:
        shown, file = one_line(name, _SHOWN_CHARS), one_line(self._told(source.file), _SHOWN_CHARS)
        return f"{shown} ({file}, {_minute(source.modified)})"


async def choosing(
    asking: Asking, arguments: dict[str, Any], attempt: Callable[[dict[str, Any]], Awaitable[T]]
) -> T | InputRequiredResult:
    """Attempt what needs sources by name; where one fits several, have the person choose and go on with the choice.

    Returns the result of `attempt`, or the question that the client is to put to the person before it calls again.
    Raises what `attempt` raises: without a choice the `NotFoundError` that names the candidates.
    """
    for _ in range(_MOST_QUESTIONS):
        try:
            return await attempt(arguments)
        except NotFoundError as error:
            chosen = await asking.chosen(error)
            if isinstance(chosen, InputRequiredResult):
                return chosen
            named = arguments if chosen is None else _with_choice(arguments, error.wanted, chosen)
            if named == arguments:
                raise
            arguments = named
    return await attempt(arguments)


def _with_choice(arguments: dict[str, Any], wanted: str, chosen: SourceRef) -> dict[str, Any]:
    """Put the source that was chosen in the place of a name, wherever an argument names sources."""

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(item) for item in value]
        return _renamed(value, wanted, chosen) if isinstance(value, str) else value

    return {name: named(value) if name in _NAMING else value for name, value in arguments.items()}


def _renamed(value: str, wanted: str, chosen: SourceRef) -> str:
    if wanted in spellings(value):
        return chosen.name
    # Places in a document: `report.pdf#pages=2`, `document://report.pdf/page/2`.
    kind: Kind = "table" if chosen.uri.startswith("table:") else "document"
    uris = (source_uri(kind, wanted), f"{kind}://{wanted}")
    if value in uris:
        return chosen.uri
    written = [(f"{wanted}#", f"{chosen.name}#")]
    written += [(f"{uri}{mark}", f"{chosen.uri}{mark}") for uri in uris for mark in ("/page/", "#")]
    return next((after + value.removeprefix(before) for before, after in written if value.startswith(before)), value)


def _accepted(answer: object) -> str:
    """Return the name a person chose; empty where they chose none."""
    if not isinstance(answer, ElicitResult) or answer.action != "accept" or answer.content is None:
        return ""
    name = answer.content.get(_FIELD)
    return name if isinstance(name, str) else ""


def _earlier(state: str | None) -> dict[str, str]:
    """Read what was chosen in answer to earlier questions of the same call; it comes from the client."""
    if not state or len(state) > _MOST_STATE_CHARS:
        return {}
    try:
        known = json.loads(state)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: choice for name, choice in known.items() if isinstance(choice, str)}


def _schema(titles: Mapping[str, str], version: str, title: str) -> ElicitRequestedSchema:
    field: dict[str, Any] = {"type": "string", "title": title}
    if is_version_at_least(version, _TITLED_SINCE):
        field["oneOf"] = [{"const": name, "title": shown} for name, shown in titles.items()]
    else:
        field |= {"enum": list(titles), "enumNames": list(titles.values())}
    return {"type": "object", "properties": {_FIELD: field}, "required": [_FIELD]}


def _minute(modified: str) -> str:
    return modified[:16].replace("T", " ") + " UTC"
