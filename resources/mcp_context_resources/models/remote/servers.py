"""The servers that the settings name, each with its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mcp_context_resources.errors import ConfigurationError
from mcp_context_resources.models.remote.allowed import checked_url, host_and_port

if TYPE_CHECKING:
    from pydantic import SecretStr

    from mcp_context_resources.models.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Server:
    """A server that may be asked. `url` is its base address, with the path (mostly `/v1`) and no `/` at its end.

    `hosts` are those allowed beyond this machine.
    """

    url: str
    host: str
    port: int
    hosts: tuple[str, ...]
    key: SecretStr | None = field(default=None, repr=False)

    @property
    def root(self) -> str:
        """The base address without `/v1`, where servers keep what OpenAI's protocol doesn't have."""
        return self.url.removesuffix("/v1")

    def headers(self) -> dict[str, str]:
        """Return the headers of each request; they hold the key."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "fresh-context"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key.get_secret_value()}"
        return headers

    def without_key(self, text: str) -> str:
        """Return `text` with the key blotted out, wherever a server repeats it."""
        key = self.key.get_secret_value() if self.key is not None else ""
        return text.replace(key, "…") if key else text


def configured_servers(settings: ModelSettings) -> dict[str, Server]:
    """Return the servers of `settings.remote` by base address, in their order.

    Raises `ConfigurationError` for an address that is malformed or not allowed, and for a key that is malformed or
    belongs to no server. No message shows a key.
    """
    hosts = settings.remote_hosts
    urls = dict.fromkeys(checked_url(url, hosts) for url in settings.remote)
    keys: dict[str, SecretStr] = {}
    for number, entry in enumerate(settings.remote_keys, start=1):
        url, key = _key(entry, number, hosts)
        if url not in urls:
            raise ConfigurationError(
                f"Entry {number} of models.remote_keys is for {url}, which models.remote doesn't name.",
                "Correct its address, or remove it.",
            )
        keys[url] = key
    return {url: Server(url, *host_and_port(url), hosts, keys.get(url)) for url in urls}


def _key(entry: SecretStr, number: int, hosts: tuple[str, ...]) -> tuple[str, SecretStr]:
    text = entry.get_secret_value().strip()
    at = max(text.rfind("@http://"), text.rfind("@https://"))
    key = text[:at]
    if at < 1 or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            f"Entry {number} of models.remote_keys is not of the form KEY@URL.",
            "Write the key, an @ and the server's address as in models.remote.",
        )
    return checked_url(text[at + 1 :], hosts), type(entry)(key)
