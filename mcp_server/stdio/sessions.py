"""Sessions between the door and the SDK: one for each protocol era, over one set of services."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from mcp.server.runner import serve_dual_era_loop, serve_loop
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCResponse, jsonrpc_message_adapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.server.lowlevel.server import Server

    from mcp_context_tools.tool import Services
    from mcp_server.front_door.door import Door
    from mcp_server.front_door.pending_messages import Arrival, Era

    Incoming = MemoryObjectSendStream[SessionMessage | Exception]


async def converse(server: Server[Services], door: Door) -> None:
    """Serve what comes through the door until the client closes its end."""
    door.go_live()
    async with server.lifespan(server) as services, anyio.create_task_group() as group:
        conversations: dict[Era, Incoming] = {}
        async for arrival in _arrivals(door):
            if not door.outbox.wait_for_room(0.0):  # who reads no answers is not served more of them
                await anyio.to_thread.run_sync(door.outbox.wait_for_room, abandon_on_cancel=True)
            if arrival.era not in conversations:
                conversations[arrival.era] = _begin(server, services, door, arrival.era, group)
            message = jsonrpc_message_adapter.validate_python(arrival.message.body, by_name=False)
            with suppress(anyio.BrokenResourceError):
                await conversations[arrival.era].send(SessionMessage(message))
        for incoming in conversations.values():
            incoming.close()


async def _arrivals(door: Door) -> AsyncIterator[Arrival]:
    """Yield what the door could not answer itself, from now on and in order, until the client is gone."""
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(arrived.set)

    door.hand_over(wake)
    while True:
        closed = door.inbox.closed
        arrived.clear()
        for arrival in door.inbox.take():
            yield arrival
        if closed:
            return
        await arrived.wait()


def _begin(server: Server[Services], services: Services, door: Door, era: Era, group: TaskGroup) -> Incoming:
    incoming, taken = anyio.create_memory_object_stream[SessionMessage | Exception]()
    said, outgoing = anyio.create_memory_object_stream[SessionMessage]()
    talk = serve_loop if era == "handshake" else serve_dual_era_loop

    async def conversation() -> None:
        await talk(server, taken, said, lifespan_state=services, init_options=server.create_initialization_options())

    group.start_soon(conversation)
    group.start_soon(_send, door, era, outgoing)
    return incoming


async def _send(door: Door, era: Era, outgoing: MemoryObjectReceiveStream[SessionMessage]) -> None:
    """Write what one conversation says, except what the door has said already."""
    async with outgoing:
        async for item in outgoing:
            message = item.message
            if isinstance(message, JSONRPCResponse | JSONRPCError) and not door.answered(message.id, era):
                continue
            line = message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
            while not door.outbox.offer(line):
                await anyio.to_thread.run_sync(door.outbox.wait_for_room, abandon_on_cancel=True)
