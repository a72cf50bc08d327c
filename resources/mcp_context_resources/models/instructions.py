"""Instructions of embedding models: how they want their texts, with the words they were trained with before them."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from mcp_context_resources.models.model_card import ModelCard

Purpose = Literal["query", "passage"]
"""What a text is to a search: what is asked, or what is found."""

EMBEDDING_VERSION: Final = 1
"""Counts the ways in which texts were handed to embedding models; vectors of one can't be compared with another's."""

_TASK: Final = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
_EVERY_LINE_END: Final = re.compile(r"[ \t]*\n\s*")
# From the cards of the models: what comes before a query, and before a passage.
_BEFORE: Final[tuple[tuple[re.Pattern[str], str, str], ...]] = (
    (re.compile(r"e5.*instruct"), f"{_TASK} ", ""),
    (re.compile(r"\be5\b"), "query: ", "passage: "),
    (re.compile(r"nomic-embed|modernbert-embed"), "search_query: ", "search_document: "),
    (re.compile(r"embedding-?gemma"), "task: search result | query: ", "title: none | text: "),
    (re.compile(r"qwen3-embedding"), _TASK, ""),
    (re.compile(r"\bruri-v3"), "検索クエリ: ", "検索文書: "),
    (re.compile(r"\bruri"), "クエリ: ", "文章: "),
    (
        re.compile(r"bge-(small|base|large)-en|mxbai-embed|snowflake-arctic-embed"),
        "Represent this sentence for searching relevant passages: ",
        "",
    ),
)


def embedding_text(card: ModelCard, file_name: str, text: str, purpose: Purpose) -> str:
    """Return a text as it goes to the embedding model.

    Width and other variants are folded (NFKC), and white space around and between lines is taken off: a single
    newline at the end moves a vector of multilingual-e5-small by 0.03 in cosine.
    """
    clean = _EVERY_LINE_END.sub("\n", unicodedata.normalize("NFKC", text)).strip()
    names = re.sub(r"[\s_]+", "-", f"{card.name} {file_name}".casefold())
    for family, query, passage in _BEFORE:
        if family.search(names):
            return (query if purpose == "query" else passage) + clean
    return clean
