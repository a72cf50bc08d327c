"""The HTTP application: the MCP endpoint behind its checks, health, metrics and what OAuth clients look for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import ListenHandler
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_server.http import access_tokens
from mcp_server.http.endpoint import Doorkeeper, Endpoint
from mcp_server.http.host_guard import HostGuard
from mcp_server.http.lifecycle import Lifecycle
from mcp_server.http.metrics import MEDIA_TYPE, Metrics
from mcp_server.http.refusal import RejectedRequest
from mcp_server.logging.call_log import call_log_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server.lowlevel.server import Server
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from mcp_server.http.authentication import Authenticator
    from mcp_server.http.settings import HttpSettings

    Answer = Callable[[Request], Awaitable[Response]]


def http_app(
    server: Server[Any],
    http: HttpSettings,
    authenticator: Authenticator | None,
    *,
    scraper: Authenticator | None = None,
    lifecycle: Lifecycle | None = None,
) -> Starlette:
    """Make an ASGI application that serves `server` to clients that `authenticator` knows; None lets everyone in.

    `scraper` tells who may read /metrics where that is not the same. The application can be started once; it counts
    the requests of `server`, whose engines live as long as it does.
    """
    lifecycle = lifecycle or Lifecycle()
    metrics = Metrics()
    call_log_of(server).tell(metrics.count)
    listening = server.get_request_handler("subscriptions/listen")
    if listening is not None and isinstance(listening.handler, ListenHandler):
        lifecycle.on_end(listening.handler.close)
    # Host, origin and token are checked before the SDK sees a request, more strictly than it would.
    manager = StreamableHTTPSessionManager(
        server,
        stateless=not http.sessions,
        max_request_body_size=http.max_request_bytes,
        max_sessions=http.max_sessions,
    )
    routes = [
        Route(http.path, Endpoint(manager.handle_request, http, authenticator, lifecycle, metrics)),
        Route("/healthz", _health(lifecycle), methods=["GET"]),
    ]
    if http.metrics != "off":
        reader = None if http.metrics == "open" else scraper or authenticator
        routes.append(Route("/metrics", _metrics(metrics, HostGuard(http), Doorkeeper(http, reader)), methods=["GET"]))
    if http.issuer:
        routes += [
            Route(path, _resource_metadata(http), methods=["GET"])
            for path in access_tokens.metadata_paths(http.resource_url)
        ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_measured, metrics), *_cross_origin(http)],
        lifespan=lambda _app: manager.run(),
    )
    app.router.redirect_slashes = False
    return app


def _measured(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    return metrics.measured(app)


def _cross_origin(http: HttpSettings) -> list[Middleware]:
    """Let pages of the allowed origins read answers; without any, no answer speaks of origins at all."""
    if not http.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=http.allowed_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["Mcp-Session-Id", "WWW-Authenticate", "Retry-After"],
        )
    ]


def _health(lifecycle: Lifecycle) -> Answer:
    async def health(_request: Request) -> Response:
        if lifecycle.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ok"})

    return health


def _metrics(metrics: Metrics, names: HostGuard, doorkeeper: Doorkeeper) -> Answer:
    async def read(request: Request) -> Response:
        try:
            names.check(request.scope)
            await doorkeeper.identify(request.scope)
        except RejectedRequest as refusal:
            return refusal.response()
        return Response(await metrics.text(), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})

    return read


def _resource_metadata(http: HttpSettings) -> Answer:
    told = access_tokens.metadata(http)

    async def read(_request: Request) -> Response:
        return JSONResponse(told, headers={"Cache-Control": "public, max-age=3600"})

    return read
