"""Rendering of resources: JSON for people and programs alike, and a tool's answer in one of its two channels."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from mcp_context_tools.rendering import cost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp_context_tools.tool import Services, ToolResult


def json_text(data: dict[str, Any]) -> str:
    """Write an object with a line for each member, and for each item of a list of objects."""
    lines = []
    for name, value in data.items():
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            items = ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in value)
            text = f"[\n  {items}\n ]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        lines.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


_MOST_CHARS: Final = 1_000_000
_LEAST_CHARS: Final = 1_000
_TRIES: Final = 4


async def in_one_channel(
    services: Services, ask: Callable[[Services], Awaitable[ToolResult]], kept: Callable[[ToolResult], ToolResult]
) -> ToolResult:
    """Return what `kept` keeps of the answer to `ask`, as much as fits the budget; raises what `ask` raises.

    A tool says everything twice, so it is given room for twice as much, and less where what is kept is still too long.
    """
    most = services.budget.max_chars
    room = min(2 * most, _MOST_CHARS)
    for _ in range(_TRIES):
        shown = kept(await ask(_with_room(services, room)))
        size = cost(shown.text, shown.data)
        if size <= most:
            return shown
        room = max(_LEAST_CHARS, room * most // size * 9 // 10)
    return shown


def _with_room(services: Services, max_chars: int) -> Services:
    return replace(services, budget=services.budget.model_copy(update={"max_chars": max_chars}))
