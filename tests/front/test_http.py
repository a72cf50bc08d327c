"""The server over HTTP: as a process with real engines, and its doors one by one."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import psutil
import pytest
from mcp.server.lowlevel.server import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool

from mcp_context_resources.errors import ConfigurationError
from mcp_server.http.address import Address
from mcp_server.http.app import http_app
from mcp_server.http.authentication import KnownTokens
from mcp_server.http.lifecycle import Lifecycle
from mcp_server.http.rate_limit import RateLimit
from mcp_server.http.serving import serve_http
from mcp_server.http.settings import HttpSettings
from tests.support.http_serving import (
    LEGACY,
    MODERN,
    TOKEN,
    HttpServer,
    client_of,
    headers_for,
    listening,
    request_of,
    servers,
)
from tests.support.serving import EXAMPLE_DATA, data_of, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

ERAS = pytest.mark.parametrize("era", [LEGACY, MODERN])
MODES = pytest.mark.parametrize("mode", ["legacy", MODERN])
ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = 7"
pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def start(cache: Path) -> Iterator[Callable[..., HttpServer]]:
    with servers(cache) as begin:
        yield begin


@pytest.fixture(scope="module")
def server(start: Callable[..., HttpServer]) -> Iterator[HttpServer]:
    """One server for all tests that leave it as it is."""
    running = start(EXAMPLE_DATA)
    yield running
    assert running.stop() == 0
    assert not any(TOKEN in line for line in running.log)


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=60) as client:
        yield client


async def ask(http: httpx2.AsyncClient, url: str, era: str = MODERN, **changes: str) -> httpx2.Response:
    """Ask for the tools, with some headers changed."""
    headers = headers_for(era, "tools/list") | {name.replace("_", "-"): value for name, value in changes.items()}
    return await http.post(url, json=request_of(era, "tools/list"), headers=headers)


@pytest.mark.slow
@MODES
async def test_a_client_of_either_era_lists_and_calls_tools(server: HttpServer, mode: str) -> None:
    async with client_of(server.url, mode) as client:
        assert "query_tables" in [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("query_tables", {"sql": "SELECT count(*) AS n FROM trips"})
        assert data_of(result)["columns"][0]["name"] == "n"


@pytest.mark.slow
@MODES
async def test_fifty_calls_at_once_are_all_answered(server: HttpServer, mode: str) -> None:
    answers: dict[int, Any] = {}
    async with client_of(server.url, mode) as client:

        async def call(number: int) -> None:
            answers[number] = data_of(await client.call_tool("query_tables", {"sql": f"SELECT {number}"}))["rows"]

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(call, number)
    assert answers == {number: [[number]] for number in range(50)}


@pytest.mark.slow
async def test_a_cursor_of_one_replica_is_good_at_another(tmp_path: Path, start: Callable[..., HttpServer]) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "numbers.csv").write_text("a,b\n" + "".join(f"{row},{row * row}\n" for row in range(5)))
    replicas = [start(folder), start(folder, cache=tmp_path / "other")]
    rows: list[list[int]] = []
    more: dict[str, Any] = {}
    for replica in replicas:
        async with client_of(replica.url) as client:
            question = {"sql": "SELECT a, b FROM numbers", "max_rows": 3, **more}
            answer = data_of(await client.call_tool("query_tables", question))
        rows += answer["rows"]
        more = {"cursor": answer.get("next_cursor")}
    assert rows == [[row, row * row] for row in range(5)]
    assert [replica.stop() for replica in replicas] == [0, 0]


@ERAS
async def test_without_the_right_token_nothing_is_answered(
    server: HttpServer, http: httpx2.AsyncClient, era: str
) -> None:
    body = request_of(era, "tools/list")
    headers = headers_for(era, "tools/list", token="")
    bare = await http.post(server.url, json=body, headers=headers)
    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer")
    for wrong in ("Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", TOKEN, f"Bearer {TOKEN} {TOKEN}"):
        answer = await http.post(server.url, json=body, headers={**headers, "Authorization": wrong})
        assert answer.status_code == 401, wrong
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert "tools" not in answer.text
    in_the_address = await http.post(f"{server.url}?access_token={TOKEN}", json=body, headers=headers)
    assert in_the_address.status_code == 401
    twice = [*headers.items(), ("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")]
    assert (await http.post(server.url, json=body, headers=twice)).status_code == 401


@ERAS
async def test_only_its_own_names_are_answered_to(server: HttpServer, http: httpx2.AsyncClient, era: str) -> None:
    port = server.origin.rpartition(":")[2]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "localhost", "[::1]:1"):
        assert (await ask(http, server.url, era, Host=host)).status_code == 200, host
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1.evil.example",
        "192.0.2.1",
        "localhost@evil.example",
    ):
        answer = await ask(http, server.url, era, Host=host)
        assert answer.status_code == 421, host
        assert "allowed_hosts" in answer.text


@ERAS
async def test_pages_of_other_origins_are_refused(server: HttpServer, http: httpx2.AsyncClient, era: str) -> None:
    assert (await ask(http, server.url, era, Origin=server.origin)).status_code == 200
    for origin in ("https://evil.example", "null", "http://localhost:1", "file://", "http://127.0.0.1.evil.example"):
        answer = await ask(http, server.url, era, Origin=origin)
        assert answer.status_code == 403, origin
        assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    refused = await http.options(server.url, headers=preflight)
    assert refused.status_code == 403
    assert not [name for name in refused.headers if name.startswith("access-control")]


async def test_other_paths_and_methods_are_not_served(server: HttpServer, http: httpx2.AsyncClient) -> None:
    headers = headers_for(LEGACY, "tools/list")
    for path in (
        "/",
        "/mcp/",
        "/mcp/x",
        "/sse",
        "/.env",
        "/.well-known/oauth-protected-resource",
        "/%2e%2e/etc/passwd",
    ):
        assert (await http.get(server.origin + path, headers=headers)).status_code == 404, path
    for method in ("GET", "DELETE", "PUT", "OPTIONS"):
        answer = await http.request(method, server.url, headers=headers)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), method


@pytest.mark.slow
@ERAS
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b"[]",
        b'"x"',
        b"[" * 50_000,
        b'{"jsonrpc":"2.0","id":1}',
        b'{"id":' + b"9" * 10_000 + b"}",
    ],
    ids=["cut", "empty", "binary", "empty-batch", "text", "deep", "no-method", "long-number"],
)
async def test_what_is_no_request_is_a_protocol_error(
    server: HttpServer, http: httpx2.AsyncClient, era: str, body: bytes
) -> None:
    answer = await http.post(server.url, content=body, headers=headers_for(era, "tools/list"))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in (-32700, -32600, -32602)
    assert (await ask(http, server.url, era)).status_code == 200


@ERAS
async def test_a_batch_is_refused(server: HttpServer, http: httpx2.AsyncClient, era: str) -> None:
    batch = [request_of(era, "tools/list"), request_of(era, "tools/list")]
    assert (await http.post(server.url, json=batch, headers=headers_for(era, "tools/list"))).status_code == 400


@pytest.mark.slow
@ERAS
async def test_a_body_too_large_is_refused_before_it_is_read(
    server: HttpServer, http: httpx2.AsyncClient, era: str
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    headers = headers_for(era, "tools/list")
    declared = await http.post(server.url, content=b" " * 5_000_000, headers=headers)
    assert declared.status_code == 413
    assert (await http.post(server.url, content=parts(), headers=headers)).status_code == 413
    assert (await ask(http, server.url, era)).status_code == 200


async def test_a_head_too_large_is_refused(server: HttpServer, http: httpx2.AsyncClient) -> None:
    assert (await ask(http, server.url, X_Long="x" * 100_000)).status_code in (400, 431)


@pytest.mark.slow
@MODES
async def test_work_stops_when_its_client_is_gone(server: HttpServer, mode: str) -> None:
    era = LEGACY if mode == "legacy" else MODERN
    headers = headers_for(era, "tools/call", name="query_tables")
    body = request_of(era, "tools/call", name="query_tables", arguments={"sql": ENDLESS})
    async with httpx2.AsyncClient() as leaving:
        with pytest.raises(httpx2.ReadTimeout):
            async with leaving.stream("POST", server.url, json=body, headers=headers, timeout=2.0) as response:
                await response.aread()
    await anyio.to_thread.run_sync(server.wait_for, "query_tables cancelled")
    async with client_of(server.url, mode) as client:
        assert data_of(await client.call_tool("query_tables", {"sql": "SELECT 1"}))["rows"] == [[1]]


async def test_metrics_count_calls_by_tool_and_tell_no_contents(server: HttpServer, http: httpx2.AsyncClient) -> None:
    async with client_of(server.url) as client:
        await client.call_tool("query_tables", {"sql": "SELECT 'my secret'"})
        await client.call_tool("query_tables", {"sql": "SELEC"})
    made_up = request_of(MODERN, "tools/call", name="made_up", arguments={})
    await http.post(server.url, json=made_up, headers=headers_for(MODERN, "tools/call", name="made_up"))
    assert (await http.get(f"{server.origin}/metrics")).status_code == 401
    answer = await http.get(f"{server.origin}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    calls = "fresh_context_tool_calls_total"
    assert float(lines[f'{calls}{{outcome="ok",tool="query_tables"}}']) >= 1
    assert float(lines[f'{calls}{{outcome="error",tool="query_tables"}}']) >= 1
    assert float(lines[f'{calls}{{outcome="refused",tool="other"}}']) >= 1
    assert float(lines['fresh_context_tool_call_seconds_count{tool="query_tables"}']) >= 2
    assert float(lines["fresh_context_in_flight"]) == 0
    assert float(lines["fresh_context_workers"]) >= 1
    assert float(lines["fresh_context_workers_resident_bytes"]) > 1 << 20
    assert float(lines["fresh_context_http_response_bytes_total"]) > 0
    assert not [word for word in ("secret", "made_up", TOKEN, str(EXAMPLE_DATA)) if word in answer.text]


async def test_health_is_told_to_everyone_and_tells_nothing_else(server: HttpServer, http: httpx2.AsyncClient) -> None:
    answer = await http.get(f"{server.origin}/healthz", headers={"Host": "balancer.example"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "server" not in answer.headers


async def metric(http: httpx2.AsyncClient, origin: str, name: str) -> float:
    answer = await http.get(f"{origin}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    return float(next(line for line in answer.text.splitlines() if line.startswith(f"{name} ")).split()[1])


async def in_flight(http: httpx2.AsyncClient, origin: str) -> None:
    while not await metric(http, origin, "fresh_context_in_flight"):
        await anyio.lowlevel.checkpoint()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't send SIGTERM")
async def test_a_call_may_end_after_sigterm_and_no_process_is_left(
    start: Callable[..., HttpServer], http: httpx2.AsyncClient
) -> None:
    server = start(EXAMPLE_DATA, shutdown_seconds=120)
    answers = []
    async with client_of(server.url, "legacy") as client:
        await client.call_tool("query_tables", {"sql": "SELECT 1"})
        workers = server.workers()
        assert workers

        async def call() -> None:
            work = "SELECT count(*) FROM range(30000) a, range(5000) b WHERE (a.range * b.range) % 7 = 1"
            answers.append(await client.call_tool("query_tables", {"sql": work}))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await in_flight(http, server.origin)
            server.process.terminate()
    assert await anyio.to_thread.run_sync(server.wait) == 0
    assert data_of(answers[0])["row_count"] == 1
    assert not psutil.wait_procs(workers, timeout=10)[1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't send SIGTERM")
async def test_a_call_that_does_not_end_is_cut_off_and_no_process_is_left(
    start: Callable[..., HttpServer], http: httpx2.AsyncClient
) -> None:
    server = start(EXAMPLE_DATA, shutdown_seconds=1)
    body = request_of(MODERN, "tools/call", name="query_tables", arguments={"sql": ENDLESS})
    headers = headers_for(MODERN, "tools/call", name="query_tables")

    answers = []

    async def call() -> None:
        async with httpx2.AsyncClient(timeout=60) as client:
            answers.append(await client.post(server.url, json=body, headers=headers))

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await in_flight(http, server.origin)
        workers = server.workers()
        server.process.terminate()
    assert await anyio.to_thread.run_sync(server.wait) == 0
    assert (answers[0].status_code, "retry-after" in answers[0].headers) == (503, True)
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert not [line for line in server.log if "Traceback" in line]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't send SIGTERM")
async def test_a_balancer_is_told_before_the_door_closes(
    start: Callable[..., HttpServer], http: httpx2.AsyncClient
) -> None:
    server = start(EXAMPLE_DATA, drain_seconds=300)
    server.process.send_signal(signal.SIGTERM)
    while (health := await http.get(f"{server.origin}/healthz")).status_code == 200:
        await anyio.lowlevel.checkpoint()
    assert (health.status_code, health.json()) == (503, {"status": "stopping"})
    assert (await ask(http, server.url)).status_code == 200
    assert await anyio.to_thread.run_sync(server.stop) == 0


@pytest.mark.slow
async def test_it_speaks_tls_behind_a_trusted_proxy(
    start: Callable[..., HttpServer], tmp_path: Path, certificate: Callable[[str], Path], http: httpx2.AsyncClient
) -> None:
    pem = certificate("localhost")
    server = start(
        EXAMPLE_DATA,
        tls_certificate=str(pem),
        trusted_proxies=["127.0.0.1"],
        failures_per_minute=1,
        allowed_origins=["https://app.example"],
        token_file=str(tmp_path / "kept" / "token"),
    )
    token = (tmp_path / "kept" / "token").read_text().strip()
    assert not any(token in line for line in server.log)
    trusted = ssl.create_default_context(cafile=str(pem))
    async with httpx2.AsyncClient(verify=trusted, timeout=60) as client:
        url = server.url.replace("127.0.0.1", "localhost")
        page = {"Authorization": f"Bearer {token}", "Origin": "https://app.example"}
        allowed = await ask(client, url, **page)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://app.example")
        preflight = await client.options(
            url, headers={"Origin": page["Origin"], "Access-Control-Request-Method": "POST"}
        )
        assert preflight.status_code == 200
        # Each address behind the proxy has its own measure of wrong tokens.
        wrong = {"Authorization": "Bearer wrong"}
        statuses = [
            (await ask(client, url, **wrong, X_Forwarded_For=address)).status_code
            for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
        ]
        assert statuses == [401, 429, 401]
        assert (await ask(client, url, **page, X_Forwarded_For="192.0.2.1")).status_code == 200
    with pytest.raises(httpx2.TransportError):
        await http.get(server.origin.replace("https", "http") + "/healthz")
    assert server.stop() == 0


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[str], Path]:
    """Make a certificate that signs itself, with its key, in one PEM file."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def make(name: str) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path / "server.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        return path

    return make


