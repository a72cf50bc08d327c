"""Refusal: what a request that goes no further is answered, a status and a JSON-RPC error without an id."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mcp_types import INTERNAL_ERROR, INVALID_REQUEST
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.responses import Response


class RejectedRequest(Exception):  # noqa: N818 - no fault of the server's, and the field's word for it
    """A request is refused with an HTTP status, a message for its sender and headers that belong to the status."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @classmethod
    def wait(cls, status: int, message: str, seconds: float) -> RejectedRequest:
        """Refuse for the moment: the sender may come again in so many seconds."""
        return cls(status, message, Retry_After=str(max(1, math.ceil(seconds))))

    def response(self) -> Response:
        """Write the answer."""
        code = INTERNAL_ERROR if self.status >= 500 else INVALID_REQUEST
        body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": self.message}}
        return JSONResponse(body, self.status, {"Cache-Control": "no-store", **self.headers})
