"""Serving over standard input and output."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final

import anyio
from mcp.server.stdio import stdio_server

from mcp_server.server import create_server

if TYPE_CHECKING:
    from mcp_server.settings import Settings

_SWITCH_SECONDS: Final = 0.0005


def serve(settings: Settings) -> int:
    """Serve until the client closes its end; returns the exit status.

    Raises `ConfigurationError` before anything is served when the settings can't work.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.server.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    server = create_server(settings)
    names = ", ".join(str(root) for root in settings.workspace.roots)
    logging.getLogger("fresh_context").info("serving %s", names)

    # An answer passes through three threads; Python's usual 5 ms before one must let go would be felt.
    sys.setswitchinterval(_SWITCH_SECONDS)

    async def run() -> None:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(run)
    return 0
