"""Authentication: the bearer token of a request, and what to answer where it is missing, wrong or not enough."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


MIN_TOKEN_CHARS: Final = 20


@dataclass(frozen=True, slots=True)
class Identity:
    """Whoever a token speaks for. `subject` and `issuer` are empty for a token of this machine."""

    client: str
    subject: str = ""
    issuer: str = ""
    scopes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Text that is the same for all requests of one client and no other."""
        return f"{self.issuer}\0{self.client}\0{self.subject}"


class InvalidTokenError(Exception):
    """The token isn't valid here. The message says why, in words that a stranger may read."""


class InsufficientScopeError(Exception):
    """The token is valid but may not be used for this."""


class UnavailableError(Exception):
    """Tokens can't be checked at the moment."""


class Authenticator(Protocol):
    """Tells whom a bearer token speaks for."""

    async def identify(self, token: str) -> Identity:
        """Return whom the token speaks for.

        Raises `InvalidTokenError`, `InsufficientScopeError`, `UnavailableError`.
        """
        ...

    def challenge(self, error: str = "", description: str = "") -> str:
        """Write the `WWW-Authenticate` header of a refusal (RFC 6750); without an error where no token was given."""
        ...


class KnownTokens:
    """Accepts any of a few fixed tokens. Only digests of them are kept."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._digests = [_digest(token) for token in tokens]

    async def identify(self, token: str) -> Identity:
        """Return an identity named after the token's place in the list; the time it takes tells nothing."""
        given = _digest(token)
        found = [hmac.compare_digest(given, known) for known in self._digests]
        if True not in found:
            raise InvalidTokenError("The token is not known.")
        return Identity(f"token-{found.index(True)}")

    def challenge(self, error: str = "", description: str = "") -> str:
        """Write the header: the scheme, and the error if there is one."""
        return bearer_challenge(error=error, error_description=description)


def is_token(text: str) -> bool:
    """Tell whether a text can be a token: long enough not to be guessed, and fit for a header."""
    return len(text) >= MIN_TOKEN_CHARS and text.isascii() and text.isprintable() and " " not in text


def bearer_challenge(**parameters: str) -> str:
    """Write a `WWW-Authenticate` header of the scheme Bearer, without the parameters that are empty."""
    told = ", ".join(f'{name}="{_quotable(value)}"' for name, value in parameters.items() if value)
    return f"Bearer {told}".rstrip()


def bearer_token(values: Sequence[bytes]) -> str | None:
    """Return the token in the `Authorization` headers of a request; None where there is none.

    Raises `InvalidTokenError` for another scheme, several headers or characters that no token has.
    """
    if not values:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    token = token.strip(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token or not token.isascii() or " " in token:
        raise InvalidTokenError("One header is needed: Authorization: Bearer TOKEN.")
    return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _quotable(text: str) -> str:
    return "".join(letter for letter in text if letter.isascii() and letter.isprintable() and letter not in '"\\')