class Slow:
    """A small server with one tool that ends when it is let go."""

    def __init__(self) -> None:
        self.entered = anyio.Event()
        self.release = anyio.Event()
        self.listen = ListenHandler(InMemorySubscriptionBus())
        self.server: Server[Any] = Server(
            "slow", on_list_tools=self._list, on_call_tool=self._call, on_subscriptions_listen=self.listen
        )

    async def _list(self, _context: Any, _params: Any) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name="slow", input_schema={"type": "object"})])

    async def _call(self, _context: Any, _params: CallToolRequestParams) -> CallToolResult:
        self.entered.set()
        await self.release.wait()
        return CallToolResult(content=[TextContent(type="text", text="done")])


def slow_call(url: str) -> dict[str, Any]:
    return {
        "url": url,
        "json": request_of(MODERN, "tools/call", name="slow", arguments={}),
        "headers": headers_for(MODERN, "tools/call", name="slow"),
    }


@pytest.mark.slow
async def test_calls_wait_for_their_turn_and_not_for_ever(http: httpx2.AsyncClient) -> None:
    slow, limits = Slow(), HttpSettings(max_in_flight=1, wait_seconds=0.2)
    patient = HttpSettings(max_in_flight=1, wait_seconds=300)
    answers = []

    async def call(origin: str) -> None:
        answers.append((await http.post(**slow_call(f"{origin}/mcp"))).status_code)

    async with listening(http_app(slow.server, limits, KnownTokens([TOKEN])), limits) as origin:
        async with anyio.create_task_group() as group:
            group.start_soon(call, origin)
            await slow.entered.wait()
            busy = await http.post(**slow_call(f"{origin}/mcp"))
            assert (busy.status_code, busy.headers["retry-after"]) == (503, "5")
            slow.release.set()
        assert answers == [200]
    slow = Slow()
    async with listening(http_app(slow.server, patient, KnownTokens([TOKEN])), patient) as origin:
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(call, origin)
            await slow.entered.wait()
            slow.release.set()
        assert answers == [200] * 11


