"""`ask_my_files` and `check_claim`: the user's words, with what all files have to say about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_context_tools.context_pack.packing import Wanted, pack_context
from mcp_context_tools.prompts.prompt import Draft, silent
from mcp_context_tools.prompts.wording import filled, wording_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp_context_tools.tool import Services


async def write_question(services: Services, given: Mapping[str, str], max_tokens: int) -> Draft:
    """Write `ask_my_files` of its `question`."""
    words = given["question"].strip()
    context = await _context(services, words, max_tokens)
    template = wording_for(words, context.text).ask
    return Draft(filled(template, context=context.text, words=words), context.data, context.sources)


async def write_claim(services: Services, given: Mapping[str, str], max_tokens: int) -> Draft:
    """Write `check_claim` of its `claim`."""
    words = given["claim"].strip()
    context = await _context(services, words, max_tokens)
    template = wording_for(words, context.text).check
    return Draft(filled(template, context=context.text, words=words), context.data, context.sources)


async def _context(services: Services, words: str, max_tokens: int) -> Draft:
    pack = await pack_context(services, Wanted(words, max_tokens, 2 * services.budget.max_chars), silent)
    return Draft(pack.text, pack.data, tuple(source["name"] for source in pack.data["sources"]))
