"""Failures: what servers say when they refuse, and what that means for the caller."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import (
    BusyError,
    ContextError,
    ModelUnavailableError,
    NotFoundError,
    PromptTooLongError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.remote.servers import Server

_MAX_SAID_CHARS: Final = 300
_MAX_NAMES: Final = 10
_TOO_LONG: Final = re.compile(
    r"context[ _](length|window|size)|maximum context|n_ctx|exceeds? the .{0,40}context"
    r"|(prompt|input)\b.{0,60}\btoo (long|large|big)|(prompt|input) is larger than",
    re.IGNORECASE | re.DOTALL,
)
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_BAD_REQUEST: Final = re.compile(
    r"valid|unsupported|not support|schema|grammar|response_format|literal|permitted|require|should be|must be",
    re.IGNORECASE,
)


class Refused(Exception):  # noqa: N818 - becomes an error only when nothing else helps
    """A server answered with an error status, or with an error within a stream (`status` 0).

    `said` is its message: one line of at most 300 characters, without the key. `retry_after` is in seconds.
    """

    def __init__(self, status: int, said: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {said}")
        self.status = status
        self.said = said
        self.retry_after = retry_after

    @property
    def too_long(self) -> bool:
        """Whether the input is longer than the model reads."""
        return self.status == 413 or (self.status in {0, 400, 422, 500} and _TOO_LONG.search(self.said) is not None)

    @property
    def transient(self) -> bool:
        """Whether the same request may well succeed a little later."""
        if self.status == 500 and (self.too_long or _BAD_REQUEST.search(self.said)):
            return False
        return self.status in _TRANSIENT


def said_in(server: Server, body: bytes) -> str:
    """Return the message in the body of an error, in any of the forms in use; "" when there is none."""
    try:
        found = message_of(json.loads(body))
    except (ValueError, RecursionError):
        found = body.decode(errors="replace")
        if found.lstrip().startswith("<"):  # a web page says nothing in one line
            found = ""
    return one_line(server, found)


def message_of(value: Any) -> str:
    """Return the message within a decoded error: OpenAI's form, FastAPI's, Ollama's."""
    for _ in range(4):
        if isinstance(value, dict):
            value = next((value[key] for key in ("error", "message", "detail", "msg") if value.get(key)), "")
        elif isinstance(value, list):
            value = value[0] if value else ""
        else:
            break
    return value if isinstance(value, str) else ""


def one_line(server: Server, text: str) -> str:
    """Cut a server's words to one printable line of at most 300 characters, without its key."""
    words = " ".join(server.without_key(text[: 10 * _MAX_SAID_CHARS]).split())
    shown = "".join(character for character in words if character.isprintable())
    return shown if len(shown) <= _MAX_SAID_CHARS else shown[: _MAX_SAID_CHARS - 1] + "…"


def explained(
    server: Server, refused: Refused, *, model: str, path: str, names: Sequence[str] | None = None
) -> ContextError:
    """Return the error that tells a caller what a refusal means; `names` are the models there, if known."""
    said = f", saying “{refused.said.rstrip('.')}”." if refused.said else "."
    if refused.too_long:
        return PromptTooLongError(
            f"The server at {server.url} finds the text too long for the model {model!r}{said}",
            "Give fewer or shorter sources, lower max_tokens, or start the server with a larger context.",
        )
    if refused.status in {401, 403}:
        wants = "refuses the key it was given" if server.key is not None else "wants a key"
        return ModelUnavailableError(
            f"The server at {server.url} {wants}.", "Give its key as KEY@URL in models.remote_keys."
        )
    if refused.status == 429:
        return BusyError(f"The server at {server.url} has too many requests{said}", "Try again later.")
    if refused.status == 404 and names is not None and model not in names:
        there = ", ".join(names[:_MAX_NAMES]) + (", …" if len(names) > _MAX_NAMES else "")
        return NotFoundError(
            f"The server at {server.url} has no model {model!r}.", f"It has {there}." if there else "It has none."
        )
    if refused.status in {404, 405, 501}:
        return ModelUnavailableError(
            f"The server at {server.url} does not offer /{path} for the model {model!r}{said}",
            "Start it with that ability, or name another model.",
        )
    if refused.status == 503:
        how, hint = "isn't ready", "Try again in a little while."
    else:
        how = f"answered with status {refused.status}" if refused.status else "broke off its answer"
        hint = "Look at the server's own messages, or name another model."
    return ModelUnavailableError(f"The server at {server.url} {how}{said}", hint)
