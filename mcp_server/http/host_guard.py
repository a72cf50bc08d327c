"""Host guard: by which names a server may be called, and from which web pages (against DNS rebinding)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from mcp_server.http.address import ip_address, is_loopback
from mcp_server.http.refusal import RejectedRequest

if TYPE_CHECKING:
    from starlette.types import Scope

    from mcp_server.http.settings import HttpSettings


class HostGuard:
    """The hosts and origins that requests may name.

    A host is one of `http.allowed_hosts`, the host of `http.resource_url`, the IP address at which the request came
    in, or, where that is a loopback address, any name of it. Ports don't matter: rebinding changes what a name means.
    """

    def __init__(self, http: HttpSettings) -> None:
        named = [*http.allowed_hosts, urlsplit(http.resource_url).netloc]
        self._hosts = {_host(name) for name in named if name}
        self._origins = set(http.allowed_origins)

    def check(self, scope: Scope) -> None:
        """Raise `RejectedRequest` for a request to another host (421) or from a page of another origin (403)."""
        headers = Headers(scope=scope)
        given = headers.get("host", "")
        if not self._is_ours(_host(given), (scope.get("server") or ("", None))[0]):
            raise RejectedRequest(421, "This server isn't called so. http.allowed_hosts names the hosts it answers to.")
        origins = headers.getlist("origin")
        same = f"{scope.get('scheme', 'http')}://{given.lower()}"
        if origins and (len(origins) > 1 or origins[0].lower() not in {same, *self._origins}):
            raise RejectedRequest(
                403, "Web pages of this origin may not call the server. http.allowed_origins names those."
            )

    def _is_ours(self, host: str, reached: str) -> bool:
        if not host:
            return False
        if host in self._hosts or (is_loopback(reached) and is_loopback(host)):
            return True
        address = ip_address(host)
        return address is not None and address == ip_address(reached)


def _host(text: str) -> str:
    """Return the host of `HOST[:PORT]` in lower case, without brackets; empty for what is none."""
    try:
        parts = urlsplit(f"//{text.strip()}")
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return ""
    return "" if parts.path or parts.query or parts.fragment or parts.username is not None else host.rstrip(".")
