"""Transport: connections that go to a checked address and nowhere else."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx2

from mcp_context_resources.models.remote.allowed import checked_addresses

if TYPE_CHECKING:
    from mcp_context_resources.models.remote.servers import Server


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Resolves the server's name, checks its addresses and connects to one of them by number.

    No proxy is used. Certificates are those of the server's name all the same.
    """

    def __init__(self, server: Server, *, connections: int) -> None:
        self._server = server
        # Reading the system's certificates takes a fifth of a second; without https an empty set will do.
        trusted = True if server.url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._inner = httpx2.AsyncHTTPTransport(verify=trusted, trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first address that takes the connection.

        Raises `ModelUnavailableError` for a name that leads beyond what is allowed, `httpx2.TransportError`.
        """
        server = self._server
        failure: httpx2.TransportError | None = None
        for address in await checked_addresses(server.host, server.port, server.hosts):
            pinned = httpx2.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": server.host},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
        raise failure or httpx2.ConnectError("no address")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()
