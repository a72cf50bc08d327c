"""`fresh-context token`: print the bearer token of this machine, or make a new one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp_server.http.settings import HttpSettings


def print_token(http: HttpSettings, *, renew: bool = False) -> int:
    """Write the token that clients send to standard output, made if there is none yet; returns the exit status.

    With `renew` a new one takes its place; servers that run must be started anew to know it.

    Raises `ConfigurationError`.
    """
    from mcp_server.http.token_file import kept_token, renewed_token, token_path

    path = token_path(http.token_file)
    sys.stdout.write((renewed_token(path) if renew else kept_token(path)) + "\n")
    sys.stderr.write(f"It is kept in {path}. Clients send it as: Authorization: Bearer TOKEN\n")
    return 0
