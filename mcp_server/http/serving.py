"""Serving over HTTP until told to stop."""

from __future__ import annotations

import logging
import math
import ssl
from typing import TYPE_CHECKING, Any, Final

import anyio
import uvicorn

from mcp_context_resources.errors import ConfigurationError
from mcp_server.http.access_tokens import AccessTokens
from mcp_server.http.address import Address, is_loopback
from mcp_server.http.app import http_app
from mcp_server.http.authentication import Authenticator, KnownTokens
from mcp_server.http.connection import connection_class
from mcp_server.http.graceful_server import GracefulServer
from mcp_server.http.lifecycle import Lifecycle
from mcp_server.http.token_file import kept_token, token_path
from mcp_server.logging.logs import start_logging
from mcp_server.logging.telemetry import exporting
from mcp_server.server import create_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.lowlevel.server import Server

    from mcp_context_tools.tool import Services
    from mcp_server.http.settings import HttpSettings
    from mcp_server.settings import Settings

_log = logging.getLogger("fresh_context")
_CUT_OFF_SECONDS: Final = 5


def serve_http(
    settings: Settings, http: HttpSettings, *, extend: Callable[[Server[Services]], None] | None = None
) -> int:
    """Serve over HTTP until a signal comes; returns the exit status. `extend` may add to the server first.

    Raises `ConfigurationError` before anything is served when the settings can't work, which includes everything that
    would let strangers in.
    """
    _check_reach(http)
    settings.storage.folder()
    authenticator, told = authentication(http)
    server = create_server(settings, lasting=http.sessions)
    if extend is not None:
        extend(server)
    lifecycle = Lifecycle()
    scraper = KnownTokens(_given(http)) if http.issuer and http.tokens else None
    config = _config(http_app(server, http, authenticator, scraper=scraper, lifecycle=lifecycle), http)
    with http.listen.bind() as listener:
        redact = start_logging(settings)
        at = Address(*listener.getsockname()[:2])
        scheme = "http" if http.tls_certificate is None else "https"
        if not is_loopback(at.host) and http.tls_certificate is None and not http.trusted_proxies:
            _log.warning("without TLS, tokens and answers can be read on the network: see http.tls_certificate")
        names = ", ".join(str(root) for root in settings.workspace.roots)
        told = f"{names} at {scheme}://{at}{http.path} {told}"
        with exporting(settings.telemetry, redact=redact):
            anyio.run(GracefulServer(config, lifecycle, http, told).serve, [listener])
    return 0


def authentication(http: HttpSettings) -> tuple[Authenticator | None, str]:
    """Return who is let in, and words that say so; the token of this machine is made where there is none yet.

    Raises `ConfigurationError`.
    """
    if http.anonymous:
        return None, "without a token"
    if http.issuer:
        return AccessTokens(http), f"with access tokens of {http.issuer}"
    if http.tokens:
        return KnownTokens(_given(http)), "with the tokens of http.tokens"
    path = token_path(http.token_file)
    return KnownTokens([kept_token(path)]), f"with the token in {path}"


def _given(http: HttpSettings) -> list[str]:
    return [token.get_secret_value() for token in http.tokens]


def _check_reach(http: HttpSettings) -> None:
    if is_loopback(http.listen.host):
        return
    if http.anonymous:
        raise ConfigurationError(
            f"Without a token the server listens on a loopback address only, not on {http.listen}.",
            "Leave out http.anonymous, or listen on 127.0.0.1.",
        )
    if http.metrics == "open":
        raise ConfigurationError(
            f"Metrics are open on a loopback address only, not on {http.listen}.",
            "Set http.metrics to token or off, or listen on 127.0.0.1.",
        )


def _config(app: Any, http: HttpSettings) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=connection_class(http),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        workers=1,
        proxy_headers=bool(http.trusted_proxies),
        forwarded_allow_ips=list(http.trusted_proxies),
        timeout_keep_alive=http.idle_seconds,
        timeout_graceful_shutdown=math.ceil(http.shutdown_seconds) + _CUT_OFF_SECONDS,
        h11_max_incomplete_event_size=http.max_header_bytes,
    )
    config.load()
    if http.tls_certificate is not None:
        config.ssl = _tls(http)
    return config


def _tls(http: HttpSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # An empty password makes an encrypted key an error; OpenSSL would ask for one on the terminal.
        context.load_cert_chain(str(http.tls_certificate), http.tls_key and str(http.tls_key), lambda: "")
    except OSError as error:
        raise ConfigurationError(
            f"The certificate {http.tls_certificate} or its key can't be used: {error.strerror or error}.",
            "Both are PEM, the key without a password.",
        ) from error
    return context
