"""Remote runtime: models on OpenAI-compatible servers, by the same contract as those on this machine.

`ModelSpec.path` is the server's base address as `Discovery` tells it, `ModelSpec.name` the model's name there. What a
server doesn't tell is estimated (`tokens_by_length`); quantization is "unknown" and the device "remote".
"""

from __future__ import annotations

import time
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Final, TypeVar

from mcp_context_resources.errors import ContextError, DeadlineExceededError, ModelUnavailableError
from mcp_context_resources.models.remote import ranking, vectors
from mcp_context_resources.models.remote.candidates import REMOTE, candidate
from mcp_context_resources.models.remote.chat import Chat
from mcp_context_resources.models.remote.choosing import (
    TOP_TOKENS,
    chosen_label,
    label_probabilities,
    label_request,
    without_prior,
)
from mcp_context_resources.models.remote.client import ServerClient
from mcp_context_resources.models.remote.concurrency import Meter, fan_out
from mcp_context_resources.models.remote.discovery import Discovery, served_models
from mcp_context_resources.models.remote.failures import Refused, explained
from mcp_context_resources.models.remote.reply import Reply
from mcp_context_resources.models.remote.servers import configured_servers
from mcp_context_resources.models.remote.token_estimate import tokens_by_length
from mcp_context_resources.models.remote.tokens import TokenCounter
from mcp_context_resources.models.spec import Chosen, Embedded, Generated, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.router import Candidate, Choice
    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.models.spec import Choosing, Finish, Generation
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source

T = TypeVar("T")

_NAMES_SECONDS: Final = 3.0
_QUANTIZATION: Final = "unknown"
_DEVICE: Final = "remote"


