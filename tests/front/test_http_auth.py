"""Tokens: the one of this machine, and access tokens of an authorization server that the test plays."""

from __future__ import annotations

import json
import stat
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from mcp.server.lowlevel.server import Server
from mcp_types import ListToolsResult

from mcp_context_resources.errors import ConfigurationError
from mcp_server.http.access_tokens import AccessTokens
from mcp_server.http.app import http_app
from mcp_server.http.authentication import InvalidTokenError, KnownTokens, UnavailableError
from mcp_server.http.settings import HttpSettings
from mcp_server.http.signing_keys import SigningKeys
from mcp_server.http.token_file import kept_token, print_token, renewed_token, token_path
from tests.support.http_serving import MODERN, TOKEN, client_of, headers_for, listening, request_of, servers
from tests.support.serving import EXAMPLE_DATA

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio
RESOURCE = "https://files.example.org/mcp"


class Issuer:
    """An authorization server on this machine: metadata, keys, and tokens as asked for."""

    def __init__(self) -> None:
        self.keys = {"one": rsa.generate_private_key(65537, 2048)}
        self.paths: dict[str, Any] = {}
        self.asked: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                answer = issuer.paths.get(self.path)
                self.send_response(200 if answer is not None else 404)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode() if answer is not None else b"")

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/tenant"
        self.metadata = "/.well-known/oauth-authorization-server/tenant"
        self.up()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def up(self) -> None:
        """Answer at the usual addresses with the keys there are."""
        self.paths[self.metadata] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.paths["/tenant/keys"] = {"keys": [public(key, kid) for kid, key in self.keys.items()]}

    def down(self) -> None:
        """Answer nothing any more."""
        self.paths.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(
        self, *, kid: str | None = "one", algorithm: str = "RS256", headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Sign a token that is good, but for the claims and headers given; a claim of None is left out."""
        usual = {"iss": self.url, "aud": RESOURCE, "sub": "person", "exp": int(time.time()) + 60, "scope": "read more"}
        told = {name: value for name, value in (usual | claims).items() if value is not None}
        header = ({"kid": kid} if kid is not None else {}) | (headers or {})
        return jwt.encode(told, self.keys[kid or "one"], algorithm, headers=header)


def public(key: Any, kid: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Issuer]:
    """One set of keys for all tests, since making them takes a while."""
    running = Issuer()
    yield running
    running.close()


@pytest.fixture
def issuer(shared: Issuer) -> Issuer:
    shared.keys = {"one": shared.keys["one"]}
    shared.asked.clear()
    shared.down()
    shared.up()
    return shared


@pytest.fixture
def settings(issuer: Issuer) -> HttpSettings:
    return HttpSettings(issuer=issuer.url, resource_url=RESOURCE, scopes=("read",), failures_per_minute=1000)


class Protected:
    """A small server behind access tokens, and a client of it."""

    def __init__(self, url: str, client: httpx2.AsyncClient) -> None:
        self.url, self.client = url, client

    async def ask(self, token: str) -> httpx2.Response:
        """Ask for the tools with a token."""
        headers = headers_for(MODERN, "tools/list", token)
        return await self.client.post(f"{self.url}/mcp", json=request_of(MODERN, "tools/list"), headers=headers)


async def list_tools(_context: Any, _params: Any) -> ListToolsResult:
    return ListToolsResult(tools=[])


@pytest.fixture
async def protected(settings: HttpSettings) -> AsyncIterator[Protected]:
    server: Server[Any] = Server("small", on_list_tools=list_tools)
    app = http_app(server, settings, AccessTokens(settings), scraper=KnownTokens([TOKEN]))
    async with listening(app, settings) as url, httpx2.AsyncClient(timeout=60) as client:
        yield Protected(url, client)


async def test_a_token_that_is_valid_here_is_let_in_by_either_era(issuer: Issuer, protected: Protected) -> None:
    for mode in ("legacy", MODERN):
        async with client_of(f"{protected.url}/mcp", mode, issuer.token()) as client:
            assert (await client.list_tools()).tools == []
    assert issuer.asked == [issuer.metadata, "/tenant/keys"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["https://other.example/mcp", RESOURCE]},
        {"scope": None, "scp": ["read"]},
        {"scope": "read", "nbf": 0},
        {"headers": {"typ": "at+jwt"}},
        {"exp": 0, "late": 10},
    ],
    ids=["several-audiences", "scopes-as-list", "not-before", "type", "within-leeway"],
)
async def test_usual_ways_to_write_a_good_token_are_understood(
    issuer: Issuer, protected: Protected, claims: dict[str, Any]
) -> None:
    if late := claims.pop("late", 0):
        claims["exp"] = int(time.time()) - late
    assert (await protected.ask(issuer.token(**claims))).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "not valid"),
        ({"nbf": 33_000_000_000}, "not valid"),
        ({"aud": "https://other.example/mcp"}, "another server"),
        ({"aud": RESOURCE + "/x"}, "another server"),
        ({"aud": None}, "not valid"),
        ({"iss": "https://other.example"}, "another issuer"),
        ({"iss": None}, "not valid"),
        ({"algorithm": "RS512"}, "algorithm"),
        ({"headers": {"kid": "two"}}, "doesn't have"),
        ({"headers": {"typ": "logout+jwt"}}, "no access token"),
        ({"headers": {"crit": ["new"], "new": 1}}, "JWT"),
    ],
)
async def test_a_token_that_is_not_valid_here_is_refused_with_the_reason(
    issuer: Issuer, protected: Protected, claims: dict[str, Any], told: str
) -> None:
    answer = await protected.ask(issuer.token(**claims))
    assert answer.status_code == 401
    assert told in answer.json()["error"]["message"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert (
        'resource_metadata="https://files.example.org/.well-known/oauth-protected-resource/mcp"'
        in (answer.headers["www-authenticate"])
    )


async def test_forged_tokens_are_refused(issuer: Issuer, protected: Protected) -> None:
    good = issuer.token()
    head, body, signature = good.split(".")
    claims = {"iss": issuer.url, "aud": RESOURCE, "exp": int(time.time()) + 60, "scope": "read"}
    pem = (
        issuer.keys["one"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    own = ec.generate_private_key(ec.SECP256R1())
    forged = {
        "none": jwt.encode(claims, "", "none", headers={"kid": "one"}),
        "symmetric, keyed with the public key": _hmac_signed(claims, pem),
        "another key, brought along": jwt.encode(
            claims, own, "ES256", headers={"kid": "one", "jwk": public(own, "one")}
        ),
        "signature of nothing": f"{head}.{body}.",
        "another body": f"{head}.{_part(claims | {'sub': 'admin'})}.{signature}",
        "no JWT": "x" * 40,
        "the machine's own token": TOKEN,
        "too long": issuer.token(filling="x" * 17_000),
        "deep": f"{head}.{_part(claims)}.{signature}"[:20] + "." + "[" * 5000,
    }
    for name, token in forged.items():
        assert (await protected.ask(token)).status_code == 401, name
    assert (await protected.ask(good)).status_code == 200


def _part(content: dict[str, Any]) -> str:
    return jwt.utils.base64url_encode(json.dumps(content).encode()).decode()


def _hmac_signed(claims: dict[str, Any], key: bytes) -> str:
    import hashlib
    import hmac

    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'one'})}.{_part(claims)}"
    mac = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{jwt.utils.base64url_encode(mac).decode()}"


async def test_a_token_without_the_scope_is_told_which_it_needs(issuer: Issuer, protected: Protected) -> None:
    for scopes in ({"scope": "more"}, {"scope": None}, {"scope": 7}, {"scope": "reading"}):
        answer = await protected.ask(issuer.token(**scopes))
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert 'scope="read"' in answer.headers["www-authenticate"]


async def test_a_client_finds_its_way_to_the_issuer(issuer: Issuer, protected: Protected) -> None:
    bare = await protected.ask("")
    assert bare.status_code == 401
    assert "error=" not in bare.headers["www-authenticate"]
    assert 'scope="read"' in bare.headers["www-authenticate"]
    for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
        told = (await protected.client.get(protected.url + path)).json()
        assert told["resource"] == RESOURCE
        assert told["authorization_servers"] == [issuer.url]
        assert told["scopes_supported"] == ["read"]


@pytest.mark.slow
async def test_the_server_as_a_process_takes_access_tokens(issuer: Issuer, cache: Path) -> None:
    with servers(cache) as start:
        server = start(EXAMPLE_DATA, issuer=issuer.url, resource_url=RESOURCE)
        async with client_of(server.url, MODERN, issuer.token()) as client:
            assert (await client.list_tools()).tools
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as stranger:
            assert (await stranger.post(server.url)).status_code == 401
        assert server.stop() == 0
    assert not any(issuer.token()[:20] in line for line in server.log)


async def test_metrics_may_be_read_with_a_token_of_the_machine(issuer: Issuer, protected: Protected) -> None:
    for token, status in ((TOKEN, 200), (issuer.token(), 401), ("", 401)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        assert (await protected.client.get(f"{protected.url}/metrics", headers=headers)).status_code == status


async def test_while_the_issuer_is_down_tokens_wait_and_known_keys_stay_good(
    issuer: Issuer, protected: Protected, settings: HttpSettings
) -> None:
    issuer.down()
    answer = await protected.ask(issuer.token())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    now = 0.0
    keys = SigningKeys(settings.issuer, clock=lambda: now)
    with pytest.raises(UnavailableError):
        await keys.find("one", "RS256")
    issuer.up()
    with pytest.raises(UnavailableError):
        await keys.find("one", "RS256")
    now = 20.0
    await keys.find("one", "RS256")
    issuer.down()
    now = 20_000.0
    assert (await keys.find("one", "RS256")).algorithm_name == "RS256"
    now = 200_000.0
    with pytest.raises(UnavailableError):
        await keys.find("one", "RS256")


async def test_keys_may_change_and_made_up_ones_do_not_make_it_ask_again(
    issuer: Issuer, settings: HttpSettings
) -> None:
    now = 0.0
    keys = SigningKeys(settings.issuer, clock=lambda: now)
    await keys.find("one", "RS256")
    issuer.keys["new"] = ec.generate_private_key(ec.SECP256R1())  # type: ignore[assignment]
    issuer.up()
    issuer.asked.clear()
    for kid in ("new", "made-up", "made-up-too"):
        with pytest.raises(InvalidTokenError):
            await keys.find(kid, "ES256")
    assert issuer.asked == []
    now = 15.0
    tokens = AccessTokens(settings, keys)
    assert (await tokens.identify(issuer.token(kid="new", algorithm="ES256"))).subject == "person"
    with pytest.raises(InvalidTokenError):
        await keys.find("new", "RS256")
    with pytest.raises(InvalidTokenError):
        await keys.find(None, "EdDSA")
    assert issuer.asked == [issuer.metadata, "/tenant/keys"]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("metadata", {"issuer": "https://other.example", "jwks_uri": "KEYS"}),
        ("metadata", {"issuer": "ISSUER", "jwks_uri": "http://127.0.0.1:9/keys"}),
        ("metadata", {"issuer": "ISSUER"}),
        ("metadata", ["x"]),
        ("/tenant/keys", {"keys": "none"}),
        ("/tenant/keys", {"keys": [{"kty": "RSA", "kid": f"{n}"} for n in range(101)]}),
        ("/tenant/keys", {"keys": [], "filling": "x" * 300_000}),
    ],
    ids=["other-issuer", "other-origin", "no-keys", "no-object", "keys-no-list", "many-keys", "too-long"],
)
async def test_metadata_and_keys_that_are_not_the_issuers_own_are_not_used(
    issuer: Issuer, settings: HttpSettings, path: str, answer: Any
) -> None:
    written = json.dumps(answer).replace("ISSUER", issuer.url).replace("KEYS", f"{issuer.url}/keys")
    issuer.paths[issuer.metadata if path == "metadata" else path] = json.loads(written)
    with pytest.raises(UnavailableError):
        await AccessTokens(settings).identify(issuer.token())


async def test_unusable_keys_are_passed_over(issuer: Issuer, settings: HttpSettings) -> None:
    good = public(issuer.keys["one"], "one")
    symmetric = {"kty": "oct", "k": "c2VjcmV0", "kid": "one"}
    issuer.paths["/tenant/keys"] = {"keys": ["x", {}, {"kty": "RSA", "kid": "one"}, symmetric, {**good, "use": "enc"}]}
    with pytest.raises(InvalidTokenError):
        await AccessTokens(settings).identify(issuer.token())
    issuer.paths["/tenant/keys"]["keys"].append(good)
    assert (await AccessTokens(settings).identify(issuer.token())).issuer == issuer.url


async def test_keys_at_a_named_address_need_no_metadata(issuer: Issuer, settings: HttpSettings) -> None:
    del issuer.paths[issuer.metadata]
    named = settings.model_copy(update={"jwks_url": f"{issuer.url}/keys"})
    assert (await AccessTokens(named).identify(issuer.token(kid="one"))).subject == "person"
    assert (await AccessTokens(named).identify(issuer.token(kid=None))).subject == "person"
    assert set(issuer.asked) == {"/tenant/keys"}


def test_the_token_of_a_machine_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "config" / "http-token"
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(kept_token, [path] * 8))
    assert len(tokens) == 1
    assert len(tokens.pop()) >= 40
    assert kept_token(path) != renewed_token(path)
    assert [file.name for file in path.parent.iterdir()] == ["http-token"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
        with pytest.raises(ConfigurationError, match="Others than you") as told:
            kept_token(path)
        assert "chmod 600" in told.value.hint


@pytest.mark.parametrize("content", [b"", b"short\n", b"two words that are long enough", b"x" * 5000, b"\xff" * 40])
def test_a_file_without_a_usable_token_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "http-token"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="holds no token"):
        kept_token(path)


def test_a_token_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be") as told:
        kept_token(tmp_path / "file" / "token")
    assert told.value.hint


def test_the_token_is_printed_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    http = HttpSettings(token_file=tmp_path / "token")
    assert print_token(http) == 0
    first = capsys.readouterr()
    assert first.out.strip() == (tmp_path / "token").read_text().strip()
    assert str(tmp_path / "token") in first.err
    assert first.out.strip() not in first.err
    print_token(http, renew=True)
    assert capsys.readouterr().out != first.out


def test_without_a_name_the_token_is_in_the_users_configuration_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_names, **_flags: tmp_path)
    assert token_path(None) == tmp_path / "http-token"
