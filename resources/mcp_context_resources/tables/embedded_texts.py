"""Embedded texts: those of `embed('…')` in SQL are made vectors before the statement runs.

The statement itself stays as it was written and as the engine admitted it; the engine only looks the vectors up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from mcp_context_resources.errors import InvalidInputError, ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.tables.spec import ParsedStatement
    from mcp_context_resources.workspace.catalogue import Catalogue

MAX_CALLS: Final = 16
"""Most different texts one statement may embed."""

MAX_CHARS: Final = 10_000
"""Longest text that may be embedded."""

HOW_TO_EMBED: Final = "Write embed('words to look for') or embed($1); to embed a column, use map_rows with task embed."
"""What to write instead of a call that embeds no text."""


class QueryEmbedder(Protocol):
    """Makes vectors of what is looked for."""

    async def __call__(self, catalogue: Catalogue, texts: Sequence[str], model: str | None) -> list[list[float]]:
        """Return a vector for each text, by the model of that name or the usual one; raises what models raise."""


def texts_of(statement: ParsedStatement, values: Mapping[str, Any]) -> list[str]:
    """Return the different texts a statement embeds; `values` are those of its parameters.

    Raises `InvalidInputError` for what is no text, for too many and for one that is too long.
    """
    texts: dict[str, None] = {}
    for kind, given in statement.embeds:
        text = given if kind == "text" else values.get(given)
        if not isinstance(text, str) or not text.strip():
            raise InvalidInputError("embed() was given no text.", HOW_TO_EMBED)
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
    embedder: QueryEmbedder | None, catalogue: Catalogue, texts: Sequence[str], models: Sequence[str]
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
