"""Chat completions of one server and model: asked in the form the server understands, read as they come."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import httpx2

from mcp_context_resources.errors import ModelUnavailableError
from mcp_context_resources.models.json_schema import validation_problem
from mcp_context_resources.models.remote.capabilities import Dialect
from mcp_context_resources.models.remote.failures import Refused, explained

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from mcp_context_resources.models.remote.client import ServerClient
    from mcp_context_resources.models.remote.reply import Reply
    from mcp_context_resources.models.spec import Generation

_MAX_EVENT_BYTES: Final = 1 << 20
_MAX_TRIES: Final = 16
_MAX_INTERRUPTIONS: Final = 3
_PATH: Final = "chat/completions"
_RETREATING: Final = frozenset({0, 400, 415, 422, 500, 501})


async def _ignore(_tokens: int) -> None:
    pass


class Chat:
    """Chat with one model of one server. What the server turned out to understand is remembered."""

    def __init__(self, client: ServerClient, model: str, names: Callable[[], Awaitable[list[str] | None]]) -> None:
        self._client = client
        self._model = model
        self._names = names
        self._dialect = Dialect()
        self._probing = anyio.Lock()
        self._gives_no_reasons = False

    async def ask(
        self,
        request: Generation,
        reply: Reply,
        *,
        chances: int = 0,
        on_tokens: Callable[[int], Awaitable[None]] = _ignore,
    ) -> None:
        """Fill `reply`; when this is cancelled, it holds what came until then. `on_tokens` hears the tokens so far.

        The first answer that must follow a schema shows whether the server heeds it; if not, other forms are tried.
        What is left at the end is the best there was, and may not follow the schema.

        Raises `ModelUnavailableError`, `NotFoundError`, `PromptTooLongError`, `InvalidInputError`, `BusyError`.
        """
        if request.json_schema is None or self._is_settled():
            await self._asked(request, reply, self._dialect, chances, on_tokens)
            return
        async with self._probing:
            first = not self._is_settled()  # another request may have shown it meanwhile
            if first:
                await self._probe(request, reply, chances, on_tokens)
        if not first:
            await self._asked(request, reply, self._dialect, chances, on_tokens)

    def _is_settled(self) -> bool:
        return self._dialect.settled

    async def _probe(
        self, request: Generation, reply: Reply, chances: int, on_tokens: Callable[[int], Awaitable[None]]
    ) -> None:
        dialect: Dialect | None = self._dialect
        best: tuple[int, Dialect, Reply] | None = None
        while dialect is not None:
            try:
                dialect = await self._asked(request, reply, dialect, chances, on_tokens)
            except ModelUnavailableError:
                if best is None:
                    raise
                break
            if reply.finish != "stop":  # an answer that was cut tells nothing
                if best is None:
                    return
                break
            score = _heed(reply.split()[0], request.json_schema or {})
            if best is None or score > best[0] or score == best[0] == 0:  # unheeded, the words are as good as any
                best = score, dialect, copy.copy(reply)
            dialect = None if score == 2 else dialect.next_form()
        if best is not None:
            _, found, kept = best
            reply.become(kept)
            self._dialect = replace(found, settled=True)

    async def _asked(
        self,
        request: Generation,
        reply: Reply,
        dialect: Dialect,
        chances: int,
        on_tokens: Callable[[int], Awaitable[None]],
    ) -> Dialect:
        """Ask until the server accepts, and return the dialect in which it did."""
        for _ in range(_MAX_TRIES):
            try:
                await self._uninterrupted(dialect.body(self._model, request, chances=chances), reply, on_tokens)
            except Refused as refused:
                further = None
                if refused.status in _RETREATING and not (refused.too_long or refused.transient or reply.steps):
                    schema = request.json_schema is not None
                    further = dialect.retreat(refused.said, schema=schema, chances=bool(chances))
                if further is None:
                    names = await self._names() if refused.status == 404 else None
                    server = self._client.server
                    raise explained(server, refused, model=self._model, path=_PATH, names=names) from refused
                dialect = further
            else:
                form = self._dialect.form if request.json_schema is None else dialect.form
                self._dialect = replace(self._dialect, form=form, dropped=dialect.dropped)
                return dialect
        raise ModelUnavailableError(
            f"The server at {self._client.server.url} refuses every form of a request.", "Name another model."
        )

    async def _uninterrupted(
        self, body: dict[str, Any], reply: Reply, on_tokens: Callable[[int], Awaitable[None]]
    ) -> None:
        """Stream an answer; if it ends without a reason, ask again when no other request is under way.

        llama-cpp-python by default drops an answer when the next request comes, and only then gives no reason.
        """
        turns, before = self._client.turns, None
        for _ in range(_MAX_INTERRUPTIONS):
            reply.clear()
            async with turns.turn():
                ended = await self._stream(body, reply, on_tokens)
            if reply.finish is not None:
                return
            if not ended:
                raise ModelUnavailableError(
                    f"The server at {self._client.server.url} broke off in the middle of an answer.",
                    "Look at the server's own messages, then try again.",
                )
            text = "".join(reply.pieces)
            if self._gives_no_reasons or text == before:
                self._gives_no_reasons = True
                reply.finish = "stop"
                return
            turns.alone, before = True, text
        raise ModelUnavailableError(
            f"The server at {self._client.server.url} drops answers for other requests.",
            "Try again when it is idle; llama-cpp-python's server takes --interrupt_requests false.",
        )

    async def _stream(self, body: dict[str, Any], reply: Reply, on_tokens: Callable[[int], Awaitable[None]]) -> bool:
        """Fill `reply` from a stream and return whether it ended as it should. Raises as `Reply.take`."""
        client = self._client
        url = f"{client.server.url}/{_PATH}"
        async with client.open("POST", url, body) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "application/json":  # a server that doesn't stream
                return self._whole(reply, await client.whole(response))
            if kind != "text/event-stream":
                raise client.not_understood("something that is no chat completion")
            ended = await self._read(response, reply, on_tokens)
        if ended or reply.finish is not None or reply.steps:
            return ended
        # Why there is no answer llama-cpp-python tells only to who doesn't ask for a stream.
        plain = {name: value for name, value in body.items() if name not in {"stream", "stream_options"}}
        return self._whole(reply, await client.post(url, plain))

    def _whole(self, reply: Reply, answer: Any) -> bool:
        reply.take_event(self._client, answer, "message")
        reply.first_at = time.perf_counter()
        reply.finish = reply.finish or "stop"
        return True

    async def _read(self, response: httpx2.Response, reply: Reply, on_tokens: Callable[[int], Awaitable[None]]) -> bool:
        response.encoding = "utf-8"
        source = aiter(httpx2.EventSource(response, max_event_size=_MAX_EVENT_BYTES))
        try:
            async with contextlib.aclosing(cast("AsyncGenerator[httpx2.ServerSentEvent]", source)) as events:
                async for event in events:
                    if event.data.strip() == "[DONE]":
                        return True
                    if event.data:
                        await self._take(event.data, reply, on_tokens)
                    if reply.too_much:
                        reply.finish = "length"
                        return True
        except httpx2.SSEError as error:
            raise self._client.not_understood("an event without end") from error
        except (httpx2.RemoteProtocolError, httpx2.ReadError):
            return False
        return False

    async def _take(self, data: str, reply: Reply, on_tokens: Callable[[int], Awaitable[None]]) -> None:
        reply.take(self._client, data)
        if reply.steps and reply.first_at is None:
            reply.first_at = time.perf_counter()
        await on_tokens(reply.steps)


def _heed(answer: str, schema: dict[str, Any]) -> int:
    """Tell how far an answer follows a schema: 2 fully, 1 as JSON only, 0 not at all."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return 0
    return 1 if validation_problem(value, schema) else 2
