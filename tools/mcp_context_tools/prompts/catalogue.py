"""Every prompt, in the order in which hosts list them."""

from __future__ import annotations

from typing import Final

from mcp_context_tools.prompts.about_files import write_claim, write_question
from mcp_context_tools.prompts.comparing import write_comparison
from mcp_context_tools.prompts.exploring import write_exploration
from mcp_context_tools.prompts.prompt import DOCUMENT_TOKENS, Argument, ContextPrompt
from mcp_context_tools.prompts.summarizing import write_summary

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
