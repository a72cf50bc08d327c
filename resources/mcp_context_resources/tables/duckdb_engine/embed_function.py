"""`embed('…')` in SQL, for the engine: found in a parse tree, and defined so that it looks vectors up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.tables.embedded_texts import HOW_TO_EMBED
from mcp_context_resources.tables.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

EMBED: Final = "embed"
# NaN, which a vector of zeros makes, would come before everything else.
_SIMILARITY: Final = {
    "cosine_similarity": "nullif(list_cosine_similarity(a, b), 'nan')",
    "inner_product": "list_inner_product(a, b)",
    "l2_distance": "list_distance(a, b)",
}


def embedded(node: Mapping[str, Any]) -> tuple[str, str] | None:
    """Tell what a call in the parse tree embeds: `("text", words)` or `("parameter", name)`; None for other calls.

    Raises `InvalidInputError` for a call with anything but one text in it.
    """
    path = (node.get("qualified_name") or {}).get("path") or [node.get("function_name", "")]
    if str(path[-1]).strip('"').lower() != EMBED:
        return None
    arguments = [argument.get("expression") or {} for argument in node.get("arguments") or []]
    if len(arguments) == 1:
        literal = arguments[0].get("literal") or {}
        if arguments[0].get("type") == "VALUE_CONSTANT" and literal.get("kind") == "STRING":
            return "text", str(literal["text"])
        if arguments[0].get("type") == "VALUE_PARAMETER":
            return "parameter", str(arguments[0]["identifier"])
    raise InvalidInputError("embed() takes one text, in single quotes or as a parameter.", HOW_TO_EMBED)


def define_similarity(connection: duckdb.DuckDBPyConnection) -> None:
    """Give SQL the functions that compare two vectors; null where one of them is."""
    for name, expression in _SIMILARITY.items():
        connection.execute(f"CREATE MACRO {name}(a, b) AS ({expression})::DOUBLE")  # as FLOAT, 0.81 shows its last bits


def define_embed(connection: duckdb.DuckDBPyConnection, vectors: Sequence[tuple[str, str]]) -> None:
    """Let `embed` give the vectors of these texts."""
    if vectors:
        cases = " ".join(f"WHEN {quoted(text)} THEN {quoted(vector)}" for text, vector in vectors)
        otherwise = f"ELSE error({quoted('embed() has no vector of this text.')})"
        connection.execute(f"CREATE OR REPLACE MACRO {EMBED}(words) AS (CASE words {cases} {otherwise} END)::FLOAT[]")
