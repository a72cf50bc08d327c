"""Endpoint checks: every request passes these, cheapest first, before its body is read."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import TYPE_CHECKING, Final

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from mcp_server.http.authentication import (
    Authenticator,
    Identity,
    InsufficientScopeError,
    InvalidTokenError,
    UnavailableError,
    bearer_token,
)
from mcp_server.http.host_guard import HostGuard
from mcp_server.http.rate_limit import RateLimit
from mcp_server.http.refusal import RejectedRequest
from mcp_server.http.request_body import read_body, replayed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mcp_server.http.lifecycle import Lifecycle
    from mcp_server.http.metrics import Metrics
    from mcp_server.http.settings import HttpSettings

_LISTEN: Final = "subscriptions/listen"
_ASK_AGAIN_SECONDS: Final = 5


class Endpoint:
    """Lets a request through to `app` that is for this server, of a known client, in measure and of bounded size.

    In this order: head (431), host and origin (421, 403), token (401, 403, 503), rate (429), method (405), requests at
    once (503), body (413, 408). Without an `authenticator` everyone is known.
    """

    def __init__(
        self,
        app: ASGIApp,
        http: HttpSettings,
        authenticator: Authenticator | None,
        lifecycle: Lifecycle,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._http = http
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._names = HostGuard(http)
        self._known = Doorkeeper(http, authenticator)
        self._rate = RateLimit(http.requests_per_second, http.burst)
        self._turns = anyio.Semaphore(http.max_in_flight)
        self._methods = ("GET", "POST", "DELETE") if http.sessions else ("POST",)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > self._http.max_header_bytes:
                raise RejectedRequest(431, "The request head is too large.")
            self._names.check(scope)
            identity = await self._known.identify(scope)
            if wait := self._rate.take(f"{identity.key}\0{remote(scope)}"):
                raise RejectedRequest.wait(429, "Too many requests.", wait)
            if scope["method"] not in self._methods:
                raise RejectedRequest(405, "The method is not served here.", Allow=", ".join(self._methods))
            await self._serve(_named(scope, identity), receive, send)
        except RejectedRequest as refusal:
            await refusal.response()(scope, receive, send)
        except ClientDisconnect:
            return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def sent(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        async with self._place(scope):
            limit, seconds = self._http.max_request_bytes, self._http.body_seconds
            body = await read_body(scope, receive, most=limit, seconds=seconds)
            await self._app(scope, replayed(body, receive), sent)
        if self._lifecycle.stopping and not answered:
            raise RejectedRequest.wait(503, "The server is stopping.", _ASK_AGAIN_SECONDS)

    @contextlib.asynccontextmanager
    async def _place(self, scope: Scope) -> AsyncIterator[None]:
        if scope["method"] == "GET" or Headers(scope=scope).get("mcp-method") == _LISTEN:
            if self._lifecycle.streams >= self._http.max_streams:
                raise RejectedRequest.wait(503, "Too many streams are open.", _ASK_AGAIN_SECONDS)
            with self._metrics.streams.track_inprogress(), self._lifecycle.stream():
                yield
            return
        with self._lifecycle.call():
            with anyio.move_on_after(self._http.wait_seconds) as clock:
                await self._turns.acquire()
            if clock.cancelled_caught:
                raise RejectedRequest.wait(503, "The server is busy.", _ASK_AGAIN_SECONDS)
            try:
                with self._metrics.in_flight.track_inprogress():
                    yield
            finally:
                self._turns.release()


class Doorkeeper:
    """Finds out who asks. An address that keeps sending wrong tokens is told to wait; right ones are always heard."""

    def __init__(self, http: HttpSettings, authenticator: Authenticator | None) -> None:
        self._authenticator = authenticator
        self._failures = RateLimit(http.failures_per_minute / 60, http.failures_per_minute)

    async def identify(self, scope: Scope) -> Identity:
        """Return who sent a request. Raises `RejectedRequest`."""
        if self._authenticator is None:
            return Identity("")
        challenge = self._authenticator.challenge
        try:
            token = bearer_token([value for name, value in scope["headers"] if name == b"authorization"])
            if token is None:
                raise RejectedRequest(401, "A bearer token is needed.", WWW_Authenticate=challenge())
            return await self._authenticator.identify(token)
        except InvalidTokenError as error:
            if wait := self._failures.take(remote(scope)):
                raise RejectedRequest.wait(429, "Too many wrong tokens.", wait) from None
            told = challenge("invalid_token", str(error))
            raise RejectedRequest(401, str(error), WWW_Authenticate=told) from None
        except InsufficientScopeError as error:
            told = challenge("insufficient_scope", str(error))
            raise RejectedRequest(403, str(error), WWW_Authenticate=told) from None
        except UnavailableError as error:
            raise RejectedRequest.wait(503, str(error), _ASK_AGAIN_SECONDS) from None


def remote(scope: Scope) -> str:
    """Return the address a request comes from; of IPv6 the network of a customer, who owns all addresses in it."""
    host = str((scope.get("client") or ("", 0))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def _named(scope: Scope, identity: Identity) -> Scope:
    """Tell the SDK, which keeps sessions apart by it, who asks; the token itself is left behind."""
    claims = {"iss": identity.issuer} if identity.issuer else None
    scopes = list(identity.scopes)
    known = AccessToken(
        token="", client_id=identity.client, scopes=scopes, subject=identity.subject or None, claims=claims
    )
    headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
    return {**scope, "headers": headers, "auth": AuthCredentials(scopes), "user": AuthenticatedUser(known)}
