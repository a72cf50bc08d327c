"""How much memory a model takes, told from its header before it is loaded.

Counted as llama.cpp allocates with batches of 512 tokens and one store of keys and values for all sequences. On a
processor's cores the figures are within a few per cent of what it logs; what is resident may be less, because a part
of the buffers is touched only when many tokens are scored at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from mcp_context_resources.errors import OutOfMemoryError

if TYPE_CHECKING:
    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.spec import CacheType

_VALUE_BYTES: Final[dict[CacheType, float]] = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
_BATCH: Final = 512
_SEQUENCES: Final = 64
_CONTEXT_STEP: Final = 256
_FLOAT: Final = 4
# The tokenizer's tables, measured: 390 bytes a token with merges (49k tokens), 540 with scores and a trie (250k).
_TOKEN_BYTES: Final = 540
_PROCESS_BYTES: Final = 64 << 20
_CGROUP: Final = Path("/sys/fs/cgroup")


def available_bytes(worker_memory_mb: int = 0, freed: int = 0) -> int:
    """Tell how much memory a model may take now: what is free, at most `worker_memory_mb` where that isn't 0.

    `freed` bytes are taken now, but will be free when the model is loaded.
    """
    free = int(psutil.virtual_memory().available) + freed
    limit, used = (_cgroup_number(name) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None:
        free = min(free, max(0, limit - used) + freed)
    return min(free, worker_memory_mb << 20) if worker_memory_mb else free


def needed_bytes(card: ModelCard, file_bytes: int, context_tokens: int, cache_type: CacheType) -> int:
    """Tell how much memory a model takes with a context of that many tokens, or as many as it was trained for."""
    tokens = min(context_tokens, card.context_length or context_tokens)
    return _fixed_bytes(card, file_bytes) + int(_cache_bytes_a_token(card, cache_type) * _padded(tokens))


def largest_context(card: ModelCard, file_bytes: int, cache_type: CacheType, available: int) -> int:
    """Tell the largest context, in tokens, with which a model fits; 0 when not even its weights do."""
    left = available - _fixed_bytes(card, file_bytes)
    if left < 0:
        return 0
    each = _cache_bytes_a_token(card, cache_type)
    most = card.context_length or 1 << 20
    return min(most, int(left / each) // _CONTEXT_STEP * _CONTEXT_STEP) if each else most


def check_fit(
    card: ModelCard, file_bytes: int, context_tokens: int, cache_type: CacheType, available: int, name: str = ""
) -> None:
    """Raise `OutOfMemoryError` when a model doesn't fit, with the largest context that would.

    The error calls the model `name`, or as its card does.
    """
    needed = needed_bytes(card, file_bytes, context_tokens, cache_type)
    if needed <= available:
        return
    tokens = min(context_tokens, card.context_length or context_tokens)
    message = (
        f"The model {name or card.name!r} needs {_size(needed)} of memory with a context of {tokens:,} tokens,"
        f" but only {_size(available)} is available"
    )
    largest = largest_context(card, file_bytes, cache_type, available)
    if largest < _CONTEXT_STEP:
        raise OutOfMemoryError(
            f"{message}: it doesn't fit with any context.",
            "Use a smaller model or a stronger quantization, close other programs, or raise models.worker_memory_mb"
            " if it is set.",
        )
    hint = f"Set models.context_tokens to {largest:,} or less"
    smaller = next((kind for kind in ("q8_0", "q4_0") if _fits(card, file_bytes, tokens, kind, available)), None)
    if smaller is not None and smaller != cache_type:
        hint += f", or models.cache_type to {smaller}"
    raise OutOfMemoryError(f"{message}; the largest context that fits is {largest:,} tokens.", f"{hint}.")


def _fits(card: ModelCard, file_bytes: int, tokens: int, cache_type: CacheType, available: int) -> bool:
    return needed_bytes(card, file_bytes, tokens, cache_type) <= available


def _fixed_bytes(card: ModelCard, file_bytes: int) -> int:
    """Count what doesn't grow with the context: weights, tokenizer, buffers of the computation, results."""
    logits = _FLOAT * card.vocabulary
    # One layer's inner values, its input and its output are alive at once.
    inner = _FLOAT * _BATCH * (2 * card.feed_forward_length + 2 * card.embedding_length)
    if card.causal:
        inner = max(inner, _BATCH * (logits + 2 * _FLOAT * card.embedding_length))
        results = _SEQUENCES * logits
    else:
        results = _BATCH * logits  # llama.cpp keeps room for a logit of every token, though none is computed
    return file_bytes + card.vocabulary * _TOKEN_BYTES + inner + results + _PROCESS_BYTES


def _cache_bytes_a_token(card: ModelCard, cache_type: CacheType) -> float:
    """Count the keys and values of one token in all layers; its place in the mask is counted too."""
    if not card.causal:
        return 0.0
    mask = 2.0 * _BATCH
    return sum(card.kv_heads) * (card.key_length + card.value_length) * _VALUE_BYTES[cache_type] + mask


def _padded(tokens: int) -> int:
    return -(-tokens // _CONTEXT_STEP) * _CONTEXT_STEP


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GB" if count >= 1 << 30 else f"{count / (1 << 20):,.0f} MB"


def _cgroup_number(name: str) -> int | None:
    """Read one of the limits of a container (cgroup v2), or None where there is none."""
    try:
        return int((_CGROUP / name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
