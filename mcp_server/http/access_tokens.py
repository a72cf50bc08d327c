"""Access tokens of an OAuth 2.1 authorization server: this server as a protected resource.

Published: JWT access tokens (RFC 9068), best practice for JWT (RFC 8725), audience by resource indicator (RFC 8707),
metadata of protected resources (RFC 9728).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import jwt

from mcp_server.http.authentication import Identity, InsufficientScopeError, InvalidTokenError, bearer_challenge
from mcp_server.http.signing_keys import SigningKeys

if TYPE_CHECKING:
    from mcp_server.http.settings import HttpSettings

_MAX_CHARS: Final = 16 << 10
_TYPES: Final = ("jwt", "at+jwt", "application/at+jwt")
_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


class AccessTokens:
    """Accepts JWT access tokens that the configured issuer signed for this server, and nothing else.

    Each must name the issuer, the audience and an expiry, and be signed by one of the accepted algorithms, all of
    which have a public key. The token itself goes no further than here.
    """

    def __init__(self, http: HttpSettings, keys: SigningKeys | None = None) -> None:
        self._http = http
        self._keys = keys or SigningKeys(http.issuer, http.jwks_url)
        self._audience = http.audience or http.resource_url

    async def identify(self, token: str) -> Identity:
        """Return whom an access token speaks for.

        Raises `InvalidTokenError`, `InsufficientScopeError`, and `UnavailableError` while the issuer's keys can't be
        fetched.
        """
        algorithm, kid = self._header(token)
        key = await self._keys.find(kid, algorithm)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._http.issuer,
                audience=self._audience,
                leeway=self._http.leeway_seconds,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidTokenError("The token has expired.") from None
        except jwt.InvalidAudienceError:
            raise InvalidTokenError("The token was issued for another server.") from None
        except jwt.InvalidIssuerError:
            raise InvalidTokenError("The token is of another issuer.") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise InvalidTokenError("The token is not valid.") from None
        scopes = _scopes(claims)
        if missing := [scope for scope in self._http.scopes if scope not in scopes]:
            raise InsufficientScopeError(f"The token lacks the scope {missing[0]}.")
        client = claims.get("client_id") or claims.get("azp") or ""
        return Identity(str(client), str(claims.get("sub") or ""), self._http.issuer, scopes)

    def challenge(self, error: str = "", description: str = "") -> str:
        """Write the header with which a client finds the authorization server and the scopes to ask it for."""
        return bearer_challenge(
            error=error,
            error_description=description,
            scope=" ".join(self._http.scopes),
            resource_metadata=metadata_url(self._http.resource_url),
        )

    def _header(self, token: str) -> tuple[str, str | None]:
        try:
            if len(token) > _MAX_CHARS:
                raise InvalidTokenError("The token is too long.")
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise InvalidTokenError("The token is no signed JWT.") from None
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if algorithm not in self._http.algorithms:
            raise InvalidTokenError("The token's signature algorithm is not accepted.")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise InvalidTokenError("The token is no access token.")
        return str(algorithm), None if kid is None else str(kid)


def metadata_url(resource_url: str) -> str:
    """Return where a resource's metadata is: the well-known path goes before the resource's own (RFC 9728, 3.1)."""
    parts = urlsplit(resource_url)
    return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path.rstrip('/')}"


def metadata_paths(resource_url: str) -> tuple[str, ...]:
    """Return the paths at which this server tells its metadata: the resource's own and the root."""
    return tuple(dict.fromkeys((urlsplit(metadata_url(resource_url)).path, _WELL_KNOWN)))


def metadata(http: HttpSettings) -> dict[str, Any]:
    """Return the metadata of this protected resource (RFC 9728, section 2)."""
    return {
        "resource": http.resource_url,
        "authorization_servers": [http.issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": "Fresh Context",
    } | ({"scopes_supported": list(http.scopes)} if http.scopes else {})


def _scopes(claims: dict[str, Any]) -> tuple[str, ...]:
    given = claims.get("scope", claims.get("scp", ""))
    if isinstance(given, str):
        return tuple(given.split())
    return tuple(scope for scope in given if isinstance(scope, str)) if isinstance(given, list) else ()