class RemoteRuntime:
    """Runs models on the servers of `settings.remote`, up to `settings.parallel` requests at once.

    Raises `ConfigurationError` when made, for an address or key that isn't right. Connections belong to one event loop.
    """

    format = REMOTE
    in_memory = ""

    def __init__(self, settings: ModelSettings) -> None:
        self._discovery = Discovery(settings)
        self._at_once = settings.parallel
        self._clients = {
            url: ServerClient(server, connections=settings.parallel + 2)
            for url, server in configured_servers(settings).items()
        }
        self._chats: dict[tuple[str, str], Chat] = {}
        self._counters: dict[tuple[str, str], TokenCounter] = {}

    async def sources(self, catalogue: Catalogue) -> list[Source]:
        """List the models of all servers that answer."""
        return [source for source, _ in await self.candidates(catalogue)]

    async def candidates(self, catalogue: Catalogue) -> list[Candidate]:
        """List the models of all servers that answer, each with what its server tells of it."""
        del catalogue
        return [candidate(model) for model in (await self._discovery.list_models()).models]

    async def card(self, source: Source) -> ModelCard | None:
        """Return what a server tells of its model; None where it has it no more."""
        known = [candidate(model) for model in (await self._discovery.list_models()).models]
        return next((card for other, card in known if other == source), None)

    async def problem(self, catalogue: Catalogue, name: str | None = None) -> ContextError | None:
        """Tell nothing: a server that can't be reached has no models, and says so when one is asked."""
        del catalogue, name
        return None

    def identity(self, model: Choice, context_tokens: int, *, embeds: bool) -> str:
        """Identify a model by its server and name: what the server runs under it isn't told."""
        del embeds
        source = model.source
        return repr([source.format, source.name, context_tokens, source.file, source.fingerprint])

    def memory_bytes(self, source: Source, card: ModelCard, context_tokens: int) -> int:
        """Take no memory here."""
        del source, card, context_tokens
        return 0

    async def spec(self, model: Choice, context_tokens: int, *, embeds: bool) -> ModelSpec:
        """Name the server and its model."""
        del embeds
        return ModelSpec(model.source.name, model.source.file, "", context_tokens, 0, 0, self._at_once)

    async def generate(
        self, spec: ModelSpec, requests: Sequence[Generation], *, deadline: float, on_progress: Progress | None = None
    ) -> list[Generated]:
        """Generate a text for each request. `completion_tokens` includes the thinking.

        At the deadline what came until then is returned. When the caller is cancelled the connections are closed, at
        which servers stop.

        Raises `ModelUnavailableError`, `NotFoundError`, `PromptTooLongError`, `InvalidInputError`, `BusyError`.
        """
        chat = self._chat(spec)
        replies = [Reply(request.max_tokens) for request in requests]
        meter = Meter(on_progress, [request.max_tokens for request in requests])

        async def one(position: int) -> bool:
            await chat.ask(requests[position], replies[position], on_tokens=partial(meter.set, position))
            await meter.finish(position)
            return True

        started = time.perf_counter()
        done, _ = await fan_out(
            [partial(one, position) for position in range(len(requests))], at_once=self._at_once, seconds=deadline
        )
        ended = time.perf_counter()
        first = min((reply.first_at for reply in replies if reply.first_at is not None), default=ended)
        return [
            _generated(spec, request, reply, finished=bool(finished), seconds=(first - started, ended - first))
            for request, reply, finished in zip(requests, replies, done, strict=True)
        ]

    async def choose(
        self, spec: ModelSpec, request: Choosing, *, deadline: float, on_progress: Progress | None = None
    ) -> Chosen:
        """Tell how likely each label is as the answer to each prompt; the answer is held to the labels by a schema.

        Where the server tells the probabilities of tokens, a row is made of them. They are the server's, at the first
        tokens in which labels differ, so they are coarser than those of a local model. Where it doesn't, the answer's
        label has probability 1, which is no measure of how sure the model is. Where the answer names no label, the
        row is empty: `()`. Raises as `generate`.
        """
        chat = self._chat(spec)
        users = (*request.neutral, *request.users)
        replies: list[Reply] = []
        meter = Meter(on_progress, [1] * len(users))
        generations = [label_request(request, user) for user in users]
        replies = [Reply(generation.max_tokens) for generation in generations]

        async def one(position: int) -> tuple[tuple[float, ...], bool]:
            reply = replies[position]
            await chat.ask(generations[position], reply, chances=TOP_TOKENS)
            await meter.finish(position)
            return _row(reply, request.labels)

        started = time.perf_counter()
        rows, complete = await fan_out(
            [partial(one, position) for position in range(len(users))], at_once=self._at_once, seconds=deadline
        )
        count = len(request.neutral)
        neutral = [row for row, told in (entry for entry in rows[:count] if entry is not None) if told]
        answers = list(takewhile(lambda entry: entry is not None, rows[count:]))
        return Chosen(
            probabilities=tuple(
                without_prior(row, neutral) if told and neutral else row
                for row, told in (entry for entry in answers if entry is not None)
            ),
            finish="stop" if complete else "deadline",
            prompt_tokens=sum(
                _prompt_tokens(generation, reply) for generation, reply in zip(generations, replies, strict=True)
            ),
            seconds=time.perf_counter() - started,
            quantization=_QUANTIZATION,
            device=_DEVICE,
        )

    async def embed(
        self,
        spec: ModelSpec,
        texts: Sequence[str],
        *,
        deadline: float,
        unit: bool = True,
        on_progress: Progress | None = None,
    ) -> Embedded:
        """Make a vector of each text, of length 1 if `unit`, else as the server gives it.

        `cut` has the texts that the server refused as too long; one that shortens texts in silence isn't noticed.
        Raises as `generate`.
        """
        client = self._client(spec)
        batches = list(vectors.batches(texts))
        meter = Meter(on_progress, [len(batch) for batch in batches])

        async def one(position: int) -> tuple[list[tuple[float, ...]], int, list[int]]:
            batch = batches[position]
            made = await vectors.embed_batch(client, spec.name, [texts[index] for index in batch], unit=unit)
            await meter.finish(position)
            return made

        made, complete = await fan_out(
            [partial(self._explaining, spec, vectors.PATH, partial(one, position)) for position in range(len(batches))],
            at_once=self._at_once,
            seconds=deadline,
        )
        rows: list[tuple[float, ...]] = []
        cut: list[int] = []
        tokens = 0
        for batch, result in zip(batches, made, strict=True):
            if result is None:
                break
            rows += result[0]
            tokens += result[1]
            cut += [batch.start + position for position in result[2]]
        if len({len(row) for row in rows}) > 1:
            raise client.not_understood("vectors of several lengths")
        return Embedded(
            vectors=vectors.packed(rows),
            dimensions=len(rows[0]) if rows else 0,
            finish="stop" if complete else "deadline",
            tokens=tokens,
            cut=tuple(cut),
            quantization=_QUANTIZATION,
            device=_DEVICE,
        )

    async def rerank(
        self, spec: ModelSpec, query: str, texts: Sequence[str], *, deadline: float, on_progress: Progress | None = None
    ) -> list[float]:
        """Tell how well each text answers the query, in the server's own measure.

        Raises `DeadlineExceededError`, and as `generate`.
        """
        client = self._client(spec)
        starts = range(0, len(texts), ranking.MAX_BATCH_TEXTS)
        batches = [texts[start : start + ranking.MAX_BATCH_TEXTS] for start in starts]
        meter = Meter(on_progress, [len(batch) for batch in batches])

        async def one(position: int) -> list[float]:
            scores = await ranking.rerank_batch(client, spec.name, query, batches[position])
            await meter.finish(position)
            return scores

        made, complete = await fan_out(
            [partial(self._explaining, spec, ranking.PATH, partial(one, position)) for position in range(len(batches))],
            at_once=self._at_once,
            seconds=deadline,
        )
        if not complete:
            raise DeadlineExceededError(
                f"Ranking {len(texts):,} texts took longer than {deadline:g} s.", "Rank fewer texts."
            )
        return [score for scores in made for score in scores or ()]

    async def count_tokens(self, spec: ModelSpec, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text by the server's tokenizer, else estimate them."""
        client = self._client(spec)
        counter = self._counters.setdefault((spec.path, spec.name), TokenCounter(client, spec.name))
        return await counter.count(texts, at_once=self._at_once)

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    def _client(self, spec: ModelSpec) -> ServerClient:
        client = self._clients.get(spec.path)
        if client is None:
            raise ModelUnavailableError(
                f"The model {spec.name!r} is on a server that models.remote doesn't name.", "Add it there."
            )
        return client

    def _chat(self, spec: ModelSpec) -> Chat:
        client = self._client(spec)
        names = partial(self._names, client)
        return self._chats.setdefault((spec.path, spec.name), Chat(client, spec.name, names))

    async def _names(self, client: ServerClient) -> list[str] | None:
        try:
            return [model.name for model in await served_models(client, seconds=_NAMES_SECONDS)]
        except ContextError:
            return None

    async def _explaining(self, spec: ModelSpec, path: str, work: Callable[[], Awaitable[T]]) -> T:
        client = self._client(spec)
        try:
            return await work()
        except Refused as refused:
            names = await self._names(client) if refused.status == 404 else None
            raise explained(client.server, refused, model=spec.name, path=path, names=names) from refused


def _generated(
    spec: ModelSpec, request: Generation, reply: Reply, *, finished: bool, seconds: tuple[float, float]
) -> Generated:
    text, thinking_tokens = reply.split()
    finish: Finish = (reply.finish or "stop") if finished else "deadline"
    return Generated(
        text=text,
        finish=finish,
        prompt_tokens=_prompt_tokens(request, reply),
        completion_tokens=reply.tokens(),
        load_seconds=0.0,
        prompt_seconds=seconds[0],
        generate_seconds=seconds[1],
        context_tokens=spec.context_tokens,
        quantization=_QUANTIZATION,
        device=_DEVICE,
        held_tokens=reply.held_tokens,
        thinking_tokens=thinking_tokens,
    )


def _prompt_tokens(request: Generation, reply: Reply) -> int:
    told = reply.prompt_tokens
    return tokens_by_length(request.system) + tokens_by_length(request.user) if told is None else told


def _row(reply: Reply, labels: Sequence[str]) -> tuple[tuple[float, ...], bool]:
    """Return the probabilities of the labels, none if the answer names no label, and whether the server told them."""
    text = reply.split()[0]
    row = label_probabilities(reply.chances, text, labels)
    if row is not None:
        return row, True
    answer = chosen_label(text, labels)
    if answer is None:
        return (), False
    return tuple(1.0 if position == answer else 0.0 for position in range(len(labels))), False
