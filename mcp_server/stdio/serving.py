"""Serving over standard input and output, behind the front door."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from mcp_server.logging.logs import start_logging
from mcp_server.logging.telemetry import exporting

if TYPE_CHECKING:
    from mcp_server.front_door.door import Door
    from mcp_server.services import Engines
    from mcp_server.settings import Settings

_BY_TABLES: Final = frozenset({"describe_table", "plot_query", "query_tables"})
_BY_DOCUMENTS: Final = frozenset({"read_document"})


def serve(settings: Settings, door: Door) -> int:
    """Serve what comes through the door until the client closes its end; returns the exit status.

    Raises `ConfigurationError` before anything is served when the settings can't work.
    """
    redact = start_logging(settings)
    with exporting(settings.telemetry, redact=redact):
        anyio.run(_serve, settings, door)
        door.close()
    return 0


async def _serve(settings: Settings, door: Door) -> None:
    engines = _begin_early(settings, door.called)
    try:
        from mcp_server.server import create_server
        from mcp_server.stdio.sessions import converse

        server = create_server(settings, engines)
    except BaseException:
        if engines is not None:
            from mcp_server.services import close_engines

            await close_engines(engines)
        raise
    names = ", ".join(str(root) for root in settings.workspace.roots)
    logging.getLogger("fresh_context").info("serving %s", names)
    await converse(server, door)


def _begin_early(settings: Settings, tool: str) -> Engines | None:
    """Start the process that a call already waiting will need: it gets ready while the SDK is imported.

    A host that only connects, as most do first, has none started.
    """
    if tool not in _BY_TABLES | _BY_DOCUMENTS:
        return None
    from mcp_server.services import make_engines, make_workspace

    engines = make_engines(settings, make_workspace(settings))
    (engines.services.tables if tool in _BY_TABLES else engines.services.documents).warm_up()
    return engines
