"""One connection: bounded in number, in the time it may take to ask and in the time it may leave an answer unread."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from mcp_server.http.settings import HttpSettings


class BoundedConnection(H11Protocol):
    """Closes what holds a connection without asking or without reading (slow loris, slow read)."""

    limits: ClassVar[HttpSettings]
    _unasked: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it at once if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            transport.abort()
            return
        self._unasked = self.loop.call_later(self.limits.header_seconds, transport.abort)

    def handle_events(self) -> None:
        """Handle what came in: the rest of a request begun must come in time, and while one is answered none is due."""
        super().handle_events()
        if self._is_busy():
            if self._unasked is not None:
                self._unasked.cancel()
                self._unasked = None
        elif self._unasked is None and self.conn.trailing_data[0] and not self.transport.is_closing():
            self._unasked = self.loop.call_later(self.limits.header_seconds, self.transport.abort)

    def pause_writing(self) -> None:
        """Stop writing to a client that doesn't read, and watch whether it does again."""
        super().pause_writing()
        if self._unread is None:
            self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in (self._unasked, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _is_busy(self) -> bool:
        # Before the first request there is no cycle, whatever uvicorn's annotation says.
        cycle = getattr(self, "cycle", None)
        return cycle is not None and not cycle.response_complete

    def _watch(self, left: int) -> None:
        self._unread = self.loop.call_later(self.limits.stall_seconds, self._abort_unread, left)

    def _abort_unread(self, left: int) -> None:
        now = self.transport.get_write_buffer_size()
        if now >= left:
            self.transport.abort()
        else:
            self._watch(now)


def connection_class(http: HttpSettings) -> type[BoundedConnection]:
    """Make the protocol that uvicorn speaks, with limits that it lacks itself: those of the settings."""
    return type("LimitedConnection", (BoundedConnection,), {"limits": http})