async def test_a_client_that_asks_too_often_is_told_to_wait(http: httpx2.AsyncClient) -> None:
    slow, limits = Slow(), HttpSettings(burst=2, requests_per_second=0.001)
    async with listening(http_app(slow.server, limits, KnownTokens([TOKEN, TOKEN + "2"])), limits) as origin:
        statuses = [(await ask(http, f"{origin}/mcp")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        told = await ask(http, f"{origin}/mcp")
        assert 900 < int(told.headers["retry-after"]) <= 1000
        assert (await ask(http, f"{origin}/mcp", Authorization=f"Bearer {TOKEN}2")).status_code == 200


def test_a_bucket_fills_again_and_the_client_longest_unseen_is_forgotten() -> None:
    now = 0.0
    limit = RateLimit(2.0, 4, most=2, clock=lambda: now)
    assert [limit.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    now = 0.5
    assert limit.take("a") == 0
    assert limit.take("a") == 0.5
    now = 100.0
    assert [limit.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    limit.take("b")
    limit.take("c")
    assert limit.take("a") == 0
    assert RateLimit(0, 1).take("a") == RateLimit(0, 1).take("a") == 0


async def test_streams_end_when_the_server_stops(http: httpx2.AsyncClient) -> None:
    slow, limits, lifecycle = Slow(), HttpSettings(max_streams=1), Lifecycle()
    app = http_app(slow.server, limits, KnownTokens([TOKEN]), lifecycle=lifecycle)
    body = request_of(MODERN, "subscriptions/listen", notifications={"toolsListChanged": True})
    sent: dict[str, Any] = {"json": body, "headers": headers_for(MODERN, "subscriptions/listen")}
    async with listening(app, limits) as origin, http.stream("POST", f"{origin}/mcp", **sent) as stream:
        lines = stream.aiter_lines()
        while "acknowledged" not in await anext(lines):
            pass
        assert lifecycle.streams == 1
        assert (await http.post(f"{origin}/mcp", **sent)).status_code == 503
        lifecycle.end_streams()
        rest = [line async for line in lines]
        assert json.loads(next(line for line in rest if line.startswith("data:"))[5:])["result"]
        assert lifecycle.streams == 0


async def test_a_stream_that_goes_on_is_cut_off() -> None:
    lifecycle = Lifecycle()
    left = []

    async def stream() -> None:
        with lifecycle.stream():
            await anyio.sleep_forever()
        left.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(stream)
        while not lifecycle.streams:
            await anyio.lowlevel.checkpoint()
        lifecycle.cut_streams()
    assert left


@asynccontextmanager
async def doors(limits: HttpSettings) -> AsyncIterator[str]:
    """Serve a small server with limits."""
    async with listening(http_app(Slow().server, limits, KnownTokens([TOKEN])), limits) as origin:
        yield origin


async def raw(origin: str) -> anyio.abc.SocketStream:
    host, port = origin.removeprefix("http://").split(":")
    return await anyio.connect_tcp(host, int(port))


async def read_all(stream: anyio.abc.SocketStream) -> bytes:
    """Read until the other side closes, in whatever way."""
    received = bytearray()
    try:
        while True:
            received += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return bytes(received)


@pytest.mark.slow
@pytest.mark.parametrize("head", [b"", b"POST /mcp HTTP/1.1\r\nHost: loc"], ids=["silent", "half-a-head"])
async def test_a_connection_that_does_not_ask_is_closed(head: bytes) -> None:
    limits = HttpSettings(header_seconds=0.2)
    async with doors(limits) as origin, await raw(origin) as stream:
        with anyio.fail_after(30):
            if head:
                await stream.send(head)
            assert await read_all(stream) == b""


async def test_a_second_request_on_a_connection_must_come_in_time_too() -> None:
    limits = HttpSettings(header_seconds=0.2)
    async with doors(limits) as origin, await raw(origin) as stream:
        with anyio.fail_after(30):
            await stream.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await stream.send(b"GET /healthz HT")
            assert (await read_all(stream)).count(b"200 OK") == 1


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    limits = HttpSettings(body_seconds=0.2)
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n"
    async with doors(limits) as origin, await raw(origin) as stream:
        with anyio.fail_after(30):
            await stream.send(head.encode() + b"{")
            assert b" 408 " in (await read_all(stream)).split(b"\r\n")[0]


@pytest.mark.slow
async def test_a_client_that_reads_nothing_is_cut_off_and_one_that_reads_is_not() -> None:
    left = anyio.Event()

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"20000000")]})
        await send({"type": "http.response.body", "body": b"x" * 19_999_999, "more_body": True})
        if scope["path"] == "/unread":
            assert (await receive())["type"] == "http.disconnect"
            left.set()
        else:
            await send({"type": "http.response.body", "body": b"x"})

    async with listening(large, HttpSettings(stall_seconds=0.3)) as origin, httpx2.AsyncClient(timeout=60) as http:
        host, port = origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as deaf:
            deaf.sendall(b"GET /unread HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with anyio.fail_after(60):
                await left.wait()
        assert len((await http.get(f"{origin}/read")).content) == 20_000_000


async def test_more_connections_than_allowed_are_closed_at_once() -> None:
    limits = HttpSettings(max_connections=1)
    async with doors(limits) as origin, await raw(origin) as first, await raw(origin) as second:
        assert await read_all(second) == b""
        await first.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in await read_all(first)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"address": "0.0.0.0:0", "anonymous": True}, "anonymous"),
        ({"address": "192.0.2.1:0", "tokens": [TOKEN]}, "--http"),
        ({"address": "[::]:0", "tokens": [TOKEN], "metrics": "open"}, "metrics"),
        ({"address": "127.0.0.1:0", "tokens": [TOKEN], "tls_certificate": "nowhere.pem"}, "PEM"),
    ],
)
def test_it_does_not_start_where_it_would_be_open_to_strangers(
    tmp_path: Path, wrong: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError) as told:
        serve_http(settings_for(tmp_path, cache=tmp_path), HttpSettings.model_validate(wrong))
    assert named in told.value.hint


