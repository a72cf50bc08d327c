"""`embed('…')` in SQL: the texts are made vectors before the statement runs, and `embed` looks them up.

The statement itself stays as it was written and as the gate judged it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from mcp_context_resources.errors import InvalidInputError, ModelUnavailableError
from mcp_context_resources.tables.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from mcp_context_resources.tables.spec import ParsedStatement
    from mcp_context_resources.workspace.catalogue import Catalogue

EMBED: Final = "embed"
MAX_CALLS: Final = 16
"""Most different texts one statement may embed."""

MAX_CHARS: Final = 10_000
"""Longest text that may be embedded."""

_HOW: Final = "Write embed('words to look for') or embed($1); to embed a column, use map_rows with task embed."
# NaN, which a vector of zeros makes, would come before everything else.
_SIMILARITY: Final = {
    "cosine_similarity": "nullif(list_cosine_similarity(a, b), 'nan')",
    "inner_product": "list_inner_product(a, b)",
    "l2_distance": "list_distance(a, b)",
}


class Embedder(Protocol):
    """Makes vectors of what is looked for."""

    async def __call__(self, catalogue: Catalogue, texts: Sequence[str], model: str | None) -> list[list[float]]:
        """Return a vector for each text, by the model of that name or the usual one; raises what models raise."""


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
    raise InvalidInputError("embed() takes one text, in single quotes or as a parameter.", _HOW)


def texts_of(statement: ParsedStatement, values: Mapping[str, Any]) -> list[str]:
    """Return the different texts a statement embeds; `values` are those of its parameters.

    Raises `InvalidInputError` for what is no text, for too many and for one that is too long.
    """
    texts: dict[str, None] = {}
    for kind, given in statement.embeds:
        text = given if kind == "text" else values.get(given)
        if not isinstance(text, str) or not text.strip():
            raise InvalidInputError("embed() was given no text.", _HOW)
        if len(text) > MAX_CHARS:
            raise InvalidInputError(
                f"embed() was given {len(text):,} characters; at most {MAX_CHARS:,} are allowed.", "Shorten the text."
            )
        texts[text] = None
    if len(texts) > MAX_CALLS:
        raise InvalidInputError(
            f"The statement embeds {len(texts)} texts; at most {MAX_CALLS} are allowed.", "Use fewer."
        )
    return list(texts)


async def vectors_of(
    embedder: Embedder | None, catalogue: Catalogue, texts: Sequence[str], models: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Embed texts by the model that the tables read were embedded by; each vector written as SQL reads it.

    Raises `ModelUnavailableError`, `InvalidInputError` when there are several such models, and what models raise.
    """
    if embedder is None:
        raise ModelUnavailableError("There is no model that embeds texts here.", "Install the starter models.")
    if len(models) > 1:
        raise InvalidInputError(
            f"The tables were embedded by different models ({', '.join(models)}), whose vectors can't be compared.",
            "Use one of the tables at a time, or embed both by the same model.",
        )
    vectors = await embedder(catalogue, texts, models[0] if models else None)
    return tuple((text, str([float(number) for number in vector])) for text, vector in zip(texts, vectors, strict=True))


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
