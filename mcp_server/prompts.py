"""The prompts: what a host offers as commands, each with context fetched at the moment it is used."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from mcp_context_resources.errors import ContextError, InvalidInputError, NotFoundError
from mcp_context_tools.context_pack.packing import Wanted, pack_context
from mcp_context_tools.context_pack.token_estimate import estimated_tokens
from mcp_server.errors import refuse_cursor
from mcp_server.prompt_wording import ASK, CHECK, written

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server.context import ServerRequestContext

    from mcp_context_tools.tool import Services
    from mcp_server.redacting import RedactedCall, Redaction

    ListPrompts = Callable[
        [ServerRequestContext[Services], PaginatedRequestParams | None], Awaitable[ListPromptsResult]
    ]
    GetPrompt = Callable[[ServerRequestContext[Services], GetPromptRequestParams], Awaitable[GetPromptResult]]

_log = logging.getLogger("fresh_context")

CONTEXT_TOKENS: Final = 4_000
"""Most tokens of the context inside a prompt."""

_MAX_ARGUMENT_CHARS: Final = 10_000
_TRIES: Final = 3
_SHARE: Final = 90


@dataclass(frozen=True, slots=True)
class ContextPrompt:
    """A prompt as hosts list it; `write` makes its text of the arguments, with up to so many tokens of context."""

    name: str
    title: str
    description: str
    arguments: tuple[PromptArgument, ...]
    write: Callable[[Services, Mapping[str, str], int], Awaitable[str]]

    def checked(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the arguments given; raises `InvalidInputError` for a missing, blank, unknown or overlong one."""
        known = {argument.name for argument in self.arguments}
        needed = [argument.name for argument in self.arguments if argument.required]
        if unknown := [name for name in given if name not in known]:
            raise InvalidInputError(
                f"{self.name} has no argument {unknown[0][:100]!r}.", f"It has {', '.join(sorted(known))}."
            )
        if missing := [name for name in needed if not given.get(name, "").strip()]:
            raise InvalidInputError(f"{self.name} needs the argument {missing[0]!r}.", "Say it in words.")
        if too_long := [name for name, value in given.items() if len(value) > _MAX_ARGUMENT_CHARS]:
            raise InvalidInputError(
                f"{too_long[0]!r} is longer than {_MAX_ARGUMENT_CHARS:,} characters.", "Say it in fewer words."
            )
        return dict(given)


def _about_files(
    name: str, title: str, description: str, argument: PromptArgument, templates: Mapping[str, str]
) -> ContextPrompt:
    """Make a prompt about the user's words (its one argument) with context from all files."""

    async def write(services: Services, given: Mapping[str, str], max_tokens: int) -> str:
        words = given[argument.name]
        wanted = Wanted(words, max_tokens, 2 * services.budget.max_chars)
        pack = await pack_context(services, wanted, _silent)
        return written(templates, words, pack.text)

    return ContextPrompt(name, title, description, (argument,), write)


PROMPTS: Final = (
    _about_files(
        "ask_my_files",
        "Ask my files",
        "Answer a question from the served folders: the passages and tables that matter, read just now, with places to"
        " cite.",
        PromptArgument(name="question", title="Question", description="What you want to know.", required=True),
        ASK,
    ),
    _about_files(
        "check_claim",
        "Check a claim",
        "Check a claim against the served folders: supported, contradicted or not in the files, each with quotes.",
        PromptArgument(name="claim", title="Claim", description="What is said to be true.", required=True),
        CHECK,
    ),
)
"""All prompts, in the order in which they are listed."""


def prompt_handlers(redaction: Redaction | None) -> tuple[ListPrompts, GetPrompt]:
    """Make what answers `prompts/list` and `prompts/get`, redacted where `redaction` is given.

    An unknown prompt or a wrong argument is -32602, as the spec wants it.
    """
    listed = [
        Prompt(name=one.name, title=one.title, description=one.description, arguments=list(one.arguments))
        for one in PROMPTS
    ]
    known = {one.name: one for one in PROMPTS}

    async def list_prompts(
        _context: ServerRequestContext[Services], params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        refuse_cursor(params)
        return ListPromptsResult(prompts=listed)

    async def get_prompt(context: ServerRequestContext[Services], params: GetPromptRequestParams) -> GetPromptResult:
        prompt = known.get(params.name)
        if prompt is None:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name[:200]}. There is {', '.join(known)}.")
        started, outcome = time.perf_counter(), "cancelled"
        try:
            text = await _written(prompt, context.lifespan_context, params.arguments or {}, redaction)
            outcome = "ok"
        except MCPError:
            outcome = "error"
            raise
        finally:
            _log.info("%s %s %.0f ms", prompt.name, outcome, (time.perf_counter() - started) * 1000)
        # A lone surrogate in a file would end the session.
        content = TextContent(type="text", text=text.encode(errors="replace").decode())
        return GetPromptResult(description=prompt.description, messages=[PromptMessage(role="user", content=content)])

    return list_prompts, get_prompt


async def _written(
    prompt: ContextPrompt, services: Services, given: Mapping[str, str], redaction: Redaction | None
) -> str:
    call: RedactedCall | None = None
    try:
        if redaction is None:
            return await prompt.write(services, prompt.checked(given), CONTEXT_TOKENS)
        call = redaction.call(dict(given))
        return await _redacted(prompt, services, call)
    except ContextError as error:
        told = error if redaction is None else redaction.error(error) if call is None else call.error(error)
        code = INVALID_PARAMS if isinstance(error, InvalidInputError | NotFoundError) else INTERNAL_ERROR
        raise MCPError(code, str(told)) from error
    except Exception as error:
        _log.exception("%s failed", prompt.name)
        raise MCPError(INTERNAL_ERROR, f"{prompt.name} failed inside the server; its log has details.") from error


async def _redacted(prompt: ContextPrompt, services: Services, call: RedactedCall) -> str:
    """Write a prompt with placeholders, which may be longer than what they stand for, in the same number of tokens."""
    arguments = prompt.checked(call.arguments)
    services = replace(services, private=call.private)
    room = CONTEXT_TOKENS
    text = ""
    for _ in range(_TRIES):
        plain = await prompt.write(services, arguments, room)
        text = call.text(plain)
        over = estimated_tokens(text) - estimated_tokens(plain) + room - CONTEXT_TOKENS
        if over <= 0:
            break
        room = max(room * _SHARE // 100 - over, CONTEXT_TOKENS // 4)
    return text


async def _silent(done: float, total: float | None = None, message: str | None = None) -> None:
    """Hear of progress; nobody waits for it here."""
