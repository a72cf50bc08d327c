"""Catalogue of prompts, in the order in which hosts list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_tools.context_pack.packer import PackRequest, pack_context
from mcp_context_tools.prompts.document_comparison import write_comparison
from mcp_context_tools.prompts.document_summary import write_summary
from mcp_context_tools.prompts.languages import wording_for
from mcp_context_tools.prompts.prompt import DOCUMENT_TOKENS, Argument, ContextPrompt, Draft, silent
from mcp_context_tools.prompts.table_exploration import write_exploration
from mcp_context_tools.prompts.wording import filled

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
    pack = await pack_context(services, PackRequest(words, max_tokens, 2 * services.budget.max_chars), silent)
    return Draft(pack.text, pack.data, tuple(source["name"] for source in pack.data["sources"]))


PROMPTS: Final = (
    ContextPrompt(
        "ask_my_files",
        "Ask my files",
        "Answer a question from the served folders: the passages and tables that matter, read just now, with places to"
        " cite.",
        (Argument("question", "Question", "What you want to know."),),
        write_question,
    ),
    ContextPrompt(
        "explore_table",
        "Explore a table",
        "What a table holds, what stands out and what to doubt: columns, example rows, joins, and SQL run just now.",
        (Argument("table", "Table", "The table's name."),),
        write_exploration,
    ),
    ContextPrompt(
        "summarize_document",
        "Summarize a document",
        "Summarize a document or some of its pages, each point with its page; of a long one how its parts begin.",
        (
            Argument("document", "Document", "The document's name."),
            Argument("pages", "Pages", "Such as 5, 2-4 or 7-; all by default.", required=False),
        ),
        write_summary,
        DOCUMENT_TOKENS,
    ),
    ContextPrompt(
        "compare_documents",
        "Compare two documents",
        "What differs between two versions, sentence by sentence; or what two documents, in any language, say about"
        " one thing.",
        (
            Argument("a", "First document", "A document's name."),
            Argument("b", "Second document", "Another document's name."),
            Argument("aspect", "Aspect", "What to compare them on; all by default.", required=False),
        ),
        write_comparison,
        DOCUMENT_TOKENS,
    ),
    ContextPrompt(
        "check_claim",
        "Check a claim",
        "Check a claim against the served folders: supported, contradicted or not in the files, each with quotes.",
        (Argument("claim", "Claim", "What is said to be true."),),
        write_claim,
    ),
)
"""All prompts, in the order in which they are listed."""
