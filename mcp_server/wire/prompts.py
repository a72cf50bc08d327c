"""Answers `prompts/list` and `prompts/get`: arguments checked, faults told, values redacted, doubtful names asked."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from mcp_context_resources.errors import ContextError
from mcp_context_tools.context_pack.token_estimate import estimated_tokens
from mcp_server.logging.call_log import note_sources
from mcp_server.wire.elicitation import Asking, choosing
from mcp_server.wire.errors import code_of, refuse_cursor, told_of
from mcp_server.wire.utf8_safe import sendable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server.context import ServerRequestContext

    from mcp_context_tools.prompts.prompt import ContextPrompt
    from mcp_context_tools.tool import Services
    from mcp_server.redaction.redacting import RedactedCall, Redaction

    ListPrompts = Callable[
        [ServerRequestContext[Services], PaginatedRequestParams | None], Awaitable[ListPromptsResult]
    ]
    GetPrompt = Callable[
        [ServerRequestContext[Services], GetPromptRequestParams], Awaitable[GetPromptResult | InputRequiredResult]
    ]

_log = logging.getLogger("fresh_context")

_TRIES: Final = 3
_SHARE: Final = 90


def _known() -> Mapping[str, ContextPrompt]:
    from mcp_context_tools.prompts.catalogue import PROMPTS  # what they are made of is much, and no start needs it

    return {one.name: one for one in PROMPTS}


def prompt_handlers(redaction: Redaction | None) -> tuple[ListPrompts, GetPrompt]:
    """Make what answers `prompts/list` and `prompts/get`, redacted where `redaction` is given.

    An unknown prompt or a wrong argument is -32602, as the spec wants it.
    """

    async def list_prompts(
        _context: ServerRequestContext[Services], params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        refuse_cursor(params)
        return ListPromptsResult(prompts=[_listed(one) for one in _known().values()])

    async def get_prompt(
        context: ServerRequestContext[Services], params: GetPromptRequestParams
    ) -> GetPromptResult | InputRequiredResult:
        prompt = _known().get(params.name)
        if prompt is None:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name[:200]}. There is {', '.join(_known())}.")
        written = await _written(prompt, context, params, redaction)
        if isinstance(written, InputRequiredResult):
            return written
        content = TextContent(type="text", text=sendable(written))
        return GetPromptResult(description=prompt.description, messages=[PromptMessage(role="user", content=content)])

    return list_prompts, get_prompt


def _listed(prompt: ContextPrompt) -> Prompt:
    arguments = [
        PromptArgument(name=one.name, title=one.title, description=one.description, required=one.required)
        for one in prompt.arguments
    ]
    return Prompt(name=prompt.name, title=prompt.title, description=prompt.description, arguments=arguments)


async def _written(
    prompt: ContextPrompt,
    context: ServerRequestContext[Services],
    params: GetPromptRequestParams,
    redaction: Redaction | None,
) -> str | InputRequiredResult:
    call: RedactedCall | None = None
    services = context.lifespan_context

    async def attempt(given: Mapping[str, Any]) -> str:
        arguments = prompt.checked(given)
        if call is not None:
            return await _redacted(prompt, services, arguments, call)
        draft = await prompt.write(services, arguments, prompt.max_tokens)
        note_sources(draft.sources)
        return draft.text

    try:
        if redaction is not None:
            call = redaction.call(dict(params.arguments or {}))
        arguments = dict(params.arguments or {}) if call is None else call.arguments
        return await choosing(Asking(context, params, str if call is None else call.text), arguments, attempt)
    except ContextError as error:
        told = told_of(error, redaction, call)
        raise MCPError(code_of(error), str(told)) from error
    except Exception as error:
        _log.exception("%s failed", prompt.name)
        raise MCPError(INTERNAL_ERROR, f"{prompt.name} failed inside the server; its log has details.") from error


async def _redacted(prompt: ContextPrompt, services: Services, arguments: Mapping[str, str], call: RedactedCall) -> str:
    """Write a prompt with placeholders, which may be longer than what they stand for, in the same number of tokens."""
    services = replace(services, private=call.private)
    room = prompt.max_tokens
    text = ""
    for _ in range(_TRIES):
        draft = await prompt.write(services, arguments, room)
        note_sources(draft.sources)
        text = call.text(draft.text, draft.data)
        over = estimated_tokens(text) - estimated_tokens(draft.text) + room - prompt.max_tokens
        if over <= 0:
            break
        room = max(room * _SHARE // 100 - over, prompt.max_tokens // 4)
    return text
