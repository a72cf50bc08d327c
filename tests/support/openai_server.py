"""A small HTTP server that answers as OpenAI-compatible servers do, well or badly, by a script."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

END = b"data: [DONE]\n\n"


@dataclass
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """What it gets. `hang` keeps the connection open until the client leaves, `cut` ends it within the body."""

    status: int = 200
    body: Iterable[bytes] = ()
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False


@dataclass
class OpenAIServer:
    """A running server: its base address, what it was asked, and whether a client left a hanging answer.

    It answers nothing before as many requests have come in at once as `at_least_at_once` says.
    """

    url: str
    requests: list[Request] = field(default_factory=list)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    at_least_at_once: int = 1
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0

    def bodies(self, path: str) -> list[Any]:
        """Return the bodies of the requests to a path, in order."""
        return [request.body for request in self.requests if request.path == path]


@contextlib.asynccontextmanager
async def serving(
    behaviour: Callable[[Request], Answer], *, tls: ssl.SSLContext | None = None, at_least_at_once: int = 1
) -> AsyncIterator[OpenAIServer]:
    """Serve on a free port of 127.0.0.1; each request is answered by `behaviour`."""
    state = OpenAIServer("", at_least_at_once=at_least_at_once)
    tasks: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await _serve(state, behaviour, reader, writer)
        finally:
            tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    state.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield state
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _serve(
    state: OpenAIServer,
    behaviour: Callable[[Request], Answer],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    request = Request(method, path, headers, json.loads(content) if content else None)
    state.requests.append(request)
    state.at_once += 1
    state.most_at_once = max(state.most_at_once, state.at_once)
    if state.most_at_once >= state.at_least_at_once:
        state.enough.set()
    try:
        await state.enough.wait()
        await asyncio.sleep(0)  # others that are already there come in first
        await _write(state, behaviour(request), reader, writer)
    finally:
        state.at_once -= 1


async def _write(
    state: OpenAIServer, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    lines = [f"HTTP/1.1 {answer.status} X", f"Content-Type: {answer.content_type}", "Connection: close"]
    lines += ["Transfer-Encoding: chunked", *(f"{name}: {value}" for name, value in answer.headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    for chunk in answer.body:
        writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        await writer.drain()
    if answer.hang:
        state.hanging.set()
        await reader.read()  # ends when the client leaves
        state.left.set()
    elif not answer.cut:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """Answer with JSON."""
    return Answer(status, (json.dumps(value).encode(),), headers=headers)


def failure(status: int, message: str, **headers: str) -> Answer:
    """Refuse as OpenAI does."""
    return json_answer({"error": {"message": message, "type": "error", "code": status}}, status, **headers)


def event(value: Any) -> bytes:
    """Write one event of a stream."""
    return f"data: {json.dumps(value)}\n\n".encode()


def chunk(finish: str | None = None, logprobs: Any = None, **delta: Any) -> dict[str, Any]:
    """Make one chunk of a chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
    return {"id": "x", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def stream(*events: Any, hang: bool = False, cut: bool = False, end: bytes = END) -> Answer:
    """Stream events: decoded ones, or bytes as they are."""
    body = [item if isinstance(item, bytes) else event(item) for item in events]
    return Answer(200, [*body, *([] if hang or cut else [end])], "text/event-stream; charset=utf-8", hang=hang, cut=cut)


def endless(make: Callable[[int], Any]) -> Answer:
    """Stream events until the client leaves."""

    def events() -> Iterator[bytes]:
        number = 0
        while True:
            value = make(number)
            yield value if isinstance(value, bytes) else event(value)
            number += 1

    return Answer(200, events(), "text/event-stream")


def saying(text: str, *, finish: str = "stop", usage: tuple[int, int] | None = None) -> Answer:
    """Stream a text in pieces of a few characters, as servers stream tokens."""
    pieces = [chunk(content=text[start : start + 3]) for start in range(0, len(text), 3)]
    counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1]} if usage else None
    return stream(
        chunk(role="assistant", content=""),
        *pieces,
        chunk(finish),
        *([{"id": "x", "choices": [], "usage": counts}] if counts else []),
    )


def models(*entries: dict[str, Any]) -> Answer:
    """List models."""
    return json_answer({"object": "list", "data": [{"object": "model", **entry} for entry in entries]})


def llama_server(request: Request) -> Answer:
    """Answer as llama.cpp's own server: tokenizer, properties, counts of what is held, thinking apart."""
    match request.path:
        case "/v1/models":
            return models({"id": "qwen3-4b", "owned_by": "llamacpp", "meta": {"n_ctx_train": 40960}})
        case "/props":
            return json_answer({"default_generation_settings": {"n_ctx": 8192}, "modalities": {"vision": True}})
        case "/tokenize":
            return json_answer({"tokens": list(range(len(request.body["content"].split())))})
        case "/v1/chat/completions":
            schema = request.body.get("response_format", {}).get("json_schema")
            return stream(
                chunk(role="assistant", content=None),
                chunk(reasoning_content="Let me see. "),
                chunk(reasoning_content="Done."),
                *([chunk(content='{"n": 1}')] if schema else [chunk(content="Paris"), chunk(content=".")]),
                chunk("stop"),
                {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 9}, "timings": {"cache_n": 12}},
            )
    return failure(501, "This server does not support it")


def vllm(request: Request) -> Answer:
    """Answer as vLLM: strict about models and lengths, with a reranker beside."""
    name = (request.body or {}).get("model")
    if request.path == "/v1/models":
        return models({"id": "chat-7b", "max_model_len": 4096}, {"id": "bge-reranker-v2-m3", "max_model_len": 512})
    if name not in {"chat-7b", "bge-reranker-v2-m3"}:
        return failure(404, f"The model `{name}` does not exist.")
    if request.path == "/v1/rerank":
        scored = [{"index": i, "relevance_score": len(text)} for i, text in enumerate(request.body["documents"])]
        scored.sort(key=lambda entry: -entry["relevance_score"])
        return json_answer({"results": scored})
    if request.path == "/tokenize":
        return json_answer({"count": 7, "max_model_len": 4096, "tokens": [1] * 7})
    if len(request.body["messages"][-1]["content"]) > 4096:
        return failure(400, "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens.")
    return saying("Berlin.", usage=(11, 2))


def ollama(request: Request) -> Answer:
    """Answer as an older Ollama: a JSON schema is ignored without a word, `json_object` is heeded."""
    if request.path == "/v1/models":
        return models({"id": "llava:7b", "owned_by": "library"}, {"id": "nomic-embed-text:latest"})
    if request.path != "/v1/chat/completions":
        return failure(404, "404 page not found")
    if request.body.get("response_format") == {"type": "json_object"}:
        return saying('{"n": 3}')
    return saying("Sure! The number is 3.")
