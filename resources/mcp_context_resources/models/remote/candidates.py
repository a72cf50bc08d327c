"""Candidates on servers: their models in the form in which models are listed and chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_context_resources.models.model_card import MANY, ModelCard
from mcp_context_resources.workspace.source import Live, Source

if TYPE_CHECKING:
    from mcp_context_resources.models.remote.discovery import RemoteModel

REMOTE: Final = "remote"
"""The format of models that lie on a server; their `file` is its address."""


def candidate(model: RemoteModel) -> tuple[Source, ModelCard]:
    """Return a server's model as a source and what is known of it."""
    source = Source(
        kind="model",
        name=model.name,
        location=None,
        file=model.url,
        format=REMOTE,
        version=Live(),
        part=model.name,
    )
    card = ModelCard(
        name=model.name,
        architecture="",
        kind="model",
        quantization="unknown",
        parameters=0,
        context_length=model.context_tokens or 0,
        embedding_length=0,
        feed_forward_length=0,
        vocabulary=0,
        layers=0,
        heads=0,
        kv_heads=(),
        key_length=0,
        value_length=0,
        causal=True,
        pooling="",
        languages=(MANY,),
        license="",
        roles=model.roles,
        has_chat_template=True,
    )
    return source, card
