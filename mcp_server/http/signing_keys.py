"""The keys an authorization server signs with: fetched from it alone, kept a while, fetched anew when they change.

Published formats: JSON Web Key Set (RFC 7517), metadata of authorization servers (RFC 8414) and OpenID providers.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio
import httpx2
import jwt

from mcp_server.http.authentication import InvalidTokenError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = logging.getLogger("fresh_context")
_KEEP_SECONDS: Final = 600.0
_MAX_STALE_SECONDS: Final = 24 * 3600.0
_MIN_SECONDS_BETWEEN: Final = 10.0
_FETCH_SECONDS: Final = 5.0
_MAX_BYTES: Final = 256 << 10
_MAX_KEYS: Final = 100


class SigningKeys:
    """The public keys of `issuer`, from `jwks_url` or, without it, from where the issuer's metadata says.

    A URL found in metadata must lie at the issuer's own origin. Keys are asked for at most every few seconds, whatever
    tokens come in, and known ones are used for a day while the issuer can't be reached.
    """

    def __init__(self, issuer: str, jwks_url: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._url = jwks_url
        self._clock = clock
        self._keys: list[dict[str, Any]] = []
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = anyio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """Return the key a token was signed with, bound to `algorithm`.

        Raises `InvalidTokenError` if the issuer has no such key, `UnavailableError` if it can't be asked.
        """
        if self._clock() - self._fetched_at > _KEEP_SECONDS:
            await self._refresh()
        key = self._known(kid, algorithm)
        if key is None and await self._refresh():
            key = self._known(kid, algorithm)
        if key is None:
            raise InvalidTokenError("The token is signed with a key that the issuer doesn't have.")
        return key

    def _known(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        found = [
            key
            for key in self._keys
            if kid in (None, key.get("kid"))
            and key.get("use") in (None, "sig")
            and key.get("alg") in (None, algorithm)
            and key.get("kty") != "oct"
        ]
        for key in found if kid is not None or len(found) == 1 else []:
            try:
                return jwt.PyJWK.from_dict(key, algorithm=algorithm)
            except (jwt.PyJWTError, ValueError, TypeError):
                continue
        return None

    async def _refresh(self) -> bool:
        """Fetch the keys unless that was tried a moment ago; tell whether it was done."""
        asked_at = self._clock()
        async with self._lock:
            if self._tried_at > asked_at:
                return self._fetched_at >= self._tried_at
            if self._clock() - self._tried_at >= _MIN_SECONDS_BETWEEN:
                self._tried_at = self._clock()
                try:
                    self._keys = [key async for key in self._fetch()]
                except (OSError, httpx2.HTTPError, ValueError, RecursionError, TimeoutError) as error:
                    _log.warning(
                        "the keys of %s can't be fetched: %s", self._issuer, str(error) or type(error).__name__
                    )
                else:
                    self._fetched_at = self._clock()
                    return True
        if self._clock() - self._fetched_at > _MAX_STALE_SECONDS:
            raise UnavailableError("The issuer's keys can't be fetched at the moment.")
        return False

    async def _fetch(self) -> Any:
        timeout = httpx2.Timeout(_FETCH_SECONDS)
        with anyio.fail_after(2 * _FETCH_SECONDS):
            async with httpx2.AsyncClient(timeout=timeout, follow_redirects=False) as client:
                url = self._url or await self._discovered(client)
                answer = await _json(client, url)
        keys = answer.get("keys")
        if not isinstance(keys, list) or len(keys) > _MAX_KEYS:
            raise ValueError(f"{url} is no set of keys")
        for key in keys:
            if isinstance(key, dict):
                yield key

    async def _discovered(self, client: httpx2.AsyncClient) -> str:
        problem = "it has no metadata"
        for url in _metadata_urls(self._issuer):
            try:
                metadata = await _json(client, url)
            except (httpx2.HTTPStatusError, ValueError) as error:
                problem = str(error)
                continue
            found = metadata.get("jwks_uri")
            if metadata.get("issuer") != self._issuer or not isinstance(found, str):
                problem = f"{url} is not the metadata of {self._issuer}"
            elif urlsplit(found)[:2] != urlsplit(self._issuer)[:2]:
                problem = f"the keys are at another origin, {found}: name it with http.jwks_url"
            else:
                return found
        raise ValueError(problem)


def _metadata_urls(issuer: str) -> Iterator[str]:
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}/.well-known/openid-configuration{path}"
    if path:
        yield f"{origin}{path}/.well-known/openid-configuration"


async def _json(client: httpx2.AsyncClient, url: str) -> dict[str, Any]:
    body = bytearray()
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
        response.raise_for_status()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _MAX_BYTES:
                raise ValueError(f"{url} is too long")
    answer = json.loads(body)
    if response.status_code != 200 or not isinstance(answer, dict):
        raise ValueError(f"{url} is no JSON object")
    return answer
