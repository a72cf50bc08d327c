"""A model as a resource: its card as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_context_resources.errors import ContextError
from mcp_context_tools.tool import ToolResult

if TYPE_CHECKING:
    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.tool import Report, Services
    from mcp_server.resources.targets import Target


async def read_model(services: Services, target: Target, report: Report) -> ToolResult:
    """Return what is known of a model; of one that can't be used, why."""
    del report
    source = target.source
    assert source is not None  # noqa: S101 - only tables may be made when they are asked for
    data: dict[str, Any] = {
        "name": source.name,
        "uri": source.uri,
        "format": source.format,
        "file": source.file,
    }
    if source.modified_ns:  # a model on a server has neither
        data |= {"size": source.size, "modified": source.modified}
    try:
        card = await services.models.card(source)
    except ContextError as error:
        return ToolResult("", data | {"problem": error.message})
    if card is not None:
        data |= _told(services, source, card)
    data["in_memory"] = services.models.in_memory == source.name
    return ToolResult("", data)


def _told(services: Services, source: Source, card: ModelCard) -> dict[str, Any]:
    """Return what a card tells, without what it doesn't know."""
    settings = services.models.settings
    tokens = min(settings.context_tokens, card.context_length or settings.context_tokens)
    told = {
        "title": card.name,
        "roles": list(card.roles),
        "architecture": card.architecture,
        "parameters": card.parameters,
        "quantization": card.quantization,
        "context_tokens": tokens,
        "trained_context_tokens": card.context_length,
        "embedding_length": card.embedding_length,
        "layers": card.layers,
        "languages": list(card.languages),
        "license": card.license,
        "files": card.parts if card.parts > 1 else 0,
        "package": card.package,
    }
    told["memory_bytes"] = services.models.memory_bytes(source, card)
    return {name: value for name, value in told.items() if value}
