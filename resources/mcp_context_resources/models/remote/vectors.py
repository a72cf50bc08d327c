"""Vectors: embeddings from a server."""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import PromptTooLongError
from mcp_context_resources.models.remote.failures import Refused, explained
from mcp_context_resources.models.remote.token_estimate import tokens_by_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp_context_resources.models.remote.client import ServerClient

_MAX_BATCH_TEXTS: Final = 32
_MAX_BATCH_CHARS: Final = 200_000
_MAX_DIMENSIONS: Final = 65_536
_MAX_NUMBER: Final = 3e38  # what float32 holds
_MAX_CUTS: Final = 12
_NUMBER: Final = re.compile(r"\d{2,7}")
PATH: Final = "embeddings"


def batches(texts: Sequence[str]) -> Iterator[range]:
    """Divide texts into batches of at most 32 texts and, but for one long text, 200,000 characters."""
    start, chars = 0, 0
    for position, text in enumerate(texts):
        if position > start and (position - start == _MAX_BATCH_TEXTS or chars + len(text) > _MAX_BATCH_CHARS):
            yield range(start, position)
            start, chars = position, 0
        chars += len(text)
    if texts:
        yield range(start, len(texts))


async def embed_batch(
    client: ServerClient, model: str, texts: Sequence[str], *, unit: bool
) -> tuple[list[tuple[float, ...]], int, list[int]]:
    """Return vectors, of length 1 if `unit`, the tokens read, and the positions of texts that had to be cut.

    A text too long for the model is cut until the server takes it.

    Raises `Refused`, `ModelUnavailableError`, `PromptTooLongError`.
    """
    try:
        vectors, tokens = await _embedded(client, model, texts, unit)
    except Refused as refused:
        if not refused.too_long:
            raise
        said = refused
    else:
        return vectors, tokens, []
    if len(texts) == 1:
        vector, tokens = await _cut_and_embedded(client, model, texts[0], said, unit)
        return [vector], tokens, [0]
    vectors, total, cut = [], 0, []
    for position, text in enumerate(texts):
        alone, tokens, was_cut = await embed_batch(client, model, [text], unit=unit)
        vectors += alone
        total += tokens
        cut += [position] * len(was_cut)
    return vectors, total, cut


async def _cut_and_embedded(
    client: ServerClient, model: str, text: str, said: Refused, unit: bool
) -> tuple[tuple[float, ...], int]:
    for _ in range(_MAX_CUTS):
        text = text[: int(len(text) * _fitting_share(said.said))]
        try:
            vectors, tokens = await _embedded(client, model, [text], unit)
        except Refused as refused:
            if not refused.too_long:
                raise
            said = refused
        else:
            return vectors[0], tokens
    error = explained(client.server, said, model=model, path=PATH)
    raise error if isinstance(error, PromptTooLongError) else PromptTooLongError(error.message, error.hint)


def _fitting_share(said: str) -> float:
    """Return which share of a text fits, from the numbers in "600 tokens … at most 512"; half without such numbers."""
    numbers = [int(number) for number in _NUMBER.findall(said)]
    numbers = [number for number in numbers if number >= 16]
    if len(numbers) >= 2 and min(numbers) < max(numbers):
        return max(0.95 * min(numbers) / max(numbers), 0.05)
    return 0.5


async def _embedded(
    client: ServerClient, model: str, texts: Sequence[str], unit: bool
) -> tuple[list[tuple[float, ...]], int]:
    # Some servers refuse a text without any characters.
    body = {"model": model, "input": [text or " " for text in texts], "encoding_format": "float"}
    answer = await client.post(f"{client.server.url}/{PATH}", body)
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or len(data) != len(texts):
        raise client.not_understood("no vector for each text")
    rows: dict[int, tuple[float, ...]] = {}
    for place, item in enumerate(data):
        index = item.get("index", place) if isinstance(item, dict) else None
        vector = _vector(item.get("embedding"), unit) if isinstance(item, dict) else None
        if vector is None or not isinstance(index, int):
            raise client.not_understood("a vector that is none")
        rows[index] = vector
    if rows.keys() != set(range(len(texts))) or len({len(row) for row in rows.values()}) != 1:
        raise client.not_understood("vectors that don't belong together")
    usage = answer.get("usage")
    told = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    counted = told if isinstance(told, int) and 0 < told < 1 << 40 else sum(map(tokens_by_length, texts))
    return [rows[position] for position in range(len(texts))], counted


def _vector(value: Any, unit: bool) -> tuple[float, ...] | None:
    """Return the vector, with length 1 if `unit`; None unless it is a list of numbers with a direction."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):  # llama-server without pooling
        value = value[0]
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_DIMENSIONS:
        return None
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in value):
        return None
    try:
        length = math.hypot(*value)
    except OverflowError:
        return None
    if not math.isfinite(length) or length == 0:
        return None
    vector = tuple(number / length for number in value) if unit else tuple(map(float, value))
    return vector if max(map(abs, vector)) <= _MAX_NUMBER else None


def packed(vectors: Sequence[tuple[float, ...]]) -> bytes:
    """Return vectors as little-endian float32, one after another."""
    return b"".join(struct.pack(f"<{len(vector)}f", *vector) for vector in vectors)
