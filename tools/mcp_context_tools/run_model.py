"""`run_model`: the local model on a prompt and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from mcp_context_resources.errors import InvalidInputError, PromptTooLongError
from mcp_context_resources.models.json_schema import check_json_schema
from mcp_context_resources.models.language import language_of
from mcp_context_tools.model_tasks.answer import answer
from mcp_context_tools.model_tasks.call import ModelCall
from mcp_context_tools.model_tasks.extract import extract
from mcp_context_tools.model_tasks.generate import generate, look
from mcp_context_tools.model_tasks.outcome import render
from mcp_context_tools.model_tasks.retrieved_sources import searched
from mcp_context_tools.model_tasks.summarize import summarize
from mcp_context_tools.passages import MAX_MATERIAL_CHARS, Material, gather
from mcp_context_tools.tool import Report, Services, Tool, ToolInput, ToolResult

if TYPE_CHECKING:
    from mcp_context_tools.model_tasks.outcome import Outcome

# No tokenizer packs more characters than this into a token on average, so longer material can't fit.
_CHARS_PER_TOKEN: Final = 8
_ANY_LENGTH: Final = ("answer", "summarize")


class RunModelInput(ToolInput):
    """Arguments of `run_model`."""

    task: Literal["generate", "answer", "summarize", "extract"] = Field(
        description="generate: free text. answer: from the sources only (none: all files are searched), every statement"
        " with a verified quote."
        " summarize: sources of any length, each point with its page. extract: JSON that follows json_schema."
    )
    prompt: str = Field(default="", max_length=200_000, description="What to do or ask.")
    sources: list[str] = Field(
        default_factory=list,
        max_length=50,
        description="Names from list_sources, pages such as report.pdf#pages=2-4, document:// citations, or SELECTs.",
    )
    view: Literal["text", "image"] = Field(
        default="text", description="image: show document pages as pictures to a vision model; only with generate."
    )
    json_schema: dict[str, Any] | None = Field(default=None, description="JSON Schema the answer must follow.")
    max_tokens: int | None = Field(default=None, ge=1, description="Most tokens to generate.")
    model: str | None = Field(
        default=None, max_length=500, description="Name from list_sources; the result says which was used."
    )


async def _run_model(services: Services, arguments: RunModelInput, report: Report) -> ToolResult:
    settings = services.models.settings
    _check(arguments, settings.max_tokens)
    catalogue = await services.tables.catalogue()
    model = await services.models.choose(
        catalogue,
        "vision" if arguments.view == "image" else "chat",
        arguments.model,
        language=language_of(arguments.prompt) if arguments.prompt else None,
    )
    call = ModelCall(services, model, report)
    most = arguments.max_tokens or min(settings.default_tokens, settings.max_tokens, call.context_tokens // 2)
    if arguments.view == "image":
        outcome, material = await look(call, arguments.prompt, arguments.sources, most)
        return render(outcome, call, material, services.budget.max_chars)
    if arguments.task == "answer" and not arguments.sources:
        material, nothing = await searched(services, catalogue, arguments.prompt, report)
        outcome = nothing or await answer(call, arguments.prompt, material, arguments.max_tokens)
        return render(outcome, call, material, services.budget.max_chars)
    any_length = arguments.task in _ANY_LENGTH
    try:
        material = await gather(
            services,
            catalogue,
            arguments.sources,
            report=report,
            max_chars=MAX_MATERIAL_CHARS if any_length else call.context_tokens * _CHARS_PER_TOKEN,
        )
    except PromptTooLongError as error:
        if any_length:
            raise
        raise PromptTooLongError(error.message, f"{error.hint} The task summarize reads any length.") from error
    outcome = await _outcome(call, arguments, material, most)
    return render(outcome, call, material, services.budget.max_chars)


async def _outcome(call: ModelCall, arguments: RunModelInput, material: Material, max_tokens: int) -> Outcome:
    if arguments.json_schema is not None:
        return await extract(call, arguments.prompt, material, arguments.json_schema, max_tokens)
    if arguments.task == "answer":
        return await answer(call, arguments.prompt, material, arguments.max_tokens)
    if arguments.task == "summarize":
        return await summarize(call, arguments.prompt, material, arguments.max_tokens)
    return await generate(call, arguments.prompt, material, max_tokens)


def _check(arguments: RunModelInput, most_tokens: int) -> None:
    task, prompt = arguments.task, arguments.prompt.strip()
    if task == "extract" and arguments.json_schema is None:
        raise InvalidInputError("The task extract needs a json_schema.", "Give the JSON Schema of what to extract.")
    if arguments.json_schema is not None:
        if task in _ANY_LENGTH:
            raise InvalidInputError(f"The task {task} takes no json_schema.", "Use the task extract.")
        check_json_schema(arguments.json_schema)
    if arguments.view == "image" and (task != "generate" or arguments.json_schema is not None or not arguments.sources):
        raise InvalidInputError(
            "view image goes with the task generate and with sources.", "Name document pages as sources, and a prompt."
        )
    if not prompt and task in ("generate", "answer"):
        raise InvalidInputError("There is no prompt.", "Say in prompt what to do with the sources, or what you ask.")
    if not arguments.sources and task == "summarize":
        raise InvalidInputError(
            "The task summarize needs sources.", "Name tables or documents; list_sources shows them."
        )
    if not prompt and not arguments.sources:
        raise InvalidInputError("There is nothing to extract from.", "Give sources, or the text in prompt.")
    if arguments.max_tokens is not None and arguments.max_tokens > most_tokens:
        raise InvalidInputError(
            f"max_tokens is {arguments.max_tokens:,}; at most {most_tokens:,} is allowed.", "Ask for fewer."
        )


RUN_MODEL: Final = Tool(
    name="run_model",
    title="Run the local model",
    description=(
        "Hand work to the language model on this machine: a task, and tables or document pages as sources, which it"
        " reads without them entering your context; only its short answer does. Nothing leaves the machine. It may be"
        " a small model: check what matters."
    ),
    input=RunModelInput,
    run=_run_model,
)
