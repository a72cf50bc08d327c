"""Addresses to listen on, and the names and origins by which a server may be called (guard against DNS rebinding)."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from mcp_context_resources.errors import ConfigurationError
from mcp_server.http.refusal import RejectedRequest

if TYPE_CHECKING:
    from starlette.types import Scope

    from mcp_server.http.settings import HttpSettings

_WAITING: Final = 256


@dataclass(frozen=True, slots=True)
class Address:
    """A host (a name or an IP address, without brackets) and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; without a host, it is 127.0.0.1.

        Raises `ValueError`.
        """
        host, _, port = text.strip().rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = str(ipaddress.IPv6Address(host[1:-1]))
        elif ":" in host:
            raise ValueError("an IPv6 address is written in brackets, as in [::1]:8765")
        if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
            raise ValueError("it is HOST:PORT with a port from 0 to 65535")
        return cls(host or "127.0.0.1", int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def bind(self) -> socket.socket:
        """Take the address. Raises `ConfigurationError` if it is not this machine's or is taken."""
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            # With the protocol named, asyncio sends small answers at once (TCP_NODELAY): 40 ms a call.
            listener = socket.socket(family, kind, protocol)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(place)
            listener.listen(_WAITING)
        except OSError as error:
            listener.close()
            raise self._unusable(error) from error
        return listener

    def _unusable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"The server can't listen on {self}: {error.strerror or error}.",
            "Choose another address: --http HOST:PORT; port 0 takes any free one.",
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host, as a name or an IP address without brackets, is this machine seen from itself."""
    if host.lower() in ("localhost", "localhost."):
        return True
    address = ip_address(host)
    return address is not None and address.is_loopback


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an IP address, without its zone and as IPv4 where IPv6 only wraps it; None if it is none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class Names:
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
