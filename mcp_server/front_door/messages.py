"""Messages on the wire: lines cut out of a stream within bounds, and judged as JSON-RPC."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RequestId = int | str

MOST_FRAME_BYTES: Final = 8 << 20
"""Longest line that is taken in; a longer one is refused and never held whole."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
CONNECTION_CLOSED: Final = -32000

_CHUNK_BYTES: Final = 1 << 16
_ENDING_BYTES: Final = 1 << 10
_MOST_ANSWERED: Final = 100
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ID: Final = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")'
_FIRST_ID: Final = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*|"method"\s*:\s*"[^"\\]*"\s*,\s*)*' + _ID)
_LAST_ID: Final = re.compile(_ID + rb"\s*\}\s*\Z")


class LongFrame(NamedTuple):
    """A line longer than the limit: how it began and how it ended."""

    beginning: bytes
    ending: bytes


class Message(NamedTuple):
    """A well-formed JSON-RPC message; only requests have an id here, only responses have no method."""

    kind: Literal["request", "notification", "response"]
    body: dict[str, Any]
    size: int
    method: str = ""
    id: RequestId | None = None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters; empty when there are none."""
        return self.body.get("params") or {}


class Refusal(NamedTuple):
    """An error to send back; without an id where the message didn't tell one."""

    code: int
    message: str
    id: RequestId | None = None


def frames(read: Callable[[int], bytes], most: int = MOST_FRAME_BYTES) -> Iterator[bytes | LongFrame]:
    """Cut a stream into lines of at most `most` bytes; `read` gives b"" at the end."""
    line = _Line(most)
    while chunk := read(_CHUNK_BYTES):
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            line.add(part)
            yield line.take()
        line.add(rest)
    if last := line.take():
        yield last


def judge(frame: bytes | LongFrame, most: int = MOST_FRAME_BYTES) -> Message | tuple[Refusal, ...]:
    """Read one line: the message in it, or what to answer instead (nothing for a blank line or a broken response)."""
    if isinstance(frame, LongFrame):
        why = f"The message is longer than {most >> 20} MiB; send less at once, such as a path instead of a content."
        return (Refusal(INVALID_REQUEST, why, _id_of(frame)),)
    if not frame.strip():
        return ()
    try:
        body = json.loads(frame.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        why = "the JSON is nested too deeply." if isinstance(error, RecursionError) else str(error)
        return (Refusal(PARSE_ERROR, f"Parse error: {why}"),)
    if isinstance(body, dict):
        return _message(body, frame)
    if isinstance(body, list):
        return _refused_batch(body)
    return (Refusal(INVALID_REQUEST, "Invalid request: a message is a JSON object."),)


def error_line(refusal: Refusal) -> bytes:
    """Write an error as a line of the wire."""
    error = {"code": refusal.code, "message": refusal.message}
    return line_of({"jsonrpc": "2.0", "id": refusal.id, "error": error})


def line_of(body: dict[str, Any]) -> bytes:
    """Write a message as a line of the wire, in the SDK's own form."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace") + b"\n"


def is_id(value: object) -> bool:
    """Tell whether this is what a request may be numbered with."""
    return isinstance(value, int | str) and not isinstance(value, bool)


class _Line:
    """The line being read: whole while it is short enough, else its two ends."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = bytearray()
        self._ending: bytes | None = None

    def add(self, part: bytes) -> None:
        if self._ending is None and len(self._kept) + len(part) <= self._most:
            self._kept += part
            return
        if self._ending is None:
            self._ending = bytes(self._kept[-_ENDING_BYTES:])
            del self._kept[_ENDING_BYTES:]
        self._ending = (self._ending + part)[-_ENDING_BYTES:]

    def take(self) -> bytes | LongFrame:
        kept, ending = bytes(self._kept), self._ending
        self._kept, self._ending = bytearray(), None
        return kept if ending is None else LongFrame(kept, ending)


def _id_of(frame: LongFrame) -> RequestId | None:
    """Find the id of a request that was not read: at either end of its object, where no content can look like it."""
    found = _FIRST_ID.match(frame.beginning) or _LAST_ID.search(frame.ending)
    if found is None:
        return None
    try:
        value = json.loads(found[1])
    except ValueError:
        return None
    return value if is_id(value) else None


def _refused_batch(batch: list[Any]) -> tuple[Refusal, ...]:
    """Refuse each request of a batch by itself, so that nobody waits for an answer."""
    why = "Invalid request: batches are not served; send one message a line."
    ids = [item["id"] for item in batch if isinstance(item, dict) and is_id(item.get("id")) and "method" in item]
    if not ids or len(ids) > _MOST_ANSWERED:
        return (Refusal(INVALID_REQUEST, why),)
    return tuple(Refusal(INVALID_REQUEST, why, number) for number in ids)


def _message(body: dict[str, Any], frame: bytes) -> Message | tuple[Refusal, ...]:
    number = body.get("id")
    told = number if is_id(number) and _encodable(number) else None
    if _SURROGATE.search(frame) and not _encodable(body):
        why = "Parse error: the message holds half a character (a lone surrogate), which is not text."
        return (Refusal(PARSE_ERROR, why, told),)
    if "method" not in body and ("result" in body or "error" in body):
        return _response(body, told, len(frame))
    if problem := _problem(body):
        return (Refusal(INVALID_REQUEST, f"Invalid request: {problem}", told),)
    if "id" in body:
        return Message("request", body, len(frame), body["method"], told)
    return Message("notification", body, len(frame), body["method"])


def _response(body: dict[str, Any], number: RequestId | None, size: int) -> Message | tuple[Refusal, ...]:
    error = body.get("error")
    good = isinstance(body.get("result"), dict) or (
        isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str)
    )
    # An error in answer to an answer would go back and forth for ever.
    return Message("response", body, size) if good and number is not None and body.get("jsonrpc") == "2.0" else ()


def _problem(body: dict[str, Any]) -> str:
    if body.get("jsonrpc") != "2.0":
        return 'jsonrpc must be "2.0".'
    if not isinstance(body.get("method"), str):
        return "method must be a string."
    if "id" in body and not is_id(body["id"]):
        return "id must be a string or a whole number."
    if not isinstance(body.get("params"), dict | None):
        return "params must be an object."
    return ""


def _encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True
