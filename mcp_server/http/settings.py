"""Settings of serving over HTTP."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from mcp_server.http.address import Address, is_loopback
from mcp_server.http.authentication import MIN_TOKEN_CHARS, is_token

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"
]


class HttpSettings(BaseModel):
    """Where the server listens, who may ask, and how much. Lists with colons in them are written as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    address: str = Field(
        default="127.0.0.1:8765", description="HOST:PORT to listen on; port 0 takes a free one, which is logged."
    )
    path: str = Field(default="/mcp", pattern=r"^/[\w./~-]*[\w~-]$", description="Path of the MCP endpoint.")
    sessions: bool = Field(
        default=False,
        description="Keep a session for each client of an older protocol, who can then be asked questions and told of "
        "changes; a balancer must then send a session to one replica.",
    )

    tokens: tuple[SecretStr, ...] = Field(
        default=(), description=f"Bearer tokens accepted, each of {MIN_TOKEN_CHARS} characters or more, instead of one."
    )
    token_file: Path | None = Field(
        default=None,
        description="File of the bearer token, made on first use; http-token in the user's configuration folder.",
    )
    anonymous: bool = Field(default=False, description="Ask for no token; on a loopback address only.")

    issuer: str = Field(
        default="", description="URL of the OAuth authorization server whose access tokens are accepted."
    )
    resource_url: str = Field(
        default="", description="This server's MCP endpoint as clients see it, such as https://files.example.org/mcp."
    )
    audience: str = Field(default="", description="Audience that access tokens must name; resource_url by default.")
    jwks_url: str = Field(default="", description="Where the issuer's keys are; found in its metadata by default.")
    scopes: tuple[str, ...] = Field(default=(), description="Scopes that an access token must have.")
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256", "PS256", "ES256", "ES384", "EdDSA"),
        min_length=1,
        description="Signature algorithms accepted in access tokens.",
    )
    leeway_seconds: float = Field(
        default=30.0, ge=0, le=300, description="How far the issuer's clock may be off from this one's."
    )

    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Further names by which clients may call this server; its own address always may."
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="Origins of web pages that may call this server, such as https://app.example.org."
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed."
    )
    tls_certificate: Path | None = Field(default=None, description="Certificate chain (PEM) for HTTPS.")
    tls_key: Path | None = Field(default=None, description="Private key (PEM) of the certificate, if apart from it.")

    max_request_bytes: int = Field(default=4 << 20, ge=1024, description="Largest request body.")
    max_header_bytes: int = Field(default=32 << 10, ge=1024, le=1 << 20, description="Largest request head.")
    max_connections: int = Field(default=512, ge=1, description="Connections open at once; more are closed.")
    max_in_flight: int = Field(default=64, ge=1, description="Requests worked on at once; more wait for their turn.")
    wait_seconds: float = Field(
        default=30.0, ge=0, description="How long a request waits for its turn before it is told to come again."
    )
    max_streams: int = Field(default=128, ge=1, description="Streams of notifications open at once.")
    max_sessions: int = Field(default=1000, ge=1, description="Sessions kept at once, where sessions are kept.")
    requests_per_second: float = Field(
        default=200.0, ge=0, description="Requests a client may send in the long run; 0: any number."
    )
    burst: int = Field(default=1000, ge=1, description="Requests a client may send at once.")
    failures_per_minute: int = Field(
        default=30, ge=1, description="Requests with a wrong token that an address may send before it must wait."
    )
    header_seconds: float = Field(default=10.0, gt=0, description="Longest a request head may take to come in.")
    body_seconds: float = Field(default=30.0, gt=0, description="Longest a request body may take to come in.")
    idle_seconds: int = Field(default=60, ge=1, description="How long an unused connection is kept open.")
    stall_seconds: float = Field(
        default=60.0, gt=0, description="How long a client may read nothing of an answer before it is cut off."
    )
    drain_seconds: float = Field(
        default=0.0, ge=0, le=300, description="How long to go on accepting, with /healthz at 503, once told to stop."
    )
    shutdown_seconds: float = Field(
        default=20.0, gt=0, le=600, description="How long calls may take to end when stopping."
    )
    metrics: Literal["token", "open", "off"] = Field(
        default="token",
        description="Who may read /metrics: who has a token, everyone (on a loopback address only), or nobody.",
    )

    @property
    def listen(self) -> Address:
        """The address to listen on, parsed."""
        return Address.parse(self.address)

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        Address.parse(value)
        return value

    @field_validator("tokens")
    @classmethod
    def _are_long(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(is_token(token.get_secret_value()) for token in value):
            raise ValueError(f"a token is {MIN_TOKEN_CHARS} printable ASCII characters or more, without spaces")
        return value

    @field_validator("issuer", "resource_url", "jwks_url")
    @classmethod
    def _is_secure(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.fragment
            or parts.username
            or (parts.scheme == "http" and not is_loopback(parts.hostname))
        ):
            raise ValueError("it is an https URL without user name and fragment (http on this machine only)")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.hostname
                or f"{parts.scheme}://{parts.netloc}" != origin
            ):
                raise ValueError("an origin is written as https://host or https://host:port")
        return tuple(origin.lower() for origin in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> HttpSettings:
        if self.issuer and not self.resource_url:
            raise ValueError("http.issuer needs http.resource_url, so that tokens for other servers are refused")
        if self.anonymous and (self.tokens or self.issuer or self.token_file):
            raise ValueError("http.anonymous and tokens or an issuer are at odds")
        if self.tls_key is not None and self.tls_certificate is None:
            raise ValueError("http.tls_key needs http.tls_certificate")
        return self
