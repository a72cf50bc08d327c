"""Pending messages: read and not yet taken up, or taken up and not yet answered."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp_server.front_door.messages import Message, RequestId

Era = Literal["handshake", "modern"]

MOST_QUEUED: Final = 2_048
MOST_QUEUED_BYTES: Final = 32 << 20
MOST_OPEN: Final = 4_096
"""Requests under way at once; more are refused."""

_STILL_THERE_SECONDS: Final = 0.25


class Arrival(NamedTuple):
    """A message for the conversation of its era."""

    era: Era
    message: Message


class MessageQueue:
    """Messages in their order, bounded in number and bytes: filled by the reading thread, emptied by the event loop."""

    def __init__(self, most: int = MOST_QUEUED, most_bytes: int = MOST_QUEUED_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._changed = threading.Condition()
        self._waiting: deque[Arrival] = deque()
        self._size = 0
        self._closed = False
        self._wake: Callable[[], None] | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    def put(self, arrival: Arrival, give_up: Callable[[], bool]) -> None:
        """Add a message, waiting for room; drops it once `give_up` says that nobody waits for its answer."""
        with self._changed:
            while not self._changed.wait_for(self._room, _STILL_THERE_SECONDS):
                if give_up():
                    return
            if self._closed:
                return
            self._waiting.append(arrival)
            self._size += arrival.message.size
        self._ring()

    def take(self) -> list[Arrival]:
        """Take everything there is; never waits."""
        with self._changed:
            taken = list(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._changed.notify_all()
        return taken

    def first(self, method: str) -> Message | None:
        """Return the first request of a method that waits, and leave it there."""
        with self._changed:
            return next((arrival.message for arrival in self._waiting if arrival.message.method == method), None)

    def drop(self, number: str) -> bool:
        """Take out a request that was not taken up yet; False when it isn't here."""
        with self._changed:
            for arrival in self._waiting:
                if arrival.message.kind == "request" and str(arrival.message.id) == number:
                    self._waiting.remove(arrival)
                    self._size -= arrival.message.size
                    self._changed.notify_all()
                    return True
        return False

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake`, from whatever thread, whenever there may be something to take."""
        self._wake = wake
        self._ring()

    def close(self) -> None:
        """Take nothing more in."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._ring()

    def _room(self) -> bool:
        return self._closed or not self._waiting or (len(self._waiting) < self._most and self._size < self._most_bytes)

    def _ring(self) -> None:
        if self._wake is not None:
            self._wake()


class UnansweredRequests:
    """Which requests are under way and where; numbers are compared as text, as the SDK does."""

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._open: dict[str, list[Era]] = {}
        self._count = 0
        self._swallowed: dict[str, int] = {}

    def begin(self, number: RequestId | None, era: Era, *, swallow: bool = False) -> bool:
        """Note a request; False when too many are under way. The answer to a swallowed one will not be sent."""
        with self._lock:
            if swallow:
                self._swallowed[str(number)] = self._swallowed.get(str(number), 0) + 1
                return True
            if self._count >= self._most:
                return False
            self._open.setdefault(str(number), []).append(era)
            self._count += 1
            return True

    def end(self, number: RequestId | None, era: Era) -> bool:
        """Note an answer; False when it is not to be sent."""
        with self._lock:
            if era == "handshake" and (left := self._swallowed.get(str(number), 0)):
                if left == 1:
                    del self._swallowed[str(number)]
                else:
                    self._swallowed[str(number)] = left - 1
                return False
            self._forget(str(number), era)
            return True

    def cancel(self, number: str) -> tuple[Era, ...]:
        """Forget a request that will not be answered any more; tells the eras it was under way in."""
        with self._lock:
            eras = tuple(dict.fromkeys(self._open.get(number, ())))
            for era in eras:
                self._forget(number, era)
            return eras

    def _forget(self, number: str, era: Era) -> None:
        eras = self._open.get(number, [])
        if era in eras:
            eras.remove(era)
            self._count -= 1
            if not eras:
                del self._open[number]
