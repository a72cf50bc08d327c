"""Allowed servers: those on this machine, and hosts that the settings name.

A name is resolved anew for each connection and every address it has is looked at, so that a name which later points
elsewhere is not followed there.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

import anyio

from mcp_context_resources.errors import ConfigurationError, ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_DEFAULT_PATH: Final = "/v1"
_MAX_URL_CHARS: Final = 2_000
_RESOLVE_SECONDS: Final = 5.0
_MAX_ADDRESSES: Final = 4
_EXAMPLE: Final = "Write it like http://127.0.0.1:8080/v1."


def checked_url(url: str, hosts: Collection[str]) -> str:
    """Return the base address of a server in one spelling, `/v1` added where there is no path.

    Raises `ConfigurationError` unless it is plain http or https, without a user or password, on this machine or on
    one of `hosts`. No message shows a password.
    """
    parts, host, port = _split(url)
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"The address of the server {host!r} in models.remote contains a user or password.",
            "Give its key as KEY@URL in models.remote_keys.",
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(f"The address of the server {host!r} has a query or fragment.", _EXAMPLE)
    if not allowed_host(host, hosts):
        raise ConfigurationError(
            f"The server {host!r} is not on this machine.",
            f"Text of your files would go there; if that is meant, add {host!r} to models.remote_hosts.",
        )
    shown = f"[{host}]" if ":" in host else host
    suffix = "" if port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{shown}{suffix}{parts.path.rstrip('/') or _DEFAULT_PATH}"


def host_and_port(url: str) -> tuple[str, int]:
    """Return host and port of an address that `checked_url` returned."""
    _, host, port = _split(url)
    return host, port


def allowed_host(host: str, hosts: Collection[str]) -> bool:
    """Tell whether a host may be asked: this machine by its usual names, or one of `hosts`."""
    return named_in(host, hosts) or host == "localhost" or _is_loopback(host)


def named_in(host: str, hosts: Collection[str]) -> bool:
    """Tell whether `hosts` has the host; letters' case, brackets and a last dot don't count."""
    return host in {_plain(name) for name in hosts}


async def checked_addresses(host: str, port: int, hosts: Collection[str]) -> list[str]:
    """Resolve a host to the addresses that may be connected to, at most 4, none twice.

    Raises `ModelUnavailableError` when there is none, or when a host that is not one of `hosts` has an address beyond
    this machine.
    """
    try:
        with anyio.fail_after(_RESOLVE_SECONDS):
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        raise ModelUnavailableError(
            f"The address of the server {host!r} can't be found.", "Check models.remote and the network."
        ) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not named_in(host, hosts) and not all(map(_is_loopback, addresses)):
        raise ModelUnavailableError(
            f"The name {host!r} leads to another machine, which models.remote_hosts doesn't allow.",
            "Name the server by its address, e.g. 127.0.0.1.",
        )
    return addresses[:_MAX_ADDRESSES]


def _split(url: str) -> tuple[SplitResult, str, int]:
    if len(url) > _MAX_URL_CHARS or not url.isprintable() or " " in url:
        raise ConfigurationError("An address in models.remote is too long or has unprintable characters.", _EXAMPLE)
    try:
        parts = urlsplit(url)
        host, port = _plain(parts.hostname or ""), parts.port
    except ValueError as error:
        raise ConfigurationError("An address in models.remote is not a valid URL.", _EXAMPLE) from error
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise ConfigurationError("An address in models.remote is neither http:// nor https:// with a host.", _EXAMPLE)
    return parts, host, port if port is not None else _DEFAULT_PORTS[parts.scheme]


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
