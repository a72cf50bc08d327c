"""Client of a server: requests bounded in time and bytes, no redirects, no proxies, nothing of the environment."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpx2

from mcp_context_resources.errors import ContextError, ModelUnavailableError
from mcp_context_resources.models.remote.concurrency import Turns
from mcp_context_resources.models.remote.failures import Refused, said_in
from mcp_context_resources.models.remote.transport import CheckedTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from mcp_context_resources.models.remote.servers import Server

_CONNECT_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.5
_MAX_RETRY_SECONDS: Final = 5.0
_MAX_ERROR_BYTES: Final = 64 << 10
MAX_ANSWER_BYTES: Final = 32 << 20


class ServerClient:
    """Speaks with one server. Its connections belong to the event loop that made the first request."""

    def __init__(self, server: Server, *, connections: int) -> None:
        self.server = server
        self.turns = Turns()
        self._connections = connections
        self._client: httpx2.AsyncClient | None = None

    async def get(self, url: str, *, seconds: float) -> Any:
        """Return the JSON at `url`, which lies under the server's root; `seconds` bound all of it.

        Raises `Refused`, `ModelUnavailableError`.
        """
        with self._bounded(seconds):
            async with self.open("GET", url, None) as response:
                return self._decoded(await self._body(response))

    async def post(self, url: str, body: dict[str, Any], *, seconds: float | None = None) -> Any:
        """Send JSON and return the JSON that comes back. Raises `Refused`, `ModelUnavailableError`."""
        with self._bounded(seconds):
            async with self.open("POST", url, body) as response:
                return self._decoded(await self._body(response))

    async def whole(self, response: httpx2.Response) -> Any:
        """Return the JSON of a response that `open` gave. Raises `ModelUnavailableError`."""
        return self._decoded(await self._body(response))

    @contextlib.asynccontextmanager
    async def open(self, method: str, url: str, body: dict[str, Any] | None) -> AsyncIterator[httpx2.Response]:
        """Send a request, once more if it failed in passing, and give the response before its body is read.

        Leaving the context closes the connection unless the body was read to its end, so the server stops its work.

        Raises `Refused`, `ModelUnavailableError`.
        """
        response = await self._sent(method, url, body)
        try:
            yield response
        except httpx2.HTTPError as error:
            raise self._broken(error) from error
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        if self._client is not None:
            with anyio.CancelScope(shield=True):
                await self._client.aclose()
            self._client = None

    async def _sent(self, method: str, url: str, body: dict[str, Any] | None) -> httpx2.Response:
        try:
            return await self._send(method, url, body)
        except Refused as refused:
            if not refused.transient:
                raise
            wait = _RETRY_SECONDS if refused.retry_after is None else refused.retry_after
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):  # an idle connection that had ended
            wait = 0.0
        except httpx2.HTTPError as error:
            raise self._broken(error) from error
        await anyio.sleep(wait)
        try:
            return await self._send(method, url, body)
        except httpx2.HTTPError as error:
            raise self._broken(error) from error

    async def _send(self, method: str, url: str, body: dict[str, Any] | None) -> httpx2.Response:
        client = self._opened()
        headers = self.server.headers()
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        request = client.build_request(method, url, content=content, headers=headers)
        response = await client.send(request, stream=True)
        if response.status_code < 300 and response.headers.get("content-encoding", "identity") == "identity":
            return response
        try:
            raise await self._refusal(response)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def _refusal(self, response: httpx2.Response) -> Refused | ContextError:
        server = self.server
        if response.status_code < 300:
            return ModelUnavailableError(
                f"The server at {server.url} compresses its answers unasked.", "Switch that off in the server."
            )
        if response.status_code < 400:
            return ModelUnavailableError(
                f"The server at {server.url} redirects to another address, which is not followed.",
                "Name the address itself in models.remote.",
            )
        body = b""
        with contextlib.suppress(httpx2.HTTPError):
            body = await _read(response, _MAX_ERROR_BYTES)
        said = said_in(server, body[:_MAX_ERROR_BYTES])
        return Refused(response.status_code, said, _seconds(response.headers.get("retry-after")))

    async def _body(self, response: httpx2.Response) -> bytes:
        body = await _read(response, MAX_ANSWER_BYTES)
        if len(body) > MAX_ANSWER_BYTES:
            raise ModelUnavailableError(
                f"The server at {self.server.url} sent more than {MAX_ANSWER_BYTES >> 20} MB for one answer.",
                "Check that it is an OpenAI-compatible server.",
            )
        return body

    def _decoded(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self.not_understood("no valid JSON") from error

    def not_understood(self, what: str) -> ModelUnavailableError:
        """Return the error for an answer that isn't what OpenAI's protocol says."""
        return ModelUnavailableError(
            f"The server at {self.server.url} sent {what}.",
            "Check that it is an OpenAI-compatible server and that its address ends as it should, mostly in /v1.",
        )

    def _broken(self, error: httpx2.HTTPError) -> ModelUnavailableError:
        url = self.server.url
        if "CERTIFICATE" in str(error):
            return ModelUnavailableError(
                f"The certificate of the server at {url} can't be trusted.", "Install its authority on this machine."
            )
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return ModelUnavailableError(f"No server answers at {url}.", "Start it, or correct models.remote.")
        return ModelUnavailableError(
            f"The server at {url} broke off the connection.", "Look at the server's own messages, then try again."
        )

    @contextlib.contextmanager
    def _bounded(self, seconds: float | None) -> Iterator[None]:
        try:
            with anyio.fail_after(seconds):
                yield
        except TimeoutError as error:
            raise ModelUnavailableError(
                f"The server at {self.server.url} did not answer within {seconds:g} s.", "Check that it runs well."
            ) from error

    def _opened(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                transport=CheckedTransport(self.server, connections=self._connections),
                timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


async def _read(response: httpx2.Response, limit: int) -> bytes:
    """Return the body, or a little more than its first `limit` bytes."""
    body = bytearray()
    async with contextlib.aclosing(response.aiter_raw()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                break
    return bytes(body)


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds <= _MAX_RETRY_SECONDS else _MAX_RETRY_SECONDS
