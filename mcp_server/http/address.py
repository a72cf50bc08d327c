"""Addresses to listen on, and names of hosts."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Final

from mcp_context_resources.errors import ConfigurationError

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
