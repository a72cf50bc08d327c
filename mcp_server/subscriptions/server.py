"""A server that says the same of what it tells, however it is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.lowlevel.server import NotificationOptions, Server

from mcp_context_tools.tool import Services

if TYPE_CHECKING:
    from mcp.server.models import InitializationOptions


class NotifyingServer(Server[Services]):
    """Declares that its list of resources changes where it tells of that; its tools and prompts never do."""

    notifies = False
    """Whether connections with a handshake are told of changes."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """Return what the handshake answers."""
        return super().create_initialization_options(
            notification_options or NotificationOptions(resources_changed=self.notifies),
            experimental_capabilities,
            extensions,
        )
