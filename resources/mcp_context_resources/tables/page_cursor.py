"""Page cursor: where a result was left, what a cursor of `query_tables` carries."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_context_resources.cursor import decode_cursor, encode_cursor
from mcp_context_resources.errors import InvalidCursorError, StaleCursorError


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The place in a result behind its first `skip` rows, whose digest is `digest`.

    `request` and `versions` are of the statement and of the tables it reads. `direct` is 1 where no copy was read:
    the pages of a result are all read in one way, since rows of a copy may come in another order.
    """

    request: str
    versions: str
    skip: int = 0
    digest: str = ""
    direct: int = 0

    def encode(self) -> str:
        """Write the cursor."""
        return encode_cursor(self.request, self.versions, self.skip, self.digest, self.direct)

    @classmethod
    def open(cls, cursor: str | None, request: str, versions: str) -> PageCursor:
        """Read a cursor for this statement and these versions; without one, return the beginning.

        Raises `InvalidCursorError`, `StaleCursorError`.
        """
        if cursor is None:
            return cls(request, versions)
        place = cls(*decode_cursor(cursor, str, str, int, str, int))
        if place.skip < 1:
            raise InvalidCursorError("The cursor was not made by this server.", "Start again without a cursor.")
        if place.request != request:
            raise InvalidCursorError(
                "The cursor belongs to another statement.", "Repeat sql and params exactly as in the first call."
            )
        if place.versions != versions:
            raise StaleCursorError(
                "A table changed since the cursor was made, so its rows would mix two versions.",
                "Start again without a cursor.",
            )
        return place
