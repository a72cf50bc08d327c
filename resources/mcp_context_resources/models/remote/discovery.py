"""Discovery: which models servers have. A server that can't be reached is a notice, never a failure."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio

from mcp_context_resources.errors import ContextError, ModelUnavailableError
from mcp_context_resources.models.remote.client import ServerClient
from mcp_context_resources.models.remote.failures import Refused, explained
from mcp_context_resources.models.remote.servers import configured_servers

if TYPE_CHECKING:
    from mcp_context_resources.models.remote.servers import Server
    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.models.spec import Role

_SECONDS: Final = 1.5
_KEPT_SECONDS: Final = 30.0
_MAX_MODELS: Final = 200
_MAX_NAME_CHARS: Final = 200
_MAX_CONTEXT: Final = 1 << 30

_RERANKS: Final = re.compile(r"rerank|cross-encoder|ms-marco-minilm", re.IGNORECASE)
_EMBEDS: Final = re.compile(
    r"embed|minilm|sentence|\b(e5|bge|gte|ruri|glucose|sbert|simcse|arctic-embed|labse)\b|[-_/](e5|bge|gte)[-_]",
    re.IGNORECASE,
)
_SEES: Final = re.compile(
    r"vision|llava|moondream|pixtral|smolvlm|internvl|minicpm-[vo]|molmo|idefics|florence|[-_/\d]vl\b|\bvl[-_\d]|\bvlm\b"
    r"|gemma-?3n?[-:](4b|12b|27b|e2b|e4b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model on a server. `context_tokens` is None where the server doesn't tell; `roles` are guessed."""

    name: str
    url: str
    context_tokens: int | None
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """The models of all servers, in the servers' order, and a sentence for each server that couldn't tell."""

    models: tuple[RemoteModel, ...]
    notices: tuple[str, ...]


class Discovery:
    """Asks the servers of the settings for their models, at most every 30 seconds.

    Raises `ConfigurationError` when made, for an address or key that isn't right.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._servers = configured_servers(settings)
        self._asking = anyio.Lock()
        self._listing: Listing | None = None
        self._asked_at = 0.0

    async def list_models(self, *, fresh: bool = False) -> Listing:
        """List the models of all servers; each has 1.5 seconds to answer. `fresh` asks even if asked just now."""
        async with self._asking:
            kept = self._listing
            if kept is None or fresh or time.monotonic() - self._asked_at > _KEPT_SECONDS:
                kept = self._listing = await self._asked()
                self._asked_at = time.monotonic()
            return kept

    async def _asked(self) -> Listing:
        found: dict[str, list[RemoteModel]] = {url: [] for url in self._servers}
        notices: dict[str, str] = {}

        async def ask(server: Server) -> None:
            client = ServerClient(server, connections=2)
            try:
                found[server.url] = await served_models(client, seconds=_SECONDS)
            except ContextError as error:
                notices[server.url] = str(error)
            finally:
                await client.aclose()

        async with anyio.create_task_group() as group:
            for server in self._servers.values():
                group.start_soon(ask, server)
        models = tuple(model for url in self._servers for model in found[url])
        return Listing(models, tuple(notices[url] for url in self._servers if url in notices))


async def served_models(client: ServerClient, *, seconds: float) -> list[RemoteModel]:
    """Ask one server for its models, at most 200; names that aren't printable are left out.

    Raises `ModelUnavailableError`.
    """
    server = client.server
    started = time.monotonic()
    try:
        answer = await client.get(f"{server.url}/models", seconds=seconds)
    except Refused as refused:
        raise explained(server, refused, model="", path="models") from refused
    entries = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        raise client.not_understood("no list of models")
    entries = [entry for entry in entries if isinstance(entry, dict) and _is_name(entry.get("id"))][:_MAX_MODELS]
    details = await _details(client, entries, seconds - (time.monotonic() - started))
    found: dict[str, RemoteModel] = {}
    for entry in entries:
        name = entry["id"]
        detail = details.get(name, {})
        found.setdefault(name, RemoteModel(name, server.url, _context(entry, detail), _roles(name, detail)))
    return list(found.values())


async def _details(client: ServerClient, entries: list[dict[str, Any]], seconds: float) -> dict[str, dict[str, Any]]:
    """Return what LM Studio and llama-server tell of their models beyond OpenAI's protocol, by model name."""
    owners = {entry.get("owned_by") for entry in entries}
    root = client.server.root
    try:
        if "organization_owner" in owners:  # LM Studio's
            answer = await client.get(f"{root}/api/v0/models", seconds=seconds)
            listed = answer.get("data") if isinstance(answer, dict) else None
            known = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
            return {entry["id"]: entry for entry in known if _is_name(entry.get("id"))}
        if "llamacpp" in owners and len(entries) == 1:
            answer = await client.get(f"{root}/props", seconds=seconds)
            return {entries[0]["id"]: answer} if isinstance(answer, dict) else {}
    except (Refused, ModelUnavailableError):
        return {}
    return {}


def _context(entry: dict[str, Any], detail: dict[str, Any]) -> int | None:
    """Return the context as the server runs it, else what the model was trained for."""
    generation, meta = detail.get("default_generation_settings"), entry.get("meta")
    told = (
        generation.get("n_ctx") if isinstance(generation, dict) else None,
        detail.get("loaded_context_length"),
        entry.get("max_model_len"),
        entry.get("context_length"),
        entry.get("context_window"),
        detail.get("max_context_length"),
        meta.get("n_ctx") if isinstance(meta, dict) else None,
        meta.get("n_ctx_train") if isinstance(meta, dict) else None,
    )
    return next((n for n in told if isinstance(n, int) and not isinstance(n, bool) and 0 < n < _MAX_CONTEXT), None)


def _roles(name: str, detail: dict[str, Any]) -> tuple[Role, ...]:
    """Guess roles from what the server says of the model, else from its name."""
    kind, modalities = detail.get("type"), detail.get("modalities")
    sees = isinstance(modalities, dict) and modalities.get("vision") is True
    if _RERANKS.search(name):
        return ("rerank",)
    if kind == "embeddings" or (kind is None and _EMBEDS.search(name)):
        return ("embed",)
    if kind == "vlm" or sees or (kind is None and _SEES.search(name)):
        return ("chat", "vision")
    return ("chat",)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME_CHARS and value.isprintable()