def test_an_address_taken_is_told_with_what_to_do(tmp_path: Path) -> None:
    with Address("127.0.0.1", 0).bind() as taken:
        http = HttpSettings.model_validate({"address": f"127.0.0.1:{taken.getsockname()[1]}", "tokens": [TOKEN]})
        with pytest.raises(ConfigurationError, match=r"can't listen on 127\.0\.0\.1") as told:
            serve_http(settings_for(tmp_path, cache=tmp_path), http)
    assert "port 0" in told.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "localhost"},
        {"address": "::1:80"},
        {"address": "localhost:70000"},
        {"tokens": ["short"]},
        {"tokens": ["with a space in it, which no header carries"]},
        {"anonymous": True, "tokens": [TOKEN]},
        {"issuer": "https://issuer.example"},
        {"issuer": "http://issuer.example", "resource_url": "https://x.example/mcp"},
        {"issuer": "https://issuer.example", "resource_url": "ftp://x.example/mcp"},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"allowed_origins": ["*"]},
        {"allowed_origins": ["https://app.example/"]},
        {"trusted_proxies": ["*"]},
        {"tls_key": "key.pem"},
        {"path": "mcp"},
    ],
)
def test_settings_that_are_wrong_or_open_a_hole_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        HttpSettings.model_validate(wrong)


def test_addresses_are_read_in_all_usual_forms() -> None:
    assert Address.parse("8080") == Address.parse(":8080") == Address("127.0.0.1", 8080)
    assert str(Address.parse("[::1]:0")) == "[::1]:0"
    assert Address.parse("files.example:443") == Address("files.example", 443)


@pytest.mark.slow
def test_a_listening_socket_is_one_whose_answers_asyncio_does_not_hold_back() -> None:
    for host in ("127.0.0.1", "localhost"):
        with Address(host, 0).bind() as listener:
            assert listener.proto == socket.IPPROTO_TCP
