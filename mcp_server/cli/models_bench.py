"""How fast a model works in its worker process, as the server runs it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import anyio
import psutil

from mcp_context_resources.models.service import Models
from mcp_context_resources.models.spec import Generation

if TYPE_CHECKING:
    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.models.spec import Role
    from mcp_context_resources.workspace.workspace import Workspace
    from mcp_server.settings import Settings

_SENTENCES: Final = 20
_TEXTS: Final = 32
_SYSTEM: Final = "You are a careful assistant."
_SENTENCE: Final = "The tram to the harbour leaves from stop {} every ten minutes, and the fare is {} yen. "
_QUESTION: Final = "Retell this at length."


def run(workspace: Workspace, settings: Settings, name: str | None, *, tokens: int) -> dict[str, Any]:
    """Load a model and measure it: tokens a second when reading and writing `tokens`, or texts a second when embedding.

    Raises what `Models` raises.
    """
    return anyio.run(_run, workspace, settings, name, tokens)


async def _run(workspace: Workspace, settings: Settings, name: str | None, tokens: int) -> dict[str, Any]:
    storage = settings.storage
    models = Models(workspace, settings.models, storage.folder(), storage.max_cache_bytes)
    try:
        catalogue = workspace.catalogue()
        role = await _role(models, catalogue, name)
        choice = await models.choose(catalogue, role, name)
        measured = await (_embedding(models, choice) if role == "embed" else _writing(models, choice, tokens))
        return {"model": choice.source.name, **measured, "memory_mb": _workers_memory() >> 20}
    finally:
        await models.aclose()


async def _role(models: Models, catalogue: Any, name: str | None) -> Role:
    if name is None:
        return "chat"
    from mcp_context_resources.models.registry import is_called

    cards = await models.candidates(catalogue)
    return next((card.roles[0] for source, card in cards if is_called(source, name) and card.roles), "chat")


async def _writing(models: Models, choice: Choice, tokens: int) -> dict[str, Any]:
    sentences = max(2, min(_SENTENCES, tokens // 6))  # a short test reads little, too
    text = "".join(_SENTENCE.format(number, 10 * number) for number in range(sentences))
    [loading] = await models.generate(choice, [Generation(_SYSTEM, "Hello.", 1)])
    [first] = await models.generate(choice, [Generation(_SYSTEM, f"{text}\n{_QUESTION}", tokens)])
    return {
        "quantization": first.quantization,
        "device": first.device,
        "context_tokens": first.context_tokens,
        "load_seconds": round(loading.load_seconds, 2),
        "prompt_tokens": first.prompt_tokens,
        "prompt_tokens_a_second": round((first.prompt_tokens - first.held_tokens) / max(first.prompt_seconds, 1e-9), 1),
        "tokens": first.completion_tokens,
        "tokens_a_second": round(first.completion_tokens / max(first.generate_seconds, 1e-9), 1),
    }


async def _embedding(models: Models, choice: Choice) -> dict[str, Any]:
    texts = [_SENTENCE.format(number, 10 * number) * 4 for number in range(_TEXTS)]
    started = time.perf_counter()
    await models.embed(choice, texts[:1], "passage")
    loaded = time.perf_counter()
    result = await models.embed(choice, texts, "passage")
    seconds = time.perf_counter() - loaded
    return {
        "quantization": result.quantization,
        "device": result.device,
        "dimensions": result.dimensions,
        "load_seconds": round(loaded - started, 2),
        "texts": len(texts),
        "tokens_a_text": round(result.tokens / len(texts), 1),
        "texts_a_second": round(len(texts) / seconds, 1),
        "tokens_a_second": round(result.tokens / seconds, 1),
    }


def _workers_memory() -> int:
    """Count the resident memory of this process's workers, in bytes."""
    total = 0
    for child in psutil.Process().children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
