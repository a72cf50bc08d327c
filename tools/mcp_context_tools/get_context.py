"""`get_context`: a question and a number of tokens in, the right facts out."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from mcp_context_tools.context_pack.spec import LEAST_TOKENS, MOST_TOKENS
from mcp_context_tools.tool import Report, Services, Tool, ToolInput, ToolResult

_DEFAULT_TOKENS: Final = 2_000


class GetContextInput(ToolInput):
    """Arguments of `get_context`."""

    question: str = Field(min_length=1, max_length=10_000, description="What is to be answered; any language.")
    max_tokens: int = Field(
        default=_DEFAULT_TOKENS, ge=LEAST_TOKENS, le=MOST_TOKENS, description="Most tokens of the text."
    )
    sources: list[str] = Field(default_factory=list, max_length=50, description="Only these names or globs.")
    kinds: list[Literal["document", "table"]] = Field(
        default_factory=list, max_length=2, description="Only these kinds."
    )


async def _get_context(services: Services, arguments: GetContextInput, report: Report) -> ToolResult:
    from mcp_context_tools.context_pack.packer import PackRequest, pack_context

    wanted = PackRequest(
        arguments.question,
        arguments.max_tokens,
        services.budget.max_chars,
        tuple(arguments.sources),
        tuple(arguments.kinds),
    )
    pack = await pack_context(services, wanted, report)
    return ToolResult(pack.text, pack.data)


GET_CONTEXT: Final = Tool(
    name="get_context",
    title="Get context",
    description=(
        "Everything needed to answer a question from the files, within a token budget: the best passages with their"
        " places, tables with SQL, figures computed, what was left out. Fresh at each call; cheaper than reading"
        " documents."
    ),
    input=GetContextInput,
    run=_get_context,
)
